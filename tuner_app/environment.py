"""The machine a search runs on: TensorFlow's log noise, the precision, the device."""

import contextlib
import gc
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tuner_app.deferred import deferred
from tuner_app.errors import UserError

# What a search imports besides TensorFlow and Keras, and what takes long of it.
SEARCH = ("tuner_app.oracles", "tuner_app.tuners.population", "tuner_app.tracking.tensorboard")

# What TensorFlow, Keras (pictures of models, its wrapper for scikit-learn) and KerasTuner (a tuner
# and an oracle) import without needing it here: a fifth of the time that they take.
_LATER = (
    *("matplotlib", "matplotlib.pyplot", "matplotlib.patches", "keras.wrappers", "requests"),
    *("sklearn", "sklearn.exceptions", "sklearn.gaussian_process"),
    *("sklearn.model_selection", "sklearn.pipeline", "scipy.optimize"),
)

# Where NVIDIA's driver for Linux has a folder for each of its GPUs.
_NVIDIA_GPUS = Path("/proc/driver/nvidia/gpus")


def import_quietly(*also: str) -> None:
    """Imports TensorFlow and Keras without the lines that their libraries log while they load.

    With TF_CPP_MIN_LOG_LEVEL set by the user nothing is hidden. If the import fails, what was
    hidden is shown.

    Args:
        also: Other modules that the process needs, such as `SEARCH`.
    """
    # The variable is only obeyed once TensorFlow has initialized its logging; until then its C++
    # libraries write to file descriptor 2, which Python's sys.stderr can't intercept.
    shown = "TF_CPP_MIN_LOG_LEVEL" in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _never_collected():
        with deferred(*_LATER):
            with contextlib.nullcontext() if shown else native_stderr_held_back():
                # TensorFlow imports JAX where it finds it, for a converter that nothing here uses.
                # It may import Keras, too, which has to find its backend.
                with _not_found("jax") if _backend() == "tensorflow" else contextlib.nullcontext():
                    import tensorflow  # noqa: F401
                import keras  # noqa: F401
            for name in also:
                importlib.import_module(name)


@contextlib.contextmanager
def _never_collected() -> Iterator[None]:
    """Spares the garbage collector what is imported inside, now and later.

    It lives as long as the process, and to go over all of it takes a third of a second: several
    times while it is imported, at each model that Keras clears, and when the process ends.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


@contextlib.contextmanager
def _not_found(name: str) -> Iterator[None]:
    """Inside, a module that was not imported yet is as one that is not installed."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None
    try:
        yield
    finally:
        del sys.modules[name]


def _backend() -> str:
    """What Keras will compute with, as it finds out itself."""
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text()).get("backend", "tensorflow")
    except (OSError, ValueError, AttributeError):
        return "tensorflow"


def use_backend(name: str) -> None:
    """Makes Keras compute with "tensorflow" or "jax"; "" leaves Keras's own setting.

    Raises:
        UserError: Keras was imported with another backend before.
    """
    if not name:
        return
    keras = sys.modules.get("keras")
    if keras is not None and keras.backend.backend() != name:
        raise UserError(
            f"The backend is to be {name}, but this process has imported Keras with "
            f"{keras.backend.backend()}. Set KERAS_BACKEND={name} before Keras is imported."
        )
    os.environ["KERAS_BACKEND"] = name


def use_device(precision: str) -> str:
    """Sets the precision of new models and how GPU memory grows; returns the device's name.

    Args:
        precision: Keras's dtype policy: "float32", "mixed_bfloat16" or "mixed_float16".
    """
    import keras

    keras.config.set_dtype_policy(precision)
    on_jax = keras.backend.backend() == "jax"
    names = _gpus_of_jax() if on_jax else _gpus_of_tensorflow()
    if names:
        return "GPU, " + ", ".join(names)
    return f"CPU, {cores()} cores" + _unused_gpu("JAX" if on_jax else "TensorFlow")


def _unused_gpu(backend: str) -> str:
    """That there is a GPU which the backend can't use, or nothing."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
    if hidden or not (_NVIDIA_GPUS.is_dir() and any(_NVIDIA_GPUS.iterdir())):
        return ""
    command = 'pip install ".[jax-cuda]"' if backend == "JAX" else 'pip install ".[cuda]"'
    return f" (there is a GPU, which {backend} does not find: {command})"


def _gpus_of_tensorflow() -> list[str]:
    """The names of the GPUs that TensorFlow computes on, whose memory it takes as it needs it."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            # TensorFlow has touched the device already (a search from a notebook): its memory
            # setting can't change any more, and the search works with the one it has.
            break
    details = tf.config.experimental.get_device_details
    return [details(gpu).get("device_name", gpu.name) for gpu in gpus]


def _gpus_of_jax() -> list[str]:
    """The name of the accelerator that JAX computes on, if there is one.

    It trains on the first it finds, and takes memory as it needs it, unless the user has said
    otherwise. TensorFlow, which reads data, leaves GPUs alone then.
    """
    _grow_memory_of_jax()
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        # Not where it has begun to use them.
        with contextlib.suppress(RuntimeError):
            tensorflow.config.set_visible_devices([], "GPU")
    import jax

    first = jax.devices()[0]
    return [] if first.platform == "cpu" else [first.device_kind]


def _grow_memory_of_jax() -> None:
    """Before JAX first asks for its devices; it would take three quarters of a GPU's memory at
    once, which two processes can't."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def cores() -> int:
    """The cores that this process may use, where the system tells, else those of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """How many threads of this process may compute: as many as it has cores or, where fewer,
    TF_NUM_INTRAOP_THREADS, by which each of several workers has its share of a machine."""
    share = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return min(cores(), int(share)) if share.isdecimal() and int(share) else cores()


@contextlib.contextmanager
def native_stderr_held_back() -> Iterator[None]:
    """What is written to file descriptor 2 inside is dropped, or shown if an error leaves."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(original, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
