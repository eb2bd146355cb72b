"""Modules that others import without needing them: imported when something of them is asked for."""

import contextlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator


@contextlib.contextmanager
def deferred(package: str, *below: str) -> Iterator[None]:
    """Who imports a package or these of its modules inside gets what stands for them.

    Of a package that is not installed, or was imported before, nothing changes. Other modules of it
    are not found inside.

    >>> with deferred("wave"):
    ...     import wave
    >>> wave.WAVE_FORMAT_PCM  # imports it, if nobody has
    1
    """
    if package in sys.modules or importlib.util.find_spec(package) is None:
        yield
        return
    stand_ins = {name: _StandIn(name) for name in (package, *(f"{package}.{b}" for b in below))}
    for name in below:
        setattr(stand_ins[package], name, stand_ins[f"{package}.{name}"])
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


class _StandIn(types.ModuleType):
    def __getattr__(self, name: str):
        # What Python's import asks of it, or somebody inside, to whom the module is not there yet.
        if name.startswith("__") or sys.modules.get(self.__name__) is self:
            raise AttributeError(f"module {self.__name__!r} has no {name!r}")
        return getattr(importlib.import_module(self.__name__), name)
