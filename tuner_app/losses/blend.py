"""A weighted sum of losses, so that trials which differ in their loss differ in numbers alone."""

from typing import ClassVar

import keras

from tuner_app.errors import UserError

__all__ = ["LossBlend"]


@keras.saving.register_keras_serializable(package="tuner_app")
class LossBlend(keras.losses.Loss):
    """Blend: a weighted sum of losses; with one weight of 1 and the rest 0, that loss alone.

    A search that chooses among losses by their weights keeps one program for all of them, so trials
    with different losses are trained in one stack.

    Args:
        losses: Keras losses that give one value an example, at least one.
        weights: as many numbers.
        reduction, name, dtype: as in `keras.losses.Loss`; the losses' own reductions do not count.

    Raises:
        UserError: their numbers are unequal, or one is no loss.

    >>> from tuner_app.losses import MeanAbsoluteError, MeanSquaredError
    >>> loss = LossBlend([MeanSquaredError(), MeanAbsoluteError()], [0.0, 1.0])
    >>> print(f"{float(loss([[1.0]], [[4.0]])):.1f}")
    3.0
    """

    task: ClassVar[str] = ""

    def __init__(self, losses, weights, reduction="sum_over_batch_size", name=None, dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not losses or len(losses) != len(weights):
            raise UserError(
                f"LossBlend needs as many weights as losses, at least one; got {len(losses)} "
                f"losses and {len(weights)} weights."
            )
        for loss in losses:
            if not isinstance(loss, keras.losses.Loss):
                raise UserError(f"LossBlend needs Keras losses; got {loss!r}.")
        self.losses, self.weights = tuple(losses), tuple(float(w) for w in weights)

    def call(self, y_true, y_pred):
        pairs = zip(self.weights, self.losses, strict=True)
        return sum(weight * loss.call(y_true, y_pred) for weight, loss in pairs)

    def get_config(self):
        losses = [keras.losses.serialize(loss) for loss in self.losses]
        config = {"losses": losses, "weights": list(self.weights), "dtype": self.dtype}
        return super().get_config() | config

    @classmethod
    def from_config(cls, config):
        losses = [keras.losses.deserialize(loss) for loss in config["losses"]]
        return cls(**config | {"losses": losses})
