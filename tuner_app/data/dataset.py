"""What a loaded data set is: a description that imports nothing heavy, and three splits."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DataSpec:
    """All that a search space may know about the data. No TensorFlow is needed to make one.

    Attributes:
        name: What was asked for, for example "digits" or "csv:wine.csv?target=quality".
        task: "classification" or "regression".
        kind: "image" (input shape height, width, channels) or "tabular" (input shape features).
        input_shape: Shape of one example as a model sees it (after preprocessing), no batch axis.
        input_dtype: Its dtype, always "float32" today.
        num_classes: How many classes, 2 for a binary task; None for regression.
        class_names: Their names in the order of the labels, None for regression.
        sizes: Split name to its number of examples.
        target_mean: Regression: mean of the training targets, in the target's own unit.
        target_std: Regression: their standard deviation. `prediction * std + mean` is in the
            target's own unit again.

    >>> spec = DataSpec("digits", "classification", "image", (8, 8, 1), num_classes=10)
    >>> spec.input_size
    64
    """

    name: str
    task: str
    kind: str
    input_shape: tuple[int, ...]
    input_dtype: str = "float32"
    num_classes: int | None = None
    class_names: tuple[str, ...] | None = None
    sizes: Mapping[str, int | None] | None = None
    target_mean: float | None = None
    target_std: float | None = None

    def __post_init__(self):
        if self.task not in ("classification", "regression"):
            raise ValueError(f"task must be classification or regression, got {self.task!r}.")
        if self.kind not in ("image", "tabular"):
            raise ValueError(f"kind must be image or tabular, got {self.kind!r}.")
        if (self.task == "classification") != (self.num_classes is not None):
            raise ValueError("num_classes is for classification, and needed there.")
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise ValueError(f"{len(self.class_names)} class names for {self.num_classes} classes.")

    @property
    def input_size(self) -> int:
        """Number of values in one example."""
        return int(np.prod(self.input_shape))


class Split(abc.ABC):
    """One of the three parts of a data set: preprocessed features and targets.

    Features are float32 of shape (n, *spec.input_shape). Targets are int32 labels of shape (n,)
    for classification, float32 of shape (n, 1), standardised, for regression.
    """

    size: int | None
    in_memory: bool

    @abc.abstractmethod
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """All features and targets. Raises `UserError` where `in_memory` is False."""

    @abc.abstractmethod
    def batches(
        self, batch_size: int, shuffle_seed: int | None = None, *, first_epoch: int = 0
    ) -> tf.data.Dataset:
        """The same as (features, targets) batches; the last one may be smaller.

        Args:
            batch_size: Examples a batch.
            shuffle_seed: None keeps the split's own order. A number fixes another order for each
                iteration (epoch) over the result; the same number gives the same orders, whatever
                TensorFlow's global seed is.
            first_epoch: Which epoch the first iteration is, so that a resumed trial sees the
                orders it would have seen.
        """


@dataclass(frozen=True)
class Dataset:
    """Three splits, what is known about them, and the fitted step from raw rows to features.

    Attributes:
        spec: The description that search spaces see.
        train, validation, test: The splits.
        preprocessing: Keras model from raw inputs to features, fitted on the training split only;
            it saves and loads within `.keras` files. None where features are the raw inputs.
        notes: What was found, filled, encoded or left out, one sentence each.
        feature_names: Of tables with named columns, a name for each feature; else None.
    """

    spec: DataSpec
    train: Split
    validation: Split
    test: Split
    preprocessing: keras.Model | None = None
    notes: tuple[str, ...] = ()
    feature_names: tuple[str, ...] | None = None
