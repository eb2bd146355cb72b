"""A split whose features fit in memory: preprocessed once, then served as arrays or batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tuner_app.data.batching import indexed_batches
from tuner_app.data.dataset import Split

if TYPE_CHECKING:
    import keras

# Rows preprocessed at once: bounds the memory for intermediate results.
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class InMemorySplit(Split):
    """Raw inputs (an array, or column name to array) with targets; features when first asked."""

    raw: np.ndarray | Mapping[str, np.ndarray]
    targets: np.ndarray
    preprocessing: keras.Model | None = None
    in_memory = True

    @property
    def size(self) -> int:
        return len(self.targets)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self._features, self.targets

    def batches(self, batch_size, shuffle_seed=None, *, first_epoch=0):
        import tensorflow as tf

        features, targets = self._tensors
        return indexed_batches(
            self.size,
            lambda rows: (tf.gather(features, rows), tf.gather(targets, rows)),
            batch_size,
            shuffle_seed,
            first_epoch,
        )

    @cached_property
    def _tensors(self):
        # The pipelines' cache: one copy, whose batches every trial gathers.
        import tensorflow as tf

        with tf.device("cpu"):
            return tf.constant(self._features), tf.constant(self.targets)

    @cached_property
    def _features(self) -> np.ndarray:
        if self.preprocessing is None:
            return np.asarray(self.raw, "float32")
        pieces = [
            np.asarray(self.preprocessing(rows(self.raw, slice(start, start + _CHUNK))))
            for start in range(0, self.size, _CHUNK)
        ]
        return np.concatenate(pieces)


def rows(raw, index):
    """The chosen rows of an array, or of each column."""
    if isinstance(raw, Mapping):
        return {name: column[index] for name, column in raw.items()}
    return raw[index]
