"""Whether the files that a data set is read from are still those that they were.

>>> import tempfile
>>> file = Path(tempfile.mkdtemp()) / "a.csv"
>>> _ = file.write_text("x,y")
>>> before = fingerprint(f"csv:{file}?target=y")
>>> _ = file.write_text("x,z")
>>> fingerprint(f"csv:{file}?target=y") == before, fingerprint("digits")
(False, None)
"""

import hashlib
import os
from pathlib import Path

from tuner_app.data.source import Address


def fingerprint(spec: str) -> str | None:
    """What changes when the data do; None for data that are not files of the user's.

    Of a CSV or NPZ file its content (SHA-256, about a second a gigabyte); of a folder of images the
    names and sizes, since reading them all may take minutes.
    """
    address = Address.parse(spec)
    if address.scheme not in ("csv", "npz", "images"):
        return None
    path = address.path
    digest = hashlib.sha256()
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = Path(folder) / name
                digest.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
    else:
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()
