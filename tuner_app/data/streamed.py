"""A split that does not fit in memory: examples are read from disk batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner_app.data.batching import indexed_batches
from tuner_app.data.dataset import Split
from tuner_app.errors import UserError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass(frozen=True, eq=False)
class StreamedSplit(Split):
    """Examples that can be read by index, in any order.

    Attributes:
        index: Which examples of the source, int64 of shape (n,).
        targets: Their targets, which do fit in memory.
        read: Traced: indices, int64 of shape (batch,), to raw inputs.
        preprocessing: From raw inputs to features, run in the pipeline.
    """

    index: np.ndarray
    targets: np.ndarray
    read: Callable[[tf.Tensor], Any]
    preprocessing: keras.Model
    in_memory = False

    @property
    def size(self) -> int:
        return len(self.targets)

    def arrays(self):
        raise too_large(self.size)

    def batches(self, batch_size, shuffle_seed=None, *, first_epoch=0):
        import tensorflow as tf

        features = in_pipeline(self.preprocessing)
        with tf.device("cpu"):
            index, targets = tf.constant(self.index, tf.int64), tf.constant(self.targets)
        return indexed_batches(
            self.size,
            lambda rows: (features(self.read(tf.gather(index, rows))), tf.gather(targets, rows)),
            batch_size,
            shuffle_seed,
            first_epoch,
        )


def too_large(size: int | None) -> UserError:
    """The error of `arrays` where the data is streamed."""
    examples = "These" if size is None else f"{size:,}"
    return UserError(
        f"{examples} examples do not fit in the memory limit; use batches(), or load with a "
        "larger memory_limit."
    )


def in_pipeline(preprocessing: keras.Model) -> Callable[[Any], Any]:
    """The model as a function for `tf.data`'s map, on whatever backend Keras runs."""
    import keras

    if keras.backend.backend() == "tensorflow":
        return lambda raw: preprocessing(raw, training=False)

    import tensorflow as tf

    # A pipeline is TensorFlow's; another backend is called from it, batch by batch.
    def features(raw):
        def run(*values):
            return np.asarray(preprocessing(tf.nest.pack_sequence_as(raw, list(values))))

        found = tf.numpy_function(run, tf.nest.flatten(raw), tf.float32, stateful=False)
        return tf.ensure_shape(found, preprocessing.output_shape)

    return features
