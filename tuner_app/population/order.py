"""The order in which a trial sees its data: a function of its seed and epoch alone."""

import numpy as np


def permutation(size: int, seed: int, epoch: int) -> np.ndarray:
    """int32 of shape (size,): the examples' order in one epoch.

    The same for a trial alone, among others, or continued after a stop.

    >>> permutation(5, seed=1, epoch=0).tolist() == permutation(5, seed=1, epoch=0).tolist()
    True
    >>> sorted(permutation(5, seed=1, epoch=1).tolist())
    [0, 1, 2, 3, 4]
    """
    generator = np.random.Generator(np.random.Philox(key=[seed % 2**64, epoch]))
    return generator.permutation(size).astype("int32")


def layer_seed(seed: int, position: int) -> int:
    """A 31-bit seed for the trial's `position`-th seed generator or initializer."""
    return int(np.random.SeedSequence([seed % 2**64, position]).generate_state(1)[0] >> 1)
