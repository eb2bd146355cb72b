"""From a function to a Keras loss, once for all losses.

A loss is a function of the truth and the prediction that gives one value an example; Keras applies
sample weights and masks and reduces. Its keyword arguments become attributes of the loss object,
read at each call: a number there may be replaced by a tensor (one that differs by trial in a
stack), so no loss branches on a number. Booleans are static.
"""

import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from typing import ClassVar

import keras
from keras import ops

from tuner_app.errors import UserError, unknown
from tuner_app.optimizers.rule import Range


class ExampleLoss(keras.losses.Loss):
    """A Keras loss made of `function(y_true, y_pred, **parameters)`.

    Subclasses only name their function and document it; `@registered` makes them loadable.

    Args:
        reduction, name, dtype: as in `keras.losses.Loss`.
        **parameters: the keyword arguments of the function.

    Raises:
        UserError: a parameter that the function does not have, or is not of its kind.

    `limits` gives the least and the largest value of a number, where those are not zero and
    infinity. `task` is what a search may choose the loss for: "classification" (one class an
    example, by its number), "regression", or "" where it wants other truths; and `ranges` where it
    looks for the numbers.
    """

    function: ClassVar[Callable]
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {}
    task: ClassVar[str] = ""
    ranges: ClassVar[Mapping[str, Range | tuple]] = {}

    def __init__(self, *, name=None, reduction="sum_over_batch_size", dtype=None, **parameters):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        defaults = _parameters(self.function)
        for parameter, value in parameters.items():
            if parameter not in defaults:
                known = [*defaults, "name", "reduction", "dtype"]
                raise unknown(f"argument of {type(self).__name__}:", parameter, known)
            if isinstance(defaults[parameter], bool):
                if not isinstance(value, bool):
                    raise UserError(f"{parameter} must be True or False; got {value!r}.")
            else:
                parameters[parameter] = self._number(parameter, value)
        for parameter, default in defaults.items():
            setattr(self, parameter, parameters.get(parameter, default))

    def _number(self, name, value) -> float:
        low, high = self.limits.get(name, (0.0, math.inf))
        # One that is infinite, or no number, is within no limits.
        if not isinstance(value, numbers.Real) or not (low <= value <= high and value < math.inf):
            expected = "zero or more" if (low, high) == (0.0, math.inf) else f"from {low:g}"
            expected += f" to {high:g}" if high < math.inf else " up" if low else ""
            raise UserError(f"{name} must be a number, {expected}; got {value!r}.")
        # As a float, also where an integer was given: a stack lifts floats alone.
        return float(value)

    def call(self, y_true, y_pred):
        parameters = {name: getattr(self, name) for name in _parameters(self.function)}
        return self.function(y_true, y_pred, **parameters)

    def get_config(self):
        parameters = {name: getattr(self, name) for name in _parameters(self.function)}
        return super().get_config() | {"dtype": self.dtype} | parameters


def registered(cls: type[ExampleLoss]) -> type[ExampleLoss]:
    """Makes a loss loadable from a saved model, and `model.compile(loss="tuner_app>Name")` work."""
    cls = keras.saving.register_keras_serializable(package="tuner_app")(cls)
    # Keras looks a loss's string up in this table alone, not among registered names as it does
    # for optimizers and saved models.
    keras.src.losses.ALL_OBJECTS_DICT[f"tuner_app>{cls.__name__}"] = cls
    cls.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default in _parameters(cls.function).items()
        ]
        + [inspect.Parameter("keras_arguments", inspect.Parameter.VAR_KEYWORD)]
    )
    return cls


def _parameters(function):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def same_shape(y_true, y_pred):
    """The two with equal ranks: (n,) beside (n, 1) becomes (n, 1), and never broadcasts to (n, n).

    Raises:
        UserError: their shapes can't be those of a truth and its prediction.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_pred.shape) < 2:
        y_pred = ops.reshape(y_pred, (-1, 1))
    if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
        y_true = ops.expand_dims(y_true, -1)
    same_rank = len(y_true.shape) == len(y_pred.shape)
    if not same_rank or any(
        a != b for a, b in zip(y_true.shape, y_pred.shape, strict=True) if None not in (a, b)
    ):
        raise UserError(
            f"The truth has shape {tuple(y_true.shape)} and the prediction {tuple(y_pred.shape)}; "
            "they must be equal. Give the truth one value an output, or use a sparse loss for "
            "class numbers."
        )
    return ops.cast(y_true, y_pred.dtype), y_pred


def labels_of(y_true, y_pred):
    """Class numbers (int32) of shape y_pred's without its last axis, from (…) or (…, 1).

    Raises:
        UserError: the shape of y_true is neither.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if len(y_true.shape) != len(y_pred.shape) - 1:
        raise UserError(
            f"Class numbers of shape {tuple(y_true.shape)} do not fit scores of shape "
            f"{tuple(y_pred.shape)}: expected one number an example. For one-hot truth use the "
            "categorical loss."
        )
    return ops.cast(y_true, "int32")


def one_hot_of(y_true, y_pred):
    """One-hot truth of y_pred's shape, from that (or soft labels) or from class numbers.

    Raises:
        UserError: the shape of y_true is neither.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == y_pred.shape[-1]:
        return same_shape(y_true, y_pred)[0]
    return ops.one_hot(labels_of(y_true, y_pred), y_pred.shape[-1], dtype=y_pred.dtype)


SMALLEST = 1e-7  # the smallest probability or rate whose logarithm is taken as it is


def continued_log(p):
    """log p where p ≥ 1e-7, its tangent below: finite, with a slope that leads back."""
    return ops.log(ops.maximum(p, SMALLEST)) + (ops.minimum(p, SMALLEST) / SMALLEST - 1)


def log_probability(y_pred, from_logits):
    """log p over the last axis, from logits or from probabilities."""
    # Stable form of log softmax z: z − log Σ exp z, with the largest z taken out
    return ops.log_softmax(y_pred, axis=-1) if from_logits else continued_log(y_pred)
