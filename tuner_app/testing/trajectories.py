"""A start and gradients for a few steps, and what it means that two trajectories are equal."""

import keras
import numpy as np

_RNG = np.random.default_rng(0)
START = [_RNG.normal(size=(3, 2)), _RNG.normal(size=2)]
GRADIENTS = [[_RNG.normal(size=(3, 2)), _RNG.normal(size=2)] for _ in range(6)]


def assert_equal(got, want, tolerance: float, message: str, since=None) -> None:
    """Equal to a part of the largest number, or, given `since`, of how far they have moved."""
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
        scale = np.abs(b if since is None else b - since[i]).max(initial=0.0)
        off = np.abs(a - b).max(initial=0.0)
        if not off <= tolerance * scale + 1e-6 * (since is not None):
            raise AssertionError(
                f"{message}: off by {off:.2g} where {tolerance * scale:.2g} may be"
            )


def finite(arrays) -> bool:
    """Whether all their numbers are."""
    return all(np.isfinite(np.asarray(array, "float64")).all() for array in arrays)


def number(variable) -> float:
    """The value of a scalar variable."""
    return float(keras.ops.convert_to_numpy(variable))
