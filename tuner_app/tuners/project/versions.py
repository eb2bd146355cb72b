"""What a session ran on, for whoever has to explain its numbers later."""

import importlib.metadata
import platform
import sys

_PACKAGES = ("tuner-app", "keras", "keras-tuner", "tensorflow", "tensorflow-cpu", "jax", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the numbers, the system, the backend.

    >>> versions()["keras"].split(".")[0]
    '3'
    """
    import keras

    found = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "backend": keras.backend.backend(),
        "program": sys.argv[0],
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
