"""Initial values on JAX, bit for bit its own, for which nothing is compiled.

JAX compiles a program for each shape that it fills or draws uniform numbers of: on a CPU 0.02 and
0.2 to 0.9 s of processor time, a tenth of a search of 200 small models. NumPy makes the same bits
in the time that such a program takes when it is compiled: those of JAX's generator (J. K. Salmon,
M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).
"""

import contextlib
import math

import jax
import keras
import numpy as np
from keras.src.backend.jax import random
from keras.src.backend.jax.core import JaxVariable

from tuner_app.population.backend.swapping import swapped
from tuner_app.population.backend.turns import TURN
from tuner_app.population.backend.vectorize import to_device
from tuner_app.population.models import drawing

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
# Numbers in an array for which a compiled program is so much quicker that it is worth its time.
_MANY = 2**18
_uniform_by_jax = random.uniform
_initialize_by_jax = JaxVariable._initialize_with_initializer


@contextlib.contextmanager
def by_numpy():
    """While open, on a CPU, NumPy fills and draws what it can of Keras's variables."""
    if not _same_generator():
        yield
        return
    with TURN:
        name = "_initialize_with_initializer"
        whole = getattr(JaxVariable, name) is _initialize_by_jax  # else those that wait, wait on
        entries = [(random, "uniform", _uniform)] + [(JaxVariable, name, initialize)] * whole
        with swapped(entries):
            yield


def _same_generator() -> bool:
    settings = jax.config.jax_default_prng_impl, jax.config.jax_threefry_partitionable
    return jax.default_backend() == "cpu" and settings == ("threefry2x32", True)


def initialize(self, initializer):
    """In the place of a variable's own method, which fills on the host."""
    number = drawing.filling(initializer)
    if number is None:
        _initialize_by_jax(self, initializer)
    else:
        kind = drawing.numpy_dtype(self._dtype)
        self._initialize(to_device(np.full(self._shape, number, kind)))


def _uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    kind = keras.backend.standardize_dtype(dtype or keras.backend.floatx())
    if type(seed) is not int or kind != "float32" or math.prod(shape) >= _MANY:
        return _uniform_by_jax(shape, minval, maxval, dtype, seed)
    return to_device(uniform(seed, shape, minval, maxval))


def uniform(seed: int, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """float32: `keras.random.uniform(shape, low, high, seed=seed)` on JAX and a CPU."""
    mantissa = _bits(seed, math.prod(shape)) >> np.uint32(9)
    unit = (mantissa | np.float32(1).view("uint32")).view("float32") - np.float32(1)
    low, high = np.float32(low), np.float32(high)
    # XLA rounds the product and the sum once.
    found = (unit.astype("float64") * np.float64(high - low) + low).astype("float32")
    return np.maximum(low, found).reshape(shape)


def _bits(seed: int, count: int) -> np.ndarray:
    """uint32 of shape (count,): the i-th is Threefry 2x32 of the number i, its halves combined."""
    first, second = np.uint32(seed % 2**32), np.uint32(0)
    keys = (first, second, first ^ second ^ np.uint32(0x1BD11BDA))
    a = np.full(count, keys[0])
    b = np.arange(count, dtype="uint32") + keys[1]
    high = np.empty_like(b)
    for i in range(5):
        for places in _ROTATIONS[i % 2]:
            a += b
            np.right_shift(b, np.uint32(32 - places), out=high)
            b <<= np.uint32(places)
            b |= high
            b ^= a
        a += keys[(i + 1) % 3]
        b += np.uint32((int(keys[(i + 2) % 3]) + i + 1) % 2**32)
    return a ^ b
