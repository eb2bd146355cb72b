"""Keras models from raw inputs to features, fitted on training rows and saved with the network.

They use Keras's own layers only, so that a saved one loads anywhere with `safe_mode=True`. Layers
are float32 whatever the precision policy: rounding raw values to bfloat16 would lose them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def rescaling(
    shape: tuple[int, int, int],
    low: float,
    high: float,
    *,
    size: tuple[int, int] | None = None,
    dtype: str = "uint8",
) -> keras.Model:
    """Images with values from low to high, to values from 0 to 1; resized where `size` is given.

    Args:
        shape: Raw height, width and channels; height and width may be None with a `size`.
        low, high: The known range of the raw values.
        size: Height and width of the features, None to leave them alone.
        dtype: The raw images' dtype.
    """
    import keras

    image = keras.Input(shape, name="image", dtype=dtype)
    x = image
    if size is not None:
        x = keras.layers.Resizing(*size, dtype="float32", name="resize")(x)
    scale = 1 / (high - low)
    x = keras.layers.Rescaling(scale, offset=-low * scale, dtype="float32", name="rescale")(x)
    return keras.Model(image, x, name="preprocessing")


def standardization(train: np.ndarray) -> keras.Model:
    """Subtract the training mean and divide by the training deviation, along the last axis.

    Args:
        train: The training examples, shape (n, ..., features); images are scaled by channel.
    """
    import keras

    mean, variance = moments(train.reshape(-1, train.shape[-1]))
    raw = keras.Input(train.shape[1:], name="features", dtype="float32")
    x = keras.layers.Normalization(
        mean=mean.tolist(), variance=variance.tolist(), dtype="float32", name="standardize"
    )(raw)
    return keras.Model(raw, x, name="preprocessing")


def moments(train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column in float64, missing numbers (NaN) left out.

    A constant column has variance 1 here, so that it becomes 0 and stays small where another value
    turns up later; a column without any number has mean 0.

    >>> moments(np.array([[1.0, 5.0], [np.nan, 5.0], [3.0, 5.0]]))
    (array([2., 5.]), array([1., 1.]))
    """
    values = np.asarray(train, "float64")
    present = ~np.isnan(values)
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, values, 0).sum(axis=0) / count
    variance = np.where(present, (values - mean) ** 2, 0).sum(axis=0) / count
    # Rounding leaves a constant like 0.1 with a variance of 1e-34.
    constant = variance <= 1e-20 * np.maximum(mean**2, 1e-30)
    return mean, np.where(constant, 1.0, variance)
