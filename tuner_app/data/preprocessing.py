"""Keras models from raw inputs to features, fitted on training rows and saved with the network.

They use Keras's own layers only, so that a saved one loads anywhere with `safe_mode=True`. Layers
are float32 whatever the precision policy: rounding raw values to bfloat16 would lose them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tuner_app.data.moments import moments
from tuner_app.errors import UserError

if TYPE_CHECKING:
    import keras
    import numpy as np

# Ends the names of our layers, so that no column's name (they name the inputs) is the same.
_APART = ".of_preprocessing"


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


def standardization(shape: tuple[int, ...], chunks: Iterable[np.ndarray]) -> keras.Model:
    """Subtract the training mean and divide by the training deviation, along the last axis.

    Args:
        shape: One example's; images are scaled by channel.
        chunks: The training examples, arrays of shape (n, *shape).
    """
    import keras

    mean, variance = moments(chunk.reshape(-1, shape[-1]) for chunk in chunks)
    raw = keras.Input(shape, name="features", dtype="float32")
    x = keras.layers.Normalization(
        mean=mean.tolist(), variance=variance.tolist(), dtype="float32", name="standardize"
    )(raw)
    return keras.Model(raw, x, name="preprocessing")


def columns(
    numbers: Sequence[str],
    mean: np.ndarray,
    variance: np.ndarray,
    categories: Mapping[str, Sequence[str]],
) -> keras.Model:
    """Named columns, each of shape (n, 1), to one row of features.

    Numbers are standardised and then missing ones (NaN) become 0, which is the training mean. Text
    becomes one 0 or 1 a category, and one more, the first, for any category not seen in training.

    Args:
        numbers: Names of the numeric columns.
        mean, variance: Their training moments.
        categories: Text column to the categories seen in training.
    """
    import keras

    if categories and keras.backend.backend() != "tensorflow":
        raise UserError(
            f"Text columns ({', '.join(categories)}) need Keras on TensorFlow, and it runs on "
            f"{keras.backend.backend()}; set KERAS_BACKEND=tensorflow or turn them into numbers."
        )
    inputs = {name: keras.Input((1,), name=name, dtype="float32") for name in numbers}
    features = []
    if numbers:
        x = list(inputs.values())
        x = x[0] if len(x) == 1 else keras.layers.Concatenate(name="numbers" + _APART)(x)
        x = keras.layers.Normalization(
            mean=mean.tolist(),
            variance=variance.tolist(),
            dtype="float32",
            name="standardize" + _APART,
        )(x)
        features.append(keras.ops.nan_to_num(x))
    for i, (name, seen) in enumerate(categories.items()):
        inputs[name] = keras.Input((1,), name=name, dtype="string")
        features.append(
            keras.layers.StringLookup(
                vocabulary=list(seen),
                # A file may well hold Keras's own token, [UNK]; a text file can't hold this one.
                oov_token="\x00unseen",
                output_mode="one_hot",
                name=f"categories_{i}{_APART}",
            )(inputs[name])
        )
    x = features[0]
    if len(features) > 1:
        x = keras.layers.Concatenate(dtype="float32", name="features" + _APART)(features)
    return keras.Model(inputs, x, name="preprocessing")
