"""Losses between numbers. Each is taken over the last axis, the outputs of an example."""

import math

from keras import ops

from tuner_app.losses.loss import ExampleLoss, continued_log, registered, same_shape
from tuner_app.optimizers.rule import Range

__all__ = [
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "Quantile",
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


def log_cosh(y_true, y_pred):
    y_true, y_pred = same_shape(y_true, y_pred)
    error = ops.abs(y_pred - y_true)
    # log cosh e as ½ log(1 + sinh² e) near 0, where the other form would lose all digits, and as
    # |e| + log(1 + e^(−2|e|)) − log 2 beyond, where cosh would overflow
    near = 0.5 * ops.log1p(ops.square(ops.sinh(ops.minimum(error, 1.0))))
    far = error + ops.log1p(ops.exp(-2 * error)) - math.log(2)
    return ops.mean(ops.where(error < 1, near, far), axis=-1)


def quantile(y_true, y_pred, *, level=0.5):
    y_true, y_pred = same_shape(y_true, y_pred)
    # q max(0, y − ŷ) + (1 − q) max(0, ŷ − y): in this form the slope at y = ŷ is 0
    above, below = ops.relu(y_true - y_pred), ops.relu(y_pred - y_true)
    return ops.mean(level * above + (1 - level) * below, axis=-1)


LARGEST = 40.0  # the largest logit whose exponential is taken as it is; e⁴⁰ is 2e17
MOST = 1e30  # the largest count: times its logarithm it still has room in float32


def poisson(y_true, y_pred, *, from_logits=False):
    y_true, y_pred = same_shape(y_true, y_pred)
    y_true = ops.minimum(y_true, MOST)
    # mean (λ − y log λ)
    if from_logits:
        return ops.mean(_exp_less_product(y_pred, y_true), axis=-1)
    # 0 · log λ is 0, however far below zero λ is
    product = ops.where(y_true == 0, ops.zeros_like(y_pred), y_true * continued_log(y_pred))
    return ops.mean(y_pred - product, axis=-1)


def _exp_less_product(z, y):
    """e^z − y z; its tangent from 40 on, or from where its slope is e y − y, if that is farther.

    Beyond, e^z and y z are one product: of two that are infinite the difference would be NaN.
    """
    dtype = z.dtype
    if ops.dtype(z) == "float16":  # e⁴⁰ has no room in it
        z, y = ops.cast(z, "float32"), ops.cast(y, "float32")
    end = ops.maximum(LARGEST, 1 + ops.log(ops.maximum(y, 1.0)))
    beyond = z > end
    near, rest = ops.where(beyond, end, z), ops.where(beyond, z - end, ops.zeros_like(z))
    return ops.cast(ops.exp(near) - y * near + (ops.exp(end) - y) * rest, dtype)


@registered
class MeanSquaredError(ExampleLoss):
    """Mean squared error: the mean over an example's outputs of (ŷ − y)².

    >>> loss = MeanSquaredError()
    >>> print(f"{float(loss([[0.0, 2.0]], [[1.0, 5.0]])):.1f}")
    5.0
    """

    function = staticmethod(mean_squared_error)
    task = "regression"


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
    task = "regression"


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
    task = "regression"
    ranges = {"delta": Range(0.1, 3.0)}  # of a target whose standard deviation is 1


@registered
class LogCosh(ExampleLoss):
    """Log-cosh: the mean of log cosh(ŷ − y), ½ e² for small errors and |e| − log 2 for large ones.

    Exact to the last digits for small errors too, where Keras's value is 0 or rounding noise; a
    search that ranks trials by such a loss needs them.

    >>> loss = LogCosh()
    >>> print(f"{float(loss([[0.0]], [[1e-4]])):.1e}")
    5.0e-09
    """

    function = staticmethod(log_cosh)
    task = "regression"


@registered
class Quantile(ExampleLoss):
    """Quantile (pinball): least where the prediction is the given quantile of the truth.

    The mean of q (y − ŷ) where the truth is above the prediction, (1 − q) (ŷ − y) where below.

    Args:
        level: q, from 0 to 1; ½ gives half of the absolute error.

    >>> loss = Quantile(level=0.9)
    >>> print(f"{float(loss([[1.0]], [[0.0]])):.1f} {float(loss([[0.0]], [[1.0]])):.1f}")
    0.9 0.1

    Reference: R. Koenker and G. Bassett, "Regression Quantiles", 1978.
    """

    function = staticmethod(quantile)
    limits = {"level": (0.0, 1.0)}


@registered
class Poisson(ExampleLoss):
    """Poisson: the mean of λ − y log λ, for counts y and predicted rates λ.

    Args:
        from_logits: the prediction is log λ, of any sign. Above 40 (or 1 + log y, if that is more)
            the loss is continued by its tangent.

    A count above 1e30 counts as that. A rate below 1e-7, zero and negative ones too, has the
    logarithm's tangent from there, so its slope leads back; Keras's loss is not a number there.

    >>> loss = Poisson()
    >>> print(f"{float(loss([[2.0]], [[1.0]])):.1f}")
    1.0
    """

    function = staticmethod(poisson)
