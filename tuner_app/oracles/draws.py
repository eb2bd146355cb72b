"""A random stream whose place is two numbers, so that a resumed search goes on in it.

NumPy's Mersenne twister has 624 words of state, renewed as a block. Where a stream began is known
from its seed, so the number of blocks since then and the place in the last one say it all.
"""

import numpy as np

_BLOCK = 624 * 4  # bytes


class CountedStream:
    """Watches a `numpy.random.RandomState` that began with `seed`.

    >>> stream = np.random.RandomState(3)
    >>> counted = CountedStream(stream, 3)
    >>> before = stream.uniform(size=1000)
    >>> place = counted.place()
    >>> after = stream.uniform(size=5)
    >>> again = np.random.RandomState(3)
    >>> CountedStream(again, 3).go_to(place)
    >>> bool((again.uniform(size=5) == after).all())
    True
    """

    def __init__(self, stream: np.random.RandomState, seed: int):
        self._stream = stream
        self._behind = np.random.RandomState(seed)  # follows it, a block at a time
        self._words = self._behind.get_state()[1]
        self._blocks = 0

    def place(self) -> list:
        """Where the stream is, as a JSON value."""
        _, key, position, has_gauss, gauss = self._stream.get_state()
        while not (key == self._words).all():
            self._follow()
        return [self._blocks, position, has_gauss, gauss]

    def go_to(self, place: list) -> None:
        """Puts the stream where it was when `place` was taken."""
        blocks, position, has_gauss, gauss = place
        while self._blocks < blocks:
            self._follow()
        name = self._behind.get_state()[0]
        self._stream.set_state((name, self._words, position, has_gauss, gauss))

    def _follow(self) -> None:
        self._behind.bytes(_BLOCK)
        self._words = self._behind.get_state()[1]
        self._blocks += 1
