"""Whether a training draws random numbers whose state is within TensorFlow's operations.

That of `tf.random.normal` is in a compiled program and can't be taken out of it; what
`keras.random.normal` draws from is a variable.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

import keras

_LOCK = threading.Lock()
_LISTENING: dict[int, Callable[[], None]] = {}  # by thread: several may train at the same time
_ORIGINAL: list[Callable] = []


@contextlib.contextmanager
def heard(listener: Callable[[], None]) -> Iterator[None]:
    """In it, calls the listener when such an operation is made in this thread.

    >>> heard_of = []
    >>> with heard(lambda: heard_of.append("one")):
    ...     drawn = keras.random.normal((2,), seed=1)
    >>> heard_of
    []
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.python.framework import random_seed

    thread = threading.get_ident()
    with _LOCK:
        if not _LISTENING:
            _ORIGINAL[:] = [random_seed.get_seed]
            random_seed.get_seed = _get_seed
        _LISTENING[thread] = listener
    try:
        yield
    finally:
        with _LOCK:
            del _LISTENING[thread]
            if not _LISTENING:
                random_seed.get_seed = _ORIGINAL[-1]


def _get_seed(op_seed):  # what each such operation asks for when it is made
    listener = _LISTENING.get(threading.get_ident())
    if listener is not None:
        listener()
    return _ORIGINAL[-1](op_seed)
