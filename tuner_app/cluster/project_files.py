"""The project directory, for workers whose machine does not see it: files come and go in pieces."""

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tuner_app.errors import UserError
from tuner_app.store.disk_fault import disk_fault
from tuner_app.store.trial_files import TRIAL_FILE

WORKERS = "workers"  # below the project directory: a folder a worker, for its checkpoint
PIECE = 8 * 2**20  # bytes
_MARK = f"{WORKERS}/seen.txt"


class ProjectFiles:
    """What the owner of a search does with files for its workers.

    A file is written beside and renamed when it is whole, so one that was cut short is never seen.

    Args:
        directory: The project's.
        lent_to: The worker that an open trial is lent to; of others, its files are not taken.

    >>> import tempfile
    >>> files = ProjectFiles(tempfile.mkdtemp(), {"0": "w1"}.get)
    >>> files.put("w1", "trial_0/a.bin", 0, b"ab", last=False)
    >>> files.put("w1", "trial_0/a.bin", 2, b"c", last=True)
    >>> files.get("trial_0/a.bin", 1)
    b'bc'
    """

    def __init__(self, directory: str | Path, lent_to: Callable[[str], str | None]):
        self.directory, self._lent_to = Path(directory), lent_to
        self._content = secrets.token_hex(16)  # of the mark

    def mark(self) -> tuple[str, str]:
        """A file of this directory alone, and its content: who reads it sees the directory."""
        path = self.directory / _MARK
        if not path.exists() or path.read_text() != self._content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._content)
        return _MARK, self._content

    def put(self, worker: str, name: str, start: int, piece: bytes, last: bool) -> None:
        """A piece of a worker's file; `start` is its first byte's place."""
        path = self._path(worker, name)
        if path is None:
            return
        partial = path.with_name(f"{path.name}.{worker}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(partial, "r+b" if start else "wb") as file:
                file.seek(start)
                file.write(piece)
            if last:
                os.replace(partial, path)
        except OSError as error:
            raise disk_fault(error, self.directory) or error from error

    def delete(self, worker: str, name: str) -> None:
        """A file that the worker has no more."""
        path = self._path(worker, name)
        if path is not None:
            path.unlink(missing_ok=True)

    def checkpoints(self) -> dict[str, tuple[int, int]]:
        """The files of all workers' folders: size, and time of the last change."""
        found = {}
        for path in sorted((self.directory / WORKERS).glob("*/*.npz")):
            stat = path.stat()
            found[path.relative_to(self.directory).as_posix()] = stat.st_size, stat.st_mtime_ns
        return found

    def below(self, folder: str) -> list[str]:
        """The names of the files in a trial's folder."""
        paths = sorted((self.directory / _checked(f"{folder}/file").parent).glob("*"))
        own = [path for path in paths if path.name != TRIAL_FILE and path.suffix != ".partial"]
        return [f"{folder}/{path.name}" for path in own if path.is_file()]

    def get(self, name: str, start: int) -> bytes:
        """A piece of a file, from a byte on; empty behind its end."""
        with open(self.directory / _checked(name), "rb") as file:
            file.seek(start)
            return file.read(PIECE)

    def _path(self, worker: str, name: str) -> Path | None:
        """Where a worker's file is to be; None where it is not the worker's any more."""
        folder = _checked(name).parts[0]
        if folder.startswith("trial_") and self._lent_to(folder.removeprefix("trial_")) != worker:
            return None
        return self.directory / name


def _checked(name: str) -> PurePosixPath:
    """A name that is below a folder of workers or of a trial, as whoever sends it may not be told
    twice where a search keeps its files."""
    path = PurePosixPath(name)
    inside = len(path.parts) > 1 and re.fullmatch(rf"{WORKERS}|trial_\w+", path.parts[0])
    if not inside or ".." in path.parts or "\\" in name or path.name == TRIAL_FILE:
        raise UserError(f"{name!r} is no file of a worker.")
    return path
