"""One search at a time owns a project directory; a dead owner does not keep it.

The lock is a file with the owner's pid, host and process start time, held by a POSIX record lock,
which the kernel drops when the owner dies, however it dies. Where the file system has no locks, the
pid and the start time decide (a pid that was given to a new process has another start time).
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from tuner_app.errors import UserError
from tuner_app.store.disk_fault import DiskFault
from tuner_app.store.schema import SEARCH_FILE

FILE_NAME = "search.lock"

# POSIX locks don't exclude the process that holds them, so each process keeps its own list.
_OWNED: dict[str, "DirectoryLock"] = {}
os.register_at_fork(after_in_child=_OWNED.clear)  # a forked child does not inherit the lock


class DirectoryLock:
    """The ownership of a directory, from `acquire` to `release`.

    A second owner in the same process (a notebook cell that is run again) takes it over, and the
    first one's `held` turns False.
    """

    def __init__(self, directory: Path, descriptor: int):
        self.directory = directory
        self._key = os.path.realpath(directory)
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, directory: Path) -> "DirectoryLock":
        """Takes the lock of an existing directory.

        Raises:
            UserError: another living process owns it; the message names its pid and host.
        """
        key = os.path.realpath(directory)
        if (earlier := _OWNED.get(key)) is not None:
            lock = cls(directory, earlier._descriptor)
            _OWNED[key] = lock
            return lock
        try:
            descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            if (directory / SEARCH_FILE).exists():  # it could be written to before
                raise DiskFault(directory, error.strerror) from None
            raise UserError(
                f"Can't write to {directory} ({error.strerror}). Choose a project directory in a "
                "folder that you may write to."
            ) from None
        try:
            _take(descriptor, directory)
        except BaseException:
            os.close(descriptor)
            raise
        _OWNED[key] = cls(directory, descriptor)
        return _OWNED[key]

    @property
    def held(self) -> bool:
        """Whether this object is still the owner."""
        return _OWNED.get(self._key) is self

    def release(self) -> None:
        """Gives the directory up; does nothing when it is not held any more."""
        if self.held:
            del _OWNED[self._key]
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)


def refuse_if_owned(directory: Path) -> None:
    """Raises the `UserError` that `acquire` would, without taking anything: a cheap first look."""
    if (directory / FILE_NAME).is_file() and os.path.realpath(directory) not in _OWNED:
        DirectoryLock.acquire(directory).release()


def _take(descriptor: int, directory: Path) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        kernel_decides = True
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise _refused(directory, _owner(descriptor)) from None
        kernel_decides = False  # a file system without locks
    owner = _owner(descriptor)
    if owner and not _is_gone(owner, kernel_decides):
        raise _refused(directory, owner)
    mine = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": _boot(),
        "started": process_start(os.getpid()),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(mine).encode(), 0)


def _owner(descriptor: int) -> dict:
    """What the lock file says; empty when it was released, or does not name an owner: its owner
    died writing it, or somebody else wrote into it."""
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
    except (ValueError, RecursionError):
        return {}
    named = isinstance(owner, dict) and isinstance(owner.get("host"), str)
    return owner if named and type(owner.get("pid")) is int else {}


def _is_gone(owner: dict, kernel_decides: bool) -> bool:
    same_kernel = bool(owner.get("boot")) and owner["boot"] == _boot()
    if kernel_decides and same_kernel:
        return True  # it would still hold the record lock, in whatever container it ran
    if owner.get("host") != socket.gethostname():
        return False  # another machine: from here nobody can tell
    if owner.get("boot") != _boot():
        return True  # the machine was restarted since
    return owner.get("started") != process_start(int(owner.get("pid", 0)))


def _refused(directory: Path, owner: dict) -> UserError:
    who = f"pid {owner.get('pid', 'unknown')} on host {owner.get('host', 'unknown')}"
    return UserError(
        f"{directory} is in use by another search ({who}). Expected a directory that no other "
        f"process searches in: wait for it, end it, or choose another directory. If that machine "
        f"is gone for good, delete {directory / FILE_NAME}."
    )


def process_start(pid: int) -> str | None:
    """When a process of this machine began, in the system's own words; None if it is not there."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # Fields after the command's closing bracket: state is the first, the start time the 20th.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


def _boot() -> str | None:
    """Names this run of the machine's kernel; None where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
