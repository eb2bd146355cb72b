"""How many bytes of data may be held in memory when nobody said."""

import os
from pathlib import Path

# The rest is for the raw data beside the features, the models and TensorFlow itself.
SHARE = 0.25
_UNKNOWN = 16 * 2**30


def default_limit() -> int:
    """A quarter of the machine's memory, or of the container's where that is less, in bytes."""
    return int(SHARE * min(_machine(), _container()))


def _machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not POSIX
        return _UNKNOWN


def _container() -> int:
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # no control groups, or "max": no limit
        return _machine()
