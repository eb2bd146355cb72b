"""Modules that others import without needing them: imported when something of them is asked for."""

import contextlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator


@contextlib.contextmanager
def deferred(*names: str) -> Iterator[None]:
    """Who imports one of these modules inside gets what stands for it, and at the first use of it,
    inside or later, the module itself.

    Of a package that is not installed, and of a module that was imported before, nothing changes.

    >>> with deferred("wave"):
    ...     import wave
    >>> wave.WAVE_FORMAT_PCM  # imports it, if nobody has
    1
    """
    stand_ins = {name: _StandIn(name) for name in names if _can_wait(name)}
    sys.modules.update(stand_ins)
    for name in stand_ins:
        _bind(name)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            _bind(name)  # if its package was imported meanwhile
            if sys.modules.get(name) is stand_in:  # else somebody has used it
                del sys.modules[name]


def _bind(name: str) -> None:
    """Binds a module in its package, if that is there, as Python does when it imports one."""
    package, _, last = name.rpartition(".")
    if package in sys.modules and name in sys.modules:
        vars(sys.modules[package]).setdefault(last, sys.modules[name])


def _can_wait(name: str) -> bool:
    if name in sys.modules:
        return False
    root = name.partition(".")[0]
    if root in sys.modules:
        return sys.modules[root] is not None
    return importlib.util.find_spec(root) is not None


class _StandIn(types.ModuleType):
    def __getattr__(self, name: str):
        if name == "__path__":  # Python asks whether there is one, before it asks for more
            return _Path(self)
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no {name!r}")
        return getattr(self._itself(), name)

    def _itself(self) -> types.ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)


class _Path:
    """Where the modules of a package are that is not imported yet: to look there imports it."""

    def __init__(self, package: _StandIn):
        self._package = package

    def __iter__(self) -> Iterator[str]:
        return iter(self._package._itself().__path__)
