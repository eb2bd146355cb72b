"""How many lanes a search is given: by what its trials are worth, by memory, by earlier deaths."""

import math
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence

import keras

from tuner_app.population import Plan, plan

MOST_LANES = 100
_SHARE = 0.5  # of the memory that is free: the rest is the data's, the compiler's and Keras's
_OWN = 0.9  # of a GPU's memory, which TensorFlow takes unless it is told to take what it needs
_UNKNOWN = 2 * 2**30  # bytes


def planned(
    builds: Sequence[Callable[[], keras.Model]],
    arguments,
    runs: int,
    most: int,
    light: bool = False,
) -> Plan:
    """The engine's plan for `runs` runs of models like those built, with `most` lanes at most.

    A model that can't be built, or not be judged, is planned for as if it were small: its trial
    will tell.

    Args:
        arguments: The `FitArguments` of the search.
        light: Whether models may be looked at without their variables.
    """
    lanes = -(-runs // -(-runs // most))  # waves of one size
    try:
        return plan(
            builds,
            arguments.train,
            batch_size=arguments.batch_size,
            trials=runs,
            memory=_SHARE * free_memory(),
            steps_per_epoch=arguments.steps_per_epoch,
            held_out=_size(arguments.validation),
            lanes=lanes,
            epochs=max(1, arguments.epochs - arguments.initial_epoch),
            light=light,
        )
    except Exception as error:
        return Plan(lanes, False, 256, f"{lanes} lanes (not judged: {type(error).__name__})")


def _size(examples) -> int:
    return 0 if examples is None else len(keras.tree.flatten(examples[0])[0])


def free_memory() -> float:
    """Bytes that the device that trains has to give, as far as can be told."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        stats = jax.devices()[0].memory_stats() or {}
        if "bytes_limit" in stats:
            used = stats.get("bytes_in_use", 0)
            # What others, on the same GPU, have left, beside what is JAX's and not in use.
            left = _on_gpu().get("free", math.inf) + stats.get("pool_bytes", used) - used
            return float(min(stats["bytes_limit"] - used, left))
    elif backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            found = _on_gpu()
            if found and not tf.config.experimental.get_memory_growth(gpus[0]):
                # TensorFlow takes nearly all there is at once, and it is TensorFlow's to give.
                used = tf.config.experimental.get_memory_info("GPU:0")["current"]
                return max(found["free"], _OWN * found["total"] - used)
            return found.get("free", _UNKNOWN)
    return _free_on_host()


def _on_gpu() -> dict[str, float]:
    """Bytes of memory, "free" and "total", of the first GPU that this process sees; empty where it
    can't be told."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return {}
    asked = [command, "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"]
    mine = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    asked += [f"--id={mine}"] * bool(mine)  # nvidia-smi itself sees all
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    numbers = [word.strip() for word in found.partition("\n")[0].split(",")]
    if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        return {}
    return {name: float(n) * 2**20 for name, n in zip(("free", "total"), numbers, strict=True)}


def _free_on_host() -> float:
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return float(line.split()[1]) * 1024
    except OSError:
        pass
    try:  # not on Windows
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) / 2
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN


def most_open_after_deaths(blames: Iterable[float]) -> int:
    """How many trials may be open at once when one of them may be what kills the process.

    Each death is shared out among the trials that were open (see `SearchStore.close_dead`), so
    every further one leaves half as many beside it, until the one at fault runs alone.

    >>> [most_open_after_deaths([0.0, worst]) for worst in (1 / 64, 1 / 64 + 1 / 32, 0.5, 2.0)]
    [32, 10, 1, 1]
    """
    worst = max(blames, default=0.0)
    return max(1, int(1 / (2 * worst))) if worst else MOST_LANES
