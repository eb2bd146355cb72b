"""A trial of a stack trained again by plain `fit`: the same examples, the same random numbers.

In a stack the order of the examples and every random number of a layer are functions of the trial's
seed and step. Here they are given to `model.fit`, so that it does what the stack did, but for
rounding.
"""

import contextlib

import keras

from tuner_app.population.compiled.seam import seam
from tuner_app.population.data.order import stream
from tuner_app.population.lanes.lane import seed_states


def fit(
    model, x, y, *, seed, batch_size, steps_per_epoch=None, callbacks=(), goes_on=False, **keywords
):
    """`model.fit` with the order of the examples and the random numbers of a stack.

    Args:
        model: A compiled Keras model, built as in the search, after
            `keras.utils.set_random_seed(seed)`, and not trained yet.
        x, y: Arrays whose first axes count examples.
        seed: The trial's.
        batch_size: Examples a step; the last batch of a pass may have fewer.
        steps_per_epoch: Batches an epoch, of an endless stream of passes; None: one pass.
        callbacks, keywords: As for `model.fit`.
        goes_on: The model is trained already, with the same seed, up to its `initial_epoch`.

    Returns:
        Keras's `History`.
    """
    batches = Batches((x, y), batch_size, seed, steps_per_epoch)
    begun = keras.callbacks.LambdaCallback(on_epoch_begin=batches.begin)
    if not goes_on:
        for state, value in seed_states(model, seed):
            state.assign(value)
    with seam(plain=True), _any_batch():
        return model.fit(batches, shuffle=False, callbacks=[begun, *callbacks], **keywords)


class Batches(keras.utils.PyDataset):
    """The examples in batches, each epoch in the order in which the trial of this seed sees them.

    Args:
        data: (x, y) or (x, y, sample_weight): arrays or nests of arrays, whose first axes count
            examples.
        batch_size, steps_per_epoch: See `fit`.
        seed: The trial's; None: the order of the data.

    >>> import numpy as np
    >>> batches = Batches((np.arange(5), np.arange(5) % 2), batch_size=2, seed=1)
    >>> batches.begin(3)
    >>> whole = np.concatenate([batches[i][0] for i in range(len(batches))])
    >>> len(batches), (whole == stream(5, 1, epoch=3, count=5)).all()
    (3, np.True_)
    """

    def __init__(self, data, batch_size, seed, steps_per_epoch=None):
        super().__init__()
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self.size = len(keras.tree.flatten(data)[0])
        self.an_epoch = steps_per_epoch * batch_size if steps_per_epoch else self.size
        self.begin(0)

    def begin(self, epoch, logs=None):
        """Takes the order of an epoch. Keras's own count of them is no guide: it also looks at
        the first batches before the first epoch, and calls that one."""
        self._order = stream(self.size, self.seed, epoch, self.an_epoch)

    def __len__(self):
        return -(-self.an_epoch // self.batch_size)

    def __getitem__(self, index):
        rows = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return keras.tree.map_structure(lambda a: None if a is None else a[rows], self.data)


@contextlib.contextmanager
def _any_batch():
    """`fit` traces one program for batches of any size; a stack's have a known one."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tuner_app.population.compiled.seam import random

    known = random._static
    random._static = list
    try:
        yield
    finally:
        random._static = known
