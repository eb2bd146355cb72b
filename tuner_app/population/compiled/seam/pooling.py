"""Max pooling as a selection, whose gradient is a selection too.

XLA's own gradient of a maximum over windows finds each maximum again, by two more passes over
windows of positions and a scatter: on the CPU, half the time of a small convolutional network.
"""

import functools
import math

import keras
import numpy as np
from keras import ops

from tuner_app.population.compiled.seam import windows


def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """`max_pool` of `keras.src.backend.<backend>.nn`.

    Of equal inputs of a window the first takes the gradient, as in XLA and in TensorFlow's
    kernels for images. Its kernel for volumes gives it to all of them, and so does this.
    """
    return windows.on_channels_last(
        lambda x: _max_pool(x, pool_size, strides, padding.lower()), inputs, data_format
    )


def _max_pool(x, pool_size, strides, padding):
    size = windows.each(pool_size, len(x.shape) - 2)
    strides = size if strides is None else windows.each(strides, len(size))
    if len(size) == 3 and keras.backend.backend() == "tensorflow":
        return _of_volumes(_taps(x, size, strides, padding))
    tiled = size == strides and all(
        length % s == 0 for length, s in zip(x.shape[1:-1], size, strict=True)
    )
    taps = _tiles if tiled else _taps
    chosen, largest = _first_largest(taps(ops.stop_gradient(x), size, strides, padding))
    if tiled:
        x, axes = _split(x, size)
        place = ops.reshape(
            ops.arange(math.prod(size), dtype="int32"),
            [n if axis in axes else 1 for axis, n in enumerate(x.shape)],
        )
        kept = ops.where(ops.expand_dims(chosen, axes) == place, x, ops.zeros_like(x))
        pooled = ops.sum(kept, axes)
    else:
        pooled = sum(
            ops.where(chosen == place, tap, ops.zeros_like(tap))
            for place, tap in enumerate(_taps(x, size, strides, padding))
        )
    # A division by one that the compiler can't see through: it keeps XLA from computing the
    # gradient of what follows anew for each input of a window.
    one = ops.cast(ops.reshape(chosen, (-1,))[0] >= 0, x.dtype)
    return pooled / one


def _of_volumes(taps):
    # Not split into tiles, which would have nine axes in a stack: TensorFlow has kernels for eight.
    largest = ops.stop_gradient(functools.reduce(ops.maximum, taps))
    zero = ops.zeros_like(largest)
    return largest + sum(
        ops.where(tap == largest, tap - ops.stop_gradient(tap), zero) for tap in taps
    )


def _first_largest(taps):
    """The position of the first largest tap, int32, and its value."""
    largest = taps[0]
    chosen = ops.zeros(largest.shape, "int32")
    for place, tap in enumerate(taps[1:], start=1):
        # A NaN stays, or comes in, as in a maximum.
        larger = ops.logical_or(tap > largest, tap != tap)
        chosen, largest = ops.where(larger, place, chosen), ops.where(larger, tap, largest)
    return chosen, largest


def _taps(x, size, strides, padding):
    return windows.taps(x, size, strides, padding, [1] * len(size), fill=float("-inf"))[0]


def _split(x, size):
    """x with each spatial axis split in two, windows and positions, and the positions' axes."""
    batch, *spatial, channels = x.shape
    split = [m for length, s in zip(spatial, size, strict=True) for m in (length // s, s)]
    return ops.reshape(x, (batch, *split, channels)), tuple(range(2, 2 + 2 * len(size), 2))


def _tiles(x, size, strides, padding):
    """The taps of windows that tile x."""
    split, axes = _split(x, size)
    whole = [slice(None)] * len(split.shape)
    found = []
    for position in np.ndindex(*size):
        for axis, place in zip(axes, position, strict=True):
            whole[axis] = place
        found.append(split[tuple(whole)])
    return found
