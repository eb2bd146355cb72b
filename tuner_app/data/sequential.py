"""A split that is streamed from a source which can only be read from its beginning to its end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner_app.data.batching import check_batch_size
from tuner_app.data.dataset import Split
from tuner_app.data.streamed import in_pipeline, too_large

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# Examples to draw the next one from: whole epochs of small data, a good mix of large.
_BUFFER = 10_000


@dataclass(frozen=True, eq=False)
class SequentialSplit(Split):
    """Some of a source's examples, shuffled through a buffer.

    Attributes:
        examples: Makes the source's `tf.data.Dataset`, always in the same order.
        chosen: Which of its examples belong to this split, bool of shape (n,).
        targets: The targets of all of them, chosen or not.
        raw: Traced: from an example to raw inputs. Only chosen examples get there.
        preprocessing: From raw inputs to features, run in the pipeline.
    """

    examples: Callable[[], tf.data.Dataset]
    chosen: np.ndarray
    targets: np.ndarray
    raw: Callable[[Any], Any]
    preprocessing: keras.Model
    in_memory = False

    @cached_property
    def size(self) -> int:
        return int(self.chosen.sum())

    def arrays(self):
        raise too_large(self.size)

    def batches(self, batch_size, shuffle_seed=None, *, first_epoch=0):
        import tensorflow as tf

        check_batch_size(batch_size)
        features = in_pipeline(self.preprocessing)
        with tf.device("cpu"):
            chosen, targets = tf.constant(self.chosen), tf.constant(self.targets)
        found = self.examples().enumerate().filter(lambda place, _: tf.gather(chosen, place))
        if shuffle_seed is not None:
            found = _shuffled(found, shuffle_seed, first_epoch)
        found = found.map(
            lambda place, example: (self.raw(example), tf.gather(targets, place)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        found = found.batch(batch_size).map(lambda raw, target: (features(raw), target))
        count = -(-self.size // batch_size)
        return found.apply(tf.data.experimental.assert_cardinality(count)).prefetch(
            tf.data.AUTOTUNE
        )


def _shuffled(examples: tf.data.Dataset, shuffle_seed: int, first_epoch: int) -> tf.data.Dataset:
    """Another order each iteration, fixed by (seed, epoch) alone."""
    import tensorflow as tf

    epochs = itertools.count(first_epoch)

    def draw():
        return np.random.default_rng([shuffle_seed, next(epochs)]).integers(1, 2**31 - 1)

    def epoch(_):
        # This function's own graph gets a seed, else TensorFlow's global one would take part.
        tf.compat.v1.set_random_seed(1)
        seed = tf.ensure_shape(tf.numpy_function(draw, [], tf.int64), ())
        return examples.shuffle(_BUFFER, seed=seed, reshuffle_each_iteration=False)

    return tf.data.Dataset.range(1).flat_map(epoch)
