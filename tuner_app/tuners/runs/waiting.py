"""How long to wait for an oracle that has nothing to run now, but may have soon."""

_LONGEST = 1.0


def longer(seconds: float) -> float:
    """The next wait after one of so many seconds.

    >>> longer(0.0), longer(0.01), longer(0.9)
    (0.01, 0.03, 1.0)
    """
    return min(_LONGEST, 2 * seconds + 0.01)
