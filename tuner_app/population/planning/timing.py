"""A mode of training timed for a moment, and the machine's rate of multiplications."""

import time
from dataclasses import dataclass

import keras
import numpy as np

from tuner_app.population.backend import vectorize
from tuner_app.population.errors import CannotStack
from tuner_app.population.population import Population

_BATCHES = 4
_MOST_LANES = 16
_SIZE = 1024


@dataclass(frozen=True)
class Timing:
    """What a mode takes.

    Args:
        first: seconds until a program is there: traced, compiled and checked.
        step: seconds a step of one trial then.
        spent: seconds that finding this out took.
    """

    first: float
    step: float
    spent: float = 0.0

    def seconds(self, steps: float, structures: int = 1) -> float:
        """Of a search of so many steps, over all its trials, with so many programs."""
        return structures * self.first + steps * self.step


def timed(build, train, batch_size: int, mode) -> Timing:
    """A mode's timing, by a population of its own on a few batches.

    Raises CannotStack with the reason.
    """
    began = time.monotonic()
    few = keras.tree.map_structure(lambda a: np.asarray(a[: _BATCHES * batch_size]), tuple(train))
    lanes = min(mode.lanes, _MOST_LANES)
    population = Population(
        few,
        batch_size=batch_size,
        lanes=lanes,
        native=mode.native,
        jit_compile=mode.jit_compile,
        steps_per_call=mode.steps_per_call,
    )
    for key in range(lanes):
        population.admit(key, build, seed=key, epochs=4)
    population.run_epoch()
    for reason in population.take_rejected().values():
        raise CannotStack(reason)
    first = time.monotonic() - began
    passes = []
    for _ in range(2):
        started = time.monotonic()
        population.run_epoch()
        passes.append(time.monotonic() - started)
    steps = -(-len(keras.tree.flatten(few[0])[0]) // batch_size)
    # The quicker of two: a busy machine only ever makes one slower.
    return Timing(first, min(passes) / (steps * lanes), time.monotonic() - began)


def multiplications_a_second() -> float:
    """The machine's rate in a product of two float32 matrices, on the device that trains."""
    matrix = vectorize.to_device(np.ones((_SIZE, _SIZE), "float32"))
    best = float("inf")
    for _ in range(4):  # the first one starts threads
        started = time.monotonic()
        vectorize.row(keras.ops.matmul(matrix, matrix), 0)
        best = min(best, time.monotonic() - started)
    return _SIZE**3 / best
