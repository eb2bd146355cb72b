"""A disk that is full, or not to be written any more: nobody's trial is to blame for that."""

import errno
import os
import re
import shlex
from pathlib import Path

from tuner_app.errors import UserError

_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_OF_A_FOLDER = {errno.EACCES, errno.EPERM}  # a user's code may meet these for files of its own
_SAID = re.compile(r"errno = (\d+)")  # as HDF5 reports what the system told it


class DiskFault(UserError):
    """The project directory can't be written any more; what has finished is kept.

    Attributes:
        directory: The project's.
        words: What the system told of it.
    """

    def __init__(self, directory: str | Path, words: str):
        super().__init__(
            f"Can't write to {directory} ({words}). What has finished is kept: see to the disk, "
            f"then go on with: tuner-app resume {shlex.quote(str(directory))}"
        )
        self._given = str(directory), words
        self.directory, self.words = Path(directory), words

    def __reduce__(self):  # it may be raised in one process and told in another
        return type(self), self._given


def disk_fault(error: BaseException | None, directory: str | Path) -> DiskFault | None:
    """The fault that an error, or what it came from, tells of; None where it is another error.

    >>> str(disk_fault(OSError(errno.ENOSPC, "No space left on device"), "/data/p"))[:49]
    "Can't write to /data/p (No space left on device)."
    >>> disk_fault(ValueError("units must be positive"), "/data/p")
    """
    while error is not None:
        if isinstance(error, DiskFault):
            return error
        number = _errno(error, Path(directory))
        if number is not None:
            return DiskFault(directory, os.strerror(number))
        error = error.__cause__ or error.__context__
    return None


def _errno(error: BaseException, directory: Path) -> int | None:
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return error.errno
    if isinstance(error, OSError) and error.errno in _OF_A_FOLDER and error.filename:
        inside = Path(os.fsdecode(error.filename)).is_relative_to(directory)
        return error.errno if inside else None
    said = _SAID.search(str(error)) if isinstance(error, OSError | RuntimeError) else None
    return int(said[1]) if said and int(said[1]) in _ERRNOS else None
