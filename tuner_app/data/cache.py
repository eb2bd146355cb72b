"""Where prepared data is kept: one folder a user, filled atomically."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_CACHE_HOME/tuner_app`, or `~/.cache/tuner_app` (XDG Base Directory Specification).

    >>> default_folder({"XDG_CACHE_HOME": "/cache"}).as_posix()
    '/cache/tuner_app'
    """
    home = environment.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is invalid and must be ignored.
    base = Path(home) if os.path.isabs(home) else Path.home() / ".cache"
    return base / "tuner_app"


def prepared(folder: Path, prepare: Callable[[Path], None]) -> Path:
    """`folder`, after `prepare` has filled it, which happens once.

    It is filled under another name and renamed, so a killed process leaves no half of it, and of
    two processes at once the slower one throws its copy away.

    Args:
        folder: Where the prepared data shall be.
        prepare: Fills the empty folder that it is given.

    Raises:
        OSError: If the folder can't be written.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        prepare(draft)
        try:
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder
