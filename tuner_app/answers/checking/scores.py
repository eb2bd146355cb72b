"""How well a model does on some examples."""

from typing import Any

import keras
import numpy as np

from tuner_app.answers.checking.data_checks import Split


def data_loss(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """The compiled loss on some examples, without penalties, the model as in evaluation."""
    values = compiled_loss(model)(y, model(x, training=False))
    return float(keras.ops.convert_to_numpy(keras.ops.mean(values)))


def compiled_loss(model: keras.Model) -> Any:
    """The loss that a model was compiled with, as an object that can be called."""
    return keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss


def score(model: keras.Model, split: Split, spec: Any) -> float:
    """Accuracy, or the mean squared error."""
    outputs = model.predict(split[0], verbose=0)
    if spec.task == "classification":
        return accuracy(outputs, split[1])
    return float(np.mean((np.ravel(outputs) - np.ravel(split[1])) ** 2))


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """The share of labels that have the largest output."""
    return float((outputs.argmax(axis=1) == labels).mean())
