"""Arrays for plain `fit`, in the order in which a trial of a stack sees them.

It is a function of the trial's seed and the epoch, so a training goes on amid it as it would have.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import tree

from tuner_app.data.batching import batches_in_order
from tuner_app.population.alone import Batches
from tuner_app.population.data.order import stream


def fit(model, x, y, *, seed, batch_size, steps_per_epoch=None, callbacks=(), **keywords):
    """`model.fit` as a search calls it for a trial that is not stacked.

    Args:
        model: A compiled Keras model.
        x, y: Arrays whose first axes count examples.
        seed: The trial's.
        batch_size: Examples a step; the last batch of a pass may have fewer.
        steps_per_epoch: Batches an epoch, of an endless stream of passes; None: one pass.
        callbacks, keywords: As for `model.fit`.

    Returns:
        Keras's `History`.
    """
    given, begin = in_order((x, y), batch_size, seed, steps_per_epoch)
    begun = keras.callbacks.LambdaCallback(on_epoch_begin=begin)
    return model.fit(given, shuffle=False, callbacks=[begun, *callbacks], **keywords)


def in_order(
    data: Any, batch_size: int, seed: int | None, steps_per_epoch: int | None = None
) -> tuple[Any, Callable[..., None]]:
    """What `fit` takes as its `x`, and what is to be told of each epoch that begins.

    Args:
        data: Arrays, or nests of them, as `keras.utils.pack_x_y_sample_weight` gives them; their
            first axes count examples.
        batch_size, steps_per_epoch: See `fit`.
        seed: The trial's; None: the order of the data.

    >>> import numpy as np
    >>> given, begin = in_order((np.arange(5), np.arange(5) % 2), batch_size=2, seed=1)
    >>> begin(3)
    >>> seen = np.concatenate([np.asarray(x) for x, _ in given])
    >>> len(given), (seen == stream(5, 1, epoch=3, count=5)).all()
    (3, np.True_)
    """
    if keras.backend.backend() != "tensorflow":
        batches = Batches(data, batch_size, seed, steps_per_epoch)
        return batches, batches.begin
    return _pipeline(data, batch_size, seed, steps_per_epoch)


def _pipeline(data, batch_size, seed, steps_per_epoch) -> tuple[Any, Callable[..., None]]:
    """The same as `Batches`, in half the time where steps are short: Python runs once an epoch."""
    import tensorflow as tf

    size = len(tree.flatten(data)[0])
    an_epoch = steps_per_epoch * batch_size if steps_per_epoch else size
    now = [0]  # the epoch; Keras's own count of them is no guide, as `Batches` says

    def begin(epoch, logs=None):
        now[0] = epoch

    with tf.device("CPU:0"):
        tensors = tree.lists_to_tuples(tree.map_structure(tf.constant, data))

    def fetch(rows):
        return tree.map_structure(lambda tensor: tf.gather(tensor, rows), tensors)

    def order():
        return stream(size, seed, now[0], an_epoch)

    return batches_in_order(an_epoch, fetch, batch_size, order), begin
