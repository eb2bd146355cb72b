"""Accuracy by arg-max, for truth given as class numbers or one-hot."""

import keras
from keras import ops

from tuner_app.errors import UserError
from tuner_app.losses.loss import labels_of


def arg_max_accuracy(y_true, y_pred):
    """1 where the largest score is the true class's, else 0; ties go to the lower class.

    Args:
        y_true: class numbers of shape (…) or (…, 1), or one-hot of y_pred's shape.
        y_pred: probabilities or logits of shape (…, classes).

    Raises:
        UserError: one score an example, of which the arg-max says nothing.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if y_pred.shape[-1] == 1:
        raise UserError(
            "Accuracy by arg-max needs a score for each class; the model gives one. "
            "End it in two outputs, or use keras.metrics.BinaryAccuracy."
        )
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == y_pred.shape[-1]:
        labels = ops.argmax(y_true, axis=-1)
    else:
        labels = labels_of(y_true, y_pred)
    right = ops.equal(ops.cast(labels, "int32"), ops.cast(ops.argmax(y_pred, axis=-1), "int32"))
    return ops.cast(right, keras.config.floatx())


@keras.saving.register_keras_serializable(package="tuner_app")
class ArgMaxAccuracy(keras.metrics.MeanMetricWrapper):
    """Accuracy by arg-max: the share of examples whose largest score is the true class's.

    >>> metric = ArgMaxAccuracy()
    >>> metric.update_state([0, 1], [[0.9, 0.1], [0.8, 0.2]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(arg_max_accuracy, name=name, dtype=dtype)
        self._direction = "up"

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


# Keras looks a metric's string up in this table alone: `metrics=["tuner_app>ArgMaxAccuracy"]`.
keras.src.metrics.ALL_OBJECTS_DICT["tuner_app>ArgMaxAccuracy"] = ArgMaxAccuracy
