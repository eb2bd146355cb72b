"""How well a model does on some examples."""

from typing import Any

import keras
import numpy as np

from tuner_app.answers.checking.data_checks import Split
from tuner_app.results.class_outputs import log_probabilities


def data_loss(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """The compiled loss on some examples, without penalties, the model as in evaluation."""
    values = compiled_loss(model)(y, model(x, training=False))
    return float(keras.ops.convert_to_numpy(keras.ops.mean(values)))


def compiled_loss(model: keras.Model) -> Any:
    """The loss that a model was compiled with, as an object that can be called."""
    loss = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
    if isinstance(loss, keras.losses.Loss):
        return loss

    def of_one_shape(y, outputs):
        """As `fit` does it for a function: labels (n,) go with a model's one output (n, 1)."""
        y = keras.ops.convert_to_tensor(y)
        one = outputs.ndim == y.ndim + 1 and outputs.shape[-1] == 1
        return loss(keras.ops.expand_dims(y, -1) if one else y, outputs)

    return of_one_shape


def score(model: keras.Model, split: Split, spec: Any) -> float:
    """Accuracy, or the mean squared error."""
    outputs = model.predict(split[0], verbose=0)
    if spec.task == "classification":
        return accuracy(model, outputs, split[1])
    return float(np.mean((np.ravel(outputs) - np.ravel(split[1])) ** 2))


def accuracy(model: keras.Model, outputs: np.ndarray, labels: np.ndarray) -> float:
    """The share of labels that the model's outputs find the likeliest."""
    return float((log_probabilities(outputs, model.loss).argmax(axis=1) == labels).mean())
