"""Threads that build and trace models take turns.

Both replace what a process has one of (see `swapping`): two searches in two threads would trace one
another's functions, and the second to end would put back what the first had put in their place.
"""

import functools
import threading

TURN = threading.RLock()


def in_turn(method):
    """The method, in one thread at a time; it may call itself, and others like it.

    >>> @in_turn
    ... def depth(n):
    ...     return n and 1 + depth(n - 1)
    >>> depth(3)
    3
    """

    @functools.wraps(method)
    def alone(*arguments, **keywords):
        with TURN:
            return method(*arguments, **keywords)

    return alone
