"""Programs compiled in threads of their own, while Python traces the next ones.

Tracing is Python's, and compiling is not: a search of several structures keeps all its cores busy
when each program is compiled from the moment that it is traced, and waited for when it is needed.
"""

import concurrent.futures
import contextlib
import functools
from collections.abc import Callable

from tuner_app.environment import threads


class Ahead:
    """What is being compiled for one stack, by the program's name."""

    def __init__(self):
        self._started: dict[str, concurrent.futures.Future] = {}

    def start(self, name: str, compile: Callable[[], None]) -> None:
        """Calls `compile` in a thread; whatever it raises, the program's own call will meet."""
        # Python starts no threads where the main one has ended and a search goes on in another.
        with contextlib.suppress(RuntimeError):
            self._started[name] = _pool().submit(compile)

    def wait(self, name: str) -> None:
        """Until the program is compiled; at once if nobody has begun to, for the caller will."""
        started = self._started.pop(name, None)
        if started is not None and not started.cancel():
            concurrent.futures.wait([started])

    def drop(self) -> None:
        """Compiles nothing more of what is not begun."""
        for started in self._started.values():
            started.cancel()


@functools.cache
def _pool() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(threads(), "compiling")
