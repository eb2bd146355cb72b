"""tf.data batches over examples that can be fetched by index, in an order fixed by seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner_app.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf


def check_batch_size(batch_size: int) -> None:
    """Raise `UserError` unless it is a positive whole number."""
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise UserError(f"batch_size must be a positive whole number, got {batch_size!r}.")


def epoch_order(size: int, shuffle_seed: int | None, epoch: int) -> np.ndarray:
    """The order of one epoch: a permutation fixed by (seed, epoch), or 0, 1, 2, ... without.

    >>> epoch_order(4, None, 0)
    array([0, 1, 2, 3])
    >>> bool((epoch_order(9, 1, 5) == epoch_order(9, 1, 5)).all())
    True
    """
    if shuffle_seed is None:
        return np.arange(size)
    return np.random.default_rng([shuffle_seed, epoch]).permutation(size)


def indexed_batches(
    size: int,
    fetch: Callable[[tf.Tensor], Any],
    batch_size: int,
    shuffle_seed: int | None,
    first_epoch: int,
) -> tf.data.Dataset:
    """Batches of `fetch(indices)`; each iteration over the result is the next epoch.

    Args:
        size: Number of examples.
        fetch: Traced once: indices, int64 of shape (batch,), to whatever a batch shall be.
        batch_size, shuffle_seed, first_epoch: See `Split.batches`.
    """
    check_batch_size(batch_size)
    epochs = itertools.count(first_epoch)
    return batches_in_order(
        size, fetch, batch_size, lambda: epoch_order(size, shuffle_seed, next(epochs))
    )


def batches_in_order(
    size: int,
    fetch: Callable[[tf.Tensor], Any],
    batch_size: int,
    order: Callable[[], np.ndarray],
) -> tf.data.Dataset:
    """Batches of `fetch(indices)`, each iteration over the result in an order of its own.

    Args:
        size: Number of examples in an iteration.
        fetch, batch_size: See `indexed_batches`.
        order: Called when an iteration begins; gives its indices, integers of shape (size,).
    """
    import tensorflow as tf

    # NumPy draws one order an epoch; all that happens once a batch is compiled.
    def drawn(_):
        rows = tf.numpy_function(lambda: order().astype("int64"), [], tf.int64)
        return tf.ensure_shape(rows, (size,))

    batches = (
        tf.data.Dataset.range(1)
        .map(drawn)
        .rebatch(batch_size)
        .map(fetch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    )
    count = -(-size // batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)
