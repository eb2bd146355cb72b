"""How large the brackets of Hyperband are where only so many trials may run."""

from collections.abc import Callable


def fitted(
    full: Callable[[int], list[int]], number: int, factor: float, left: int | None
) -> tuple[int, list[int]]:
    """The bracket of a number where `left` trials suffice for it, else the largest that they
    suffice for: with fewer trials and, where those are too few for its rungs, with fewer rungs.

    Args:
        full: A bracket's number, which is that of its rungs less one, to their sizes.
        factor: A rung is that much smaller than the one below it.
        left: How many trials may run; None: any number.

    Returns:
        Its number and the sizes of its rungs; no sizes where no trial is left.

    >>> whole = {2: [9, 3, 1], 1: [5, 2], 0: [3]}.get
    >>> fitted(whole, 2, 3, 13), fitted(whole, 2, 3, 12), fitted(whole, 1, 3, 3)
    ((2, [9, 3, 1]), (1, [9, 3]), (0, [3]))
    """
    if left is None or sum(full(number)) <= left:
        return number, full(number)
    for smaller in range(number, -1, -1):
        for first in range(left, int(factor**smaller) - 1, -1):
            sizes = [int(first / factor**rung + 1e-9) for rung in range(smaller + 1)]
            if sum(sizes) <= left:
                return smaller, sizes
    return number, []
