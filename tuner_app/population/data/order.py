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


def stream(size: int, seed: int | None, epoch: int, count: int) -> np.ndarray:
    """int32 of shape (count,): the examples of one epoch of `count` of them, out of an endless
    stream of passes through the data, each pass in another order.

    Epochs follow each other without a gap: wherever one ends in a pass, the next one goes on.

    Args:
        seed: None: each pass is in the order of the data.

    >>> [stream(5, None, epoch, 3).tolist() for epoch in range(4)]
    [[0, 1, 2], [3, 4, 0], [1, 2, 3], [4, 0, 1]]
    >>> bool((stream(5, 1, epoch=2, count=5) == permutation(5, 1, epoch=2)).all())
    True
    """
    start, found = epoch * count, []
    while count > 0:
        number, done = divmod(start, size)
        one = np.arange(size, dtype="int32") if seed is None else permutation(size, seed, number)
        found.append(one[done : done + count])
        start, count = start + len(found[-1]), count - len(found[-1])
    return np.concatenate(found)


def layer_seed(seed: int, position: int) -> int:
    """A 31-bit seed for the trial's `position`-th seed generator or initializer."""
    return int(np.random.SeedSequence([seed % 2**64, position]).generate_state(1)[0] >> 1)
