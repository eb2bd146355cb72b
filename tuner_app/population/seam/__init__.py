"""Functions of Keras's backend replaced while a stack is traced: one table.

Almost every Keras layer has a stacked form once these few functions of the backend, which do not,
are replaced by equal ones that do. Each entry is held to the original by tests/population: the
deterministic ones by their values, the random ones by the distribution they draw from. They are
private to Keras, so the project pins the range of Keras versions it works with.
"""

import contextlib

import keras


@contextlib.contextmanager
def seam(native: bool = False):
    """While open, the backend's functions are the table's.

    With native=True the backend keeps its own kernels for what is not random: for a program of
    one lane. The random functions are replaced in every mode, so that a trial's random numbers do
    not depend on the mode.
    """
    entries = _table(native)
    kept = [(module, name, getattr(module, name)) for module, name, _ in entries]
    for module, name, function in entries:
        setattr(module, name, function)
    try:
        yield
    finally:
        for module, name, function in kept:
            setattr(module, name, function)


def _table(native: bool):
    if keras.backend.backend() == "jax":
        return []
    from keras.src.backend.tensorflow import numpy as keras_numpy
    from keras.src.backend.tensorflow import random as keras_random

    from tuner_app.population.seam import elementwise, random

    names = "uniform normal truncated_normal randint dropout shuffle categorical gamma beta".split()
    table = [(keras_random, name, getattr(random, name)) for name in names]
    if not native:
        table.append((keras_numpy, "signbit", elementwise.signbit))
    return table
