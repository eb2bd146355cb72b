"""Random numbers on TensorFlow as plain integer arithmetic, which has a stacked form.

TensorFlow's stateless generators have no vectorized form, so while a stack is traced Keras's
draw from this counter-based one: element i of a draw with seed (s0, s1) is a bijective hash of i
keyed by a hash of the seed (the finalizers are Chris Wellons's "lowbias32" and Murmur3's, found
by search for low bias). A draw therefore depends on the seed and the element alone, never on the
lane or on how many lanes there are. Each function has the signature of the one it replaces.
"""

import math

import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow.random import draw_seed

_GOLDEN = np.uint32(0x9E3779B9)


def _mix(x, first, second, shifts):
    """A bijection of uint32, two multiplications between three xor-shifts."""
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, np.uint32(shifts[0])))
    x = x * np.uint32(first)
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, np.uint32(shifts[1])))
    x = x * np.uint32(second)
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, np.uint32(shifts[2])))


def _keys(seed):
    """Two independent 32-bit keys from a seed of shape (2,)."""
    s = tf.cast(seed, tf.uint32)
    inner = _mix(s[1] + np.uint32(0x6C078965), 0x7FEB352D, 0x846CA68B, (16, 15, 16))
    first = _mix(
        tf.bitwise.bitwise_xor(inner, s[0] * _GOLDEN), 0x85EBCA6B, 0xC2B2AE35, (16, 13, 16)
    )
    second = _mix(first + s[0] + _GOLDEN, 0x7FEB352D, 0x846CA68B, (16, 15, 16))
    return first, second


def bits(shape, seed):
    """Uniform uint32 of a static shape, a function of (seed, position) alone."""
    first, second = _keys(seed)
    size = math.prod(shape)
    # Counted in int32: a uint32 range has no kernel on the CPU.
    x = tf.cast(tf.range(size, dtype=tf.int32), tf.uint32) * _GOLDEN + first
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, np.uint32(16))) * np.uint32(0x7FEB352D)
    x = tf.bitwise.bitwise_xor(x, second)  # so that no two streams are shifts of one another
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, np.uint32(15))) * np.uint32(0x846CA68B)
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, np.uint32(16)))
    return tf.reshape(x, shape)


def unit(shape, seed):
    """float32 in [0, 1), 24 random bits each."""
    return tf.cast(
        tf.bitwise.right_shift(bits(shape, seed), np.uint32(8)), tf.float32
    ) * np.float32(2.0**-24)


def _open_unit(shape, seed):
    """float32 in (0, 1), so that a logarithm is finite."""
    return unit(shape, seed) + np.float32(2.0**-25)


def _static(shape):
    shape = tf.get_static_value(shape) if tf.is_tensor(shape) else shape
    dims = [tf.get_static_value(d) if tf.is_tensor(d) else d for d in shape]
    if any(d is None for d in dims):
        raise ValueError(f"a random draw needs a static shape to be stacked, not {shape}")
    return [int(d) for d in dims]


def _dtype(dtype):
    from keras.backend import floatx

    return tf.as_dtype(dtype or floatx())


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    dtype, seed = _dtype(dtype), draw_seed(seed)
    low, high = tf.cast(minval, dtype), tf.cast(maxval, dtype)
    return low + tf.cast(unit(_static(shape), seed), dtype) * (high - low)


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    dtype, seed, shape = _dtype(dtype), draw_seed(seed), _static(shape)
    # Box and Muller (1958).
    radius = tf.sqrt(-2.0 * tf.math.log(_open_unit(shape, seed)))
    angle = unit(shape, _further(seed, 1)) * np.float32(2 * np.pi)
    return tf.cast(mean, dtype) + tf.cast(stddev, dtype) * tf.cast(radius * tf.cos(angle), dtype)


def _further(seed, n):
    """A seed for another independent draw with the same state."""
    return tf.stack([seed[0] + tf.cast(n * 0x3C6EF35F % 2**30, seed.dtype), seed[1]])


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    dtype, seed = _dtype(dtype), draw_seed(seed)
    # The inverse distribution function on the part of (0, 1) within two deviations.
    low = 0.5 * (1 + math.erf(-2 / math.sqrt(2)))
    p = low + _open_unit(_static(shape), seed) * (1 - 2 * low)
    z = tf.clip_by_value(tf.math.ndtri(p), -2.0, 2.0)
    return tf.cast(mean, dtype) + tf.cast(stddev, dtype) * tf.cast(z, dtype)


def randint(shape, minval, maxval, dtype="int32", seed=None):
    low, high = tf.cast(minval, tf.float32), tf.cast(maxval, tf.float32)
    drawn = tf.floor(low + unit(_static(shape), draw_seed(seed)) * (high - low))
    return tf.cast(tf.minimum(drawn, high - 1), dtype)


def dropout(inputs, rate, noise_shape=None, seed=None):
    shape = [tf.shape(inputs)[i] if d is None else d for i, d in enumerate(inputs.shape)]
    if noise_shape is not None:
        shape = [d if n is None else n for d, n in zip(shape, noise_shape, strict=True)]
    rate = tf.convert_to_tensor(rate, tf.float32)
    keep = unit(_static(shape), draw_seed(seed)) >= rate
    # A rate of 1 drops everything, and then the scale must not be infinite.
    scale = tf.cast(tf.math.divide_no_nan(1.0, 1.0 - rate), inputs.dtype)
    return tf.where(keep, inputs * scale, tf.zeros_like(inputs))


def shuffle(x, axis=0, seed=None):
    order = tf.argsort(unit([x.shape[axis]], draw_seed(seed)), stable=True)
    return tf.gather(x, order, axis=axis)


def categorical(logits, num_samples, dtype="int64", seed=None):
    # Gumbel (1954): the largest of log-probabilities plus Gumbel noise.
    batch, classes = _static(logits.shape)
    noise = -tf.math.log(-tf.math.log(_open_unit([batch, num_samples, classes], draw_seed(seed))))
    return tf.cast(tf.argmax(logits[:, None, :] + tf.cast(noise, logits.dtype), -1), dtype)


_GAMMA_TRIES = 12  # each is accepted with probability above 0.95: one in 1e15 draws misses all


def gamma(shape, alpha, dtype=None, seed=None):
    return tf.cast(_gamma(_static(shape), alpha, draw_seed(seed)), _dtype(dtype))


def _gamma(shape, alpha, seed):
    """Marsaglia and Tsang (2000), a fixed number of tries instead of a loop."""
    alpha = tf.broadcast_to(tf.cast(alpha, tf.float32), shape)
    # Below one: draw for alpha + 1 and multiply by U^(1/alpha).
    small = alpha < 1.0
    d = tf.where(small, alpha + 1.0, alpha) - 1.0 / 3.0
    c = 1.0 / tf.sqrt(9.0 * d)
    tries = [*shape, _GAMMA_TRIES]
    radius = tf.sqrt(-2.0 * tf.math.log(_open_unit(tries, _further(seed, 2))))
    z = radius * tf.cos(unit(tries, _further(seed, 3)) * np.float32(2 * np.pi))
    u = _open_unit(tries, _further(seed, 4))
    v = (1.0 + c[..., None] * z) ** 3
    safe = tf.maximum(v, 1e-30)
    bound = 0.5 * z * z + d[..., None] * (1.0 - v + tf.math.log(safe))
    accepted = tf.logical_and(v > 0.0, tf.math.log(u) < bound)
    first = tf.one_hot(tf.argmax(tf.cast(accepted, tf.int32), -1), _GAMMA_TRIES, dtype=tf.float32)
    drawn = d * tf.reduce_sum(safe * first, -1)
    boost = _open_unit(shape, _further(seed, 5)) ** (1.0 / tf.maximum(alpha, 1e-8))
    return tf.where(small, drawn * boost, drawn)


def beta(shape, alpha, beta, dtype=None, seed=None):
    # X / (X + Y) with X and Y gamma distributed.
    seed, shape = draw_seed(seed), _static(shape)
    x, y = _gamma(shape, alpha, seed), _gamma(shape, beta, _further(seed, 7))
    return tf.cast(x / (x + y), _dtype(dtype))
