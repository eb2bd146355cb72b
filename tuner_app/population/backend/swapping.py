"""Attributes of modules and classes replaced for a while: all of them, or none.

Keras and TensorFlow have one of each for a whole process. Ctrl-C may come at any moment, as between
the first replacement and the last, and a notebook goes on after it.
"""

import contextlib
from collections.abc import Iterable, Iterator

_NONE = object()


@contextlib.contextmanager
def swapped(entries: Iterable[tuple]) -> Iterator[None]:
    """While open, the attribute `name` of `owner` itself is `value`, for each (owner, name, value).

    >>> class Layer:
    ...     rate = 1
    >>> with swapped([(Layer, "rate", 2), (Layer, "seed", 3)]):
    ...     Layer.rate, Layer.seed
    (2, 3)
    >>> Layer.rate, hasattr(Layer, "seed")
    (1, False)
    """
    entries = list(entries)
    # Not what it inherits: then what was put there is deleted again.
    kept = [(owner, name, vars(owner).get(name, _NONE)) for owner, name, _ in entries]
    try:
        for owner, name, value in entries:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in kept:
            if value is not _NONE:
                setattr(owner, name, value)
            elif name in vars(owner):
                delattr(owner, name)
