"""Numeric gradients, and the check of analytic ones against them.

A gradient to believe, for it only evaluates the loss.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from tuner_app.errors import UserError


def numeric_gradient(
    function: Callable[[np.ndarray], float],
    point: np.ndarray,
    *,
    step: float = 1e-5,
    coordinates: np.ndarray | None = None,
) -> np.ndarray:
    """The gradient by central differences, (f(x + h) − f(x − h)) / 2h, one coordinate at a time.

    Args:
        function: from an array to a number, computed in float64.
        point: x; any shape.
        step: h, for a coordinate near 1; larger coordinates take |x| h.
        coordinates: flat indices to take; all of them by default.

    Returns:
        float64: an array of point's shape, or one number for each of `coordinates`.

    >>> numeric_gradient(lambda x: float((x**2).sum()), np.array([3.0, -1.0])).round(6).tolist()
    [6.0, -2.0]
    """
    x = np.array(point, dtype="float64")
    flat = x.reshape(-1)
    chosen = np.arange(flat.size) if coordinates is None else np.asarray(coordinates)
    slopes = np.empty(len(chosen))
    for k, i in enumerate(chosen):
        value, h = flat[i], step * max(1.0, abs(flat[i]))
        flat[i] = value + h
        above = float(function(x))
        flat[i] = value - h
        below = float(function(x))
        flat[i] = value
        slopes[k] = (above - below) / (2 * h)
    return slopes.reshape(x.shape) if coordinates is None else slopes


@dataclasses.dataclass(frozen=True)
class GradientReport:
    """How an analytic gradient compares with the numeric one.

    Attributes:
        name: the variable.
        checked, size: how many of its numbers were compared, of how many.
        relative_error: ‖a − n‖ / (‖a‖ + ‖n‖), from 0 (equal) to 1; 0 where both are zero.
        largest_difference: max |a − n|.
        tolerance: the relative error up to which `ok` holds.
    """

    name: str
    checked: int
    size: int
    relative_error: float
    largest_difference: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.relative_error <= self.tolerance

    def __str__(self):
        return (
            f"{self.name}: {'ok' if self.ok else 'WRONG'}, relative error "
            f"{self.relative_error:.1e} (up to {self.tolerance:.0e}) "
            f"on {self.checked} of {self.size}"
        )


def check_gradient(
    function: Callable[[np.ndarray], float],
    gradient: np.ndarray,
    point: np.ndarray,
    *,
    name: str = "x",
    step: float = 1e-5,
    tolerance: float = 1e-6,
    coordinates: np.ndarray | None = None,
) -> GradientReport:
    """Compares a gradient of a plain function with the numeric one.

    Args:
        gradient: what is claimed to be the gradient at `point`, in point's shape.
        tolerance: 1e-6 suits a smooth function in float64. A kink (ReLU, |x|, hinge) crossed by a
            difference of `step` gives a large error of its own.
        function, point, step, coordinates: as for `numeric_gradient`.

    Raises:
        UserError: the gradient's shape is not the point's.

    >>> report = check_gradient(lambda x: float((x**3).sum()), np.array([12.0]), np.array([2.0]))
    >>> report.ok
    True
    """
    gradient, point = np.asarray(gradient, "float64"), np.asarray(point, "float64")
    if gradient.shape != point.shape:
        raise UserError(
            f"The gradient has shape {gradient.shape} and the point {point.shape}; they must be "
            "equal."
        )
    chosen = np.arange(point.size) if coordinates is None else np.asarray(coordinates)
    numeric = numeric_gradient(function, point, step=step, coordinates=chosen)
    analytic = gradient.reshape(-1)[chosen]
    scale = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    difference = np.linalg.norm(analytic - numeric)
    return GradientReport(
        name=name,
        checked=len(chosen),
        size=point.size,
        relative_error=float(difference / scale) if scale else 0.0,
        largest_difference=float(np.abs(analytic - numeric).max(initial=0.0)),
        tolerance=tolerance,
    )


def check_model_gradient(
    model: keras.Model,
    loss: Callable,
    x,
    y,
    *,
    numbers_per_variable: int = 20,
    seed: int = 0,
    tolerance: float | None = None,
) -> list[GradientReport]:
    """Checks the gradient of a model's loss, its own penalties included, for every variable.

    The model runs as in evaluation (no dropout); its weights are the same afterwards.

    Args:
        model: a built model. In float32 the differences are coarse: for a sharp check make its
            layers with `dtype="float64"`.
        loss: `loss(y_true, y_pred)`, a Keras loss or a function.
        x, y: one batch; a few examples are enough.
        numbers_per_variable: how many numbers of each variable to compare, chosen by `seed`.
        tolerance: by default 1e-6 for float64 variables and 2e-2 for float32.

    Returns:
        A report a variable, in the order of `model.trainable_variables`.
    """
    rng = np.random.default_rng(seed)
    variables = model.trainable_variables
    compute_loss = loss_of(model, loss, x, y)
    reports = []
    for variable, gradient in zip(variables, _gradients(compute_loss, variables), strict=True):
        double = keras.backend.standardize_dtype(variable.dtype) == "float64"
        start = variable.numpy()

        def at(value, variable=variable):
            variable.assign(value)
            return float(ops.convert_to_numpy(compute_loss()))

        count = min(numbers_per_variable, start.size)
        try:
            report = check_gradient(
                at,
                gradient,
                start,
                name=variable.path,
                step=1e-5 if double else 1e-2,  # about the cube root of the rounding error
                tolerance=tolerance or (1e-6 if double else 2e-2),
                coordinates=np.sort(rng.choice(start.size, count, replace=False)),
            )
        finally:
            variable.assign(start)
        reports.append(report)
    return reports


def loss_of(model: keras.Model, loss: Callable, x, y) -> Callable:
    """A function without arguments: the sum of a batch's losses and the model's own penalties."""
    dtype = keras.backend.standardize_dtype(model(x, training=False).dtype)
    if isinstance(loss, keras.losses.Loss) and dtype == "float64":
        # A Keras loss computes in its own dtype, which would round this model's predictions.
        loss = type(loss).from_config(loss.get_config() | {"dtype": dtype})

    def compute_loss():
        value = ops.sum(loss(y, model(x, training=False)))
        return value + sum(ops.cast(penalty, value.dtype) for penalty in model.losses)

    return compute_loss


def _gradients(compute_loss, variables):
    """d loss / d variable for each, as NumPy arrays; zeros where the loss does not depend on it."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = compute_loss()
        gradients = tape.gradient(value, [v.value for v in variables], unconnected_gradients="zero")
        return [tf.convert_to_tensor(g).numpy() for g in gradients]
    if keras.backend.backend() == "jax":
        import jax

        def stateless(values):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return compute_loss()

        return [np.asarray(g) for g in jax.grad(stateless)([v.value for v in variables])]
    raise UserError(
        f"Gradients are checked on the TensorFlow and JAX backends, not {keras.backend.backend()}."
    )
