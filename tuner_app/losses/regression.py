"""Losses between numbers. Each is taken over the last axis, the outputs of an example."""

from keras import ops

from tuner_app.losses.loss import ExampleLoss, registered, same_shape

__all__ = [
    "Huber",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SquaredLogarithmicError",
    "SumOfAbsoluteErrors",
    "SumOfSquares",
]


def mean_squared_error(y_true, y_pred):
    y_true, y_pred = same_shape(y_true, y_pred)
    # mean (ŷ − y)²
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


def sum_of_squares(y_true, y_pred):
    y_true, y_pred = same_shape(y_true, y_pred)
    # Σ (ŷ − y)²
    return ops.sum(ops.square(y_pred - y_true), axis=-1)


def mean_absolute_error(y_true, y_pred):
    y_true, y_pred = same_shape(y_true, y_pred)
    # mean |ŷ − y|
    return ops.mean(ops.abs(y_pred - y_true), axis=-1)


def sum_of_absolute_errors(y_true, y_pred):
    y_true, y_pred = same_shape(y_true, y_pred)
    # Σ |ŷ − y|
    return ops.sum(ops.abs(y_pred - y_true), axis=-1)


def squared_logarithmic_error(y_true, y_pred):
    y_true, y_pred = same_shape(y_true, y_pred)
    # mean (log(1 + ŷ) − log(1 + y))²
    return ops.mean(ops.square(_log1p(y_pred) - _log1p(y_true)), axis=-1)


def _log1p(y):
    # log(1 + y), continued below 0 by its tangent y: the logarithm ends at −1.
    return ops.log1p(ops.maximum(y, 0.0)) + ops.minimum(y, 0.0)


def huber(y_true, y_pred, *, delta=1.0):
    y_true, y_pred = same_shape(y_true, y_pred)
    # ½ e² where |e| ≤ δ, and δ |e| − ½ δ² beyond: with a = min(|e|, δ), both are a |e| − ½ a²
    error = ops.abs(y_pred - y_true)
    a = ops.minimum(error, delta)
    return ops.mean(a * error - 0.5 * a * a, axis=-1)


@registered
class MeanSquaredError(ExampleLoss):
    """Mean squared error: the mean over an example's outputs of (ŷ − y)².

    >>> loss = MeanSquaredError()
    >>> print(f"{float(loss([[0.0, 2.0]], [[1.0, 5.0]])):.1f}")
    5.0
    """

    function = staticmethod(mean_squared_error)


@registered
class SumOfSquares(ExampleLoss):
    """L2: the sum over an example's outputs of (ŷ − y)².

    With `reduction="sum"` it is the sum over the whole batch.

    >>> loss = SumOfSquares()
    >>> print(f"{float(loss([[0.0, 2.0]], [[1.0, 5.0]])):.1f}")
    10.0
    """

    function = staticmethod(sum_of_squares)


@registered
class MeanAbsoluteError(ExampleLoss):
    """Mean absolute error: the mean over an example's outputs of |ŷ − y|; outliers pull it less.

    Its gradient at ŷ = y is 0.

    >>> loss = MeanAbsoluteError()
    >>> print(f"{float(loss([[0.0, 2.0]], [[1.0, 5.0]])):.1f}")
    2.0
    """

    function = staticmethod(mean_absolute_error)


@registered
class SumOfAbsoluteErrors(ExampleLoss):
    """L1: the sum over an example's outputs of |ŷ − y|.

    With `reduction="sum"` it is the sum over the whole batch.

    >>> loss = SumOfAbsoluteErrors()
    >>> print(f"{float(loss([[0.0, 2.0]], [[1.0, 5.0]])):.1f}")
    4.0
    """

    function = staticmethod(sum_of_absolute_errors)


@registered
class SquaredLogarithmicError(ExampleLoss):
    """Squared logarithmic error: the mean of (log(1 + ŷ) − log(1 + y))², for amounts ≥ 0.

    Below 0 the logarithm is continued by its tangent, so a negative prediction has a finite loss
    whose gradient leads back. Keras clips there instead, which leaves no gradient.

    >>> loss = SquaredLogarithmicError()
    >>> print(f"{float(loss([[0.0]], [[1.718281828]])):.4f}")
    1.0000
    """

    function = staticmethod(squared_logarithmic_error)


@registered
class Huber(ExampleLoss):
    """Huber: squared (½ e²) for small errors, linear beyond delta.

    Args:
        delta: the error at which it becomes linear, in the units of y.

    >>> loss = Huber(delta=1.0)
    >>> print(f"{float(loss([[0.0]], [[3.0]])):.1f}")
    2.5

    Reference: P. J. Huber, "Robust Estimation of a Location Parameter", 1964.
    """

    function = staticmethod(huber)
