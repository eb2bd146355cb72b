"""Weight penalties whose strengths are values: 0 is a number like any other, never another program.

Keras's own `L1L2` skips a term whose strength is 0 and its `L1` turns the strength into a constant
when it is made, so trials that differ only in these numbers could not share one program.
"""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("tuner_app")
class L1L2(keras.regularizers.Regularizer):
    """A penalty on a layer's weights: `l1 · Σ|w| + l2 · Σw²`.

    The same definition as `keras.regularizers.L1L2`, for a weight tensor of any shape and dtype;
    the result is a scalar of that dtype.

    Args:
        l1: Strength of the absolute-value term (Tibshirani 1996, the lasso), at least 0.
        l2: Strength of the squared term (Hoerl and Kennard 1970, ridge), at least 0.

    Raises:
        ValueError: A strength is negative or not finite.

    >>> float(L1L2(l1=0.5, l2=0.1)(keras.ops.array([1.0, -2.0])))
    2.0
    """

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = strength("l1", l1)
        self.l2 = strength("l2", l2)

    def __call__(self, weights):
        l1 = ops.cast(self.l1, weights.dtype)
        l2 = ops.cast(self.l2, weights.dtype)
        return l1 * ops.sum(ops.abs(weights)) + l2 * ops.sum(ops.square(weights))

    def get_config(self):
        return {"l1": float(self.l1), "l2": float(self.l2)}


def l1(strength):
    """The penalty `strength · Σ|w|`.

    >>> l1(0.01).get_config()
    {'l1': 0.01, 'l2': 0.0}
    """
    return L1L2(l1=strength)


def l2(strength):
    """The penalty `strength · Σw²`.

    >>> l2(0.01).get_config()
    {'l1': 0.0, 'l2': 0.01}
    """
    return L1L2(l2=strength)


def strength(name, value, most=math.inf):
    """`value` as it came, once it is known to lie in [0, most] and to be finite."""
    if not (0 <= value <= most and math.isfinite(value)):
        limit = "at least 0" if most == math.inf else f"between 0 and {most}"
        raise ValueError(f"Received {name}={value}; expected a number {limit}.")
    return value
