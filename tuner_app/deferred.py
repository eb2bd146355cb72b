"""Modules that others import without needing them: imported when something of them is asked for."""

import contextlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator


@contextlib.contextmanager
def deferred(*names: str) -> Iterator[None]:
    """Who imports one of these modules inside gets what stands for it.

    Of a package that is not installed, and of a module that was imported before, nothing changes.
    Where a package stands in, those of its modules that are not named are not found inside.

    >>> with deferred("wave"):
    ...     import wave
    >>> wave.WAVE_FORMAT_PCM  # imports it, if nobody has
    1
    """
    stand_ins = {name: _StandIn(name) for name in names if _can_wait(name)}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            del sys.modules[name]
            # Python binds a module in its package when it imports it, which nobody did.
            package, _, last = name.rpartition(".")
            around = stand_ins.get(package) or sys.modules.get(package)
            if around is not None:
                vars(around).setdefault(last, stand_in)


def _can_wait(name: str) -> bool:
    root = name.partition(".")[0]
    return name not in sys.modules and importlib.util.find_spec(root) is not None


class _StandIn(types.ModuleType):
    def __getattr__(self, name: str):
        # What Python's import asks of it, or somebody inside, to whom the module is not there yet.
        if name.startswith("__") or sys.modules.get(self.__name__) is self:
            raise AttributeError(f"module {self.__name__!r} has no {name!r}")
        return getattr(importlib.import_module(self.__name__), name)
