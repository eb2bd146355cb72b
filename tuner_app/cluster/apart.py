"""A worker whose machine does not see the project directory: it has a folder of its own for it.

What it writes there goes to the owner, which has the directory: a trial's files before the trial
ends, the checkpoint in the background. Checkpoints of workers that are gone come from there. The
folder of one that was killed is deleted when another begins on its machine.
"""

import contextlib
import dataclasses
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner_app.cluster.project_files import PIECE, WORKERS
from tuner_app.config import SearchConfig
from tuner_app.store.trial_files import TRIAL_FILE

_PREFIX = "tuner-app-worker-"
_UNLOCKED = 60.0  # seconds for which a new folder may not be locked yet


@contextlib.contextmanager
def working_copy(config: SearchConfig, files: Any, worker: str) -> Iterator[tuple]:
    """The configuration as a worker has it, and the `Apart` where it sees not the directory.

    Args:
        files: The owner's `ProjectFiles`, or what carries calls to them.
    """
    name, content = files.mark()
    if _reads(config.directory / name, content):
        yield config, None
        return
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder, _locked(folder):
        delete_abandoned()
        directory = Path(folder) / config.directory.name
        directory.mkdir()
        yield (
            dataclasses.replace(config, project=str(directory)),
            Apart(directory, files, worker),
        )


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Locks a folder for as long as this process lives."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def delete_abandoned() -> None:
    """Deletes what workers that were killed have left here: folders of theirs that nobody locks."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or a living worker's, or just gone
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                stat = os.fstat(descriptor)
                if stat.st_uid == os.getuid() and time.time() - stat.st_mtime > _UNLOCKED:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(descriptor)


def _reads(path: Path, content: str) -> bool:
    try:
        return path.read_text() == content
    except (OSError, ValueError):
        return False


class Apart:
    """A worker's folder in the place of a project directory, and the directory behind the owner."""

    def __init__(self, folder: Path, files: Any, worker: str):
        self.folder, self._files, self._worker = folder, files, worker
        self._sent: dict[str, tuple[int, int]] = {}
        self._brought: dict[str, tuple[int, int]] = {}

    def send(self, below: str) -> None:
        """Sends what has changed in a folder since the last time, such as "trial_0"."""
        found = {}
        for path in sorted((self.folder / below).rglob("*")):
            if path.is_file() and not _passing(path.name):
                stat = path.stat()
                name = path.relative_to(self.folder).as_posix()
                found[name] = stat.st_size, stat.st_mtime_ns
        for name, stamp in found.items():
            if self._sent.get(name) != stamp and self._put(name):
                self._sent[name] = stamp
        for name in [n for n in self._sent if n.startswith(f"{below}/") and n not in found]:
            self._files.delete(self._worker, name)
            del self._sent[name]

    def _put(self, name: str) -> bool:
        try:
            file = open(self.folder / name, "rb")
        except FileNotFoundError:  # replaced or deleted since
            return False
        with file:
            start, piece = 0, file.read(PIECE)
            while True:
                following = file.read(PIECE)
                self._files.put(self._worker, name, start, piece, not following)
                if not following:
                    return True
                start, piece = start + len(piece), following

    def forget(self, below: str) -> None:
        """Deletes a folder here alone: its files are with the owner."""
        for path in sorted((self.folder / below).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self._sent = {n: s for n, s in self._sent.items() if not n.startswith(f"{below}/")}

    def bring_checkpoints(self) -> None:
        """Brings the other workers' checkpoints here, those that are new."""
        own = f"{WORKERS}/{self._worker}/"
        for name, stamp in self._files.checkpoints().items():
            if name.startswith(own) or self._brought.get(name) == stamp:
                continue
            self._get(name)  # if replaced meanwhile it comes as two halves, which are not believed
            self._brought[name] = stamp

    def bring(self, below: str) -> None:
        """Brings the files of a trial that is over, such as those in "trial_0"."""
        for name in self._files.below(below):
            self._get(name)

    def _get(self, name: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            while piece := self._files.get(name, file.tell()):
                file.write(piece)


def _passing(name: str) -> bool:
    """Files that are under way, and the one that only the owner writes."""
    return name == TRIAL_FILE or name.endswith(".partial") or name.startswith("partial.")
