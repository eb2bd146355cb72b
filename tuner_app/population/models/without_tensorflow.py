"""Keras on another backend, where it asks for TensorFlow only to know whether it is there."""

import contextlib
import sys
from collections.abc import Iterator

import keras
from keras.src.utils import module_utils

from tuner_app.population.backend.swapping import swapped
from tuner_app.population.backend.turns import TURN


@contextlib.contextmanager
def tensorflow_left_out() -> Iterator[None]:
    """While open, Keras does not import TensorFlow to seed it, or to know objects of its types.

    A process that has not imported it draws no numbers by it and has no such objects; to import it
    takes two seconds.
    """
    lazy = module_utils.tensorflow
    with TURN:
        unknown = "tensorflow" not in sys.modules and lazy._available is None
        with swapped([(lazy, "_available", False)] * unknown):
            yield


def set_random_seed(seed: int) -> None:
    """`keras.utils.set_random_seed`, for TensorFlow too where it is imported."""
    with tensorflow_left_out():
        keras.utils.set_random_seed(seed % 2**32)
