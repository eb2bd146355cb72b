"""A search's directory here and its copy at an address, kept up to date by a thread."""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import sqlite3
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tuner_app.errors import UserError
from tuner_app.remote.note import NOTE, differ, is_as_new, note_in
from tuner_app.store import holds_search, schema
from tuner_app.store.lock import FILE_NAME as LOCK

INTERVAL = 30.0  # seconds between two copies
LEASE = 3 * INTERVAL  # after so long without a copy, a process elsewhere is taken for dead
_PARTIAL = ".partial"
# Object stores show a file when it is whole; these while it is written, and rename over another.
_SHOW_HALVES = {"file", "local", "ftp", "sftp", "ssh"}
_DATABASE = tuple(schema.FILE_NAME + end for end in ("", "-wal", "-shm", "-journal"))


def directory_of(address: str) -> Path:
    """Where a search at an address runs on this machine.

    >>> directory_of("s3://bucket/digits").as_posix()
    'tuning/s3-bucket-digits'
    """
    return Path("tuning") / re.sub(r"[^\w.-]+", "-", address).strip("-.")


class Copy:
    """A search's directory here and its copy at an address; in `with`, kept up to date.

    Args:
        address: Such as s3://bucket/digits.
        interval: Seconds between two copies.

    Raises:
        UserError: The address is none, or can't be reached.
    """

    def __init__(self, address: str, interval: float = INTERVAL):
        self.address, self.interval = address.rstrip("/"), interval
        if self.address.endswith(":"):
            raise UserError(f"{address} names no folder. Expected one, such as s3://bucket/digits.")
        if re.match(r"[^/]*//[^/@]*:[^/]*@", self.address):
            raise UserError(
                f"{_without_secret(address)} was given with a password in it, which would be kept "
                "with the search. Leave it out, and put it into fsspec's own settings: a file in "
                "~/.config/fsspec, or a variable such as FSSPEC_SFTP_PASSWORD."
            )
        self.directory = directory_of(self.address)
        self._sent: dict[str, tuple[int, int]] = {}  # size and time of what was copied
        self._copied: tuple | None = None  # the same of the database
        self._strays: list[str] = []  # of an earlier process, at the address
        self._made: set[str] = set()  # folders there
        self._done = threading.Event()
        self._connect()

    def _connect(self) -> None:
        """A connection that broke is not mended by those who hold it: another one is made."""
        with self._reached():
            from fsspec.core import url_to_fs

            self._files, root = url_to_fs(self.address, skip_instance_cache=True)
            self._root = root.rstrip("/")

    def there(self) -> dict | None:
        """The note at the address; None where no search is."""
        with self._reached():
            self._files.invalidate_cache()
            try:
                return json.loads(self._files.cat_file(f"{self._root}/{NOTE}"))
            except FileNotFoundError:
                return None

    def _refuse_others(self) -> None:
        with self._reached():
            try:
                found = self._files.ls(self._root, detail=False)
            except FileNotFoundError:
                return
        found = [name for name in found if name.rstrip("/") != self._root]
        if found:
            name = found[0].rstrip("/").rpartition("/")[2]
            raise UserError(
                f"{self.address} belongs to something else (it holds {name!r}). Choose an empty "
                "--project."
            )

    def names(self) -> list[str]:
        """The files at the address."""
        with self._reached():
            self._files.invalidate_cache()
            try:
                found = self._files.find(self._root)
            except FileNotFoundError:
                return []
        names = sorted(name.rstrip("/").removeprefix(self._root).lstrip("/") for name in found)
        return [name for name in names if name]

    def fetch(self) -> None:
        """Brings the search here, unless what is here is as new. What is older is kept beside it.

        Raises UserError where there is none, or another one is here.
        """
        there, here = self.there(), note_in(self.directory)
        if there is None and here is None:
            raise UserError(f"{self.address} holds no search.")
        if here is None and self.directory.exists() or there and here and differ(here, there):
            raise UserError(
                f"{self.directory} holds something else than the search at {self.address}. Move it "
                "away, or call this from another folder."
            )
        if here and (there is None or is_as_new(here, there)):
            return
        fetched = self.directory.with_name(f"{self.directory.name}.fetched")
        shutil.rmtree(fetched, ignore_errors=True)
        for name in (name for name in self.names() if not name.endswith(_PARTIAL)):
            if ".." in PurePosixPath(name).parts:
                raise UserError(f"{self.address} holds a file {name!r}, which no search writes.")
            (fetched / name).parent.mkdir(parents=True, exist_ok=True)
            with self._reached():
                self._files.get_file(f"{self._root}/{name}", str(fetched / name))
        if here:
            self.directory.rename(f"{self.directory}.before-{secrets.token_hex(3)}")
        fetched.rename(self.directory)

    def __enter__(self) -> "Copy":
        there, here = self.there(), note_in(self.directory)
        if there is None:
            self._refuse_others()
        else:
            self._strays = self.names()
        if there and there["host"] != socket.gethostname():
            silent = time.time() - there["at"]
            if there["open"] and abs(silent) < LEASE:  # clocks differ, and jump
                raise UserError(
                    f"{self.address} is in use by another search (pid {there['pid']} on host "
                    f"{there['host']}), which copied to it {silent:.0f} seconds ago. Wait for it, "
                    f"or, if it is gone, until {LEASE:.0f} seconds have passed."
                )
        self._note = {
            "address": self.address,
            "search": (here or there or {"search": secrets.token_hex(8)})["search"],
            "writer": secrets.token_hex(8),
            "copies": max(note["copies"] if note else 0 for note in (here, there)),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "open": True,
        }
        self.directory.mkdir(parents=True, exist_ok=True)
        self.push()
        self._thread = threading.Thread(target=self._again_and_again, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._done.set()
        self._thread.join()
        self._note["open"] = False
        if not holds_search(self.directory):
            self._withdraw()
            return
        try:
            self._push_once_more()
        except UserError as failed:
            kept = UserError(f"{failed} All of it is in {self.directory}: tuner-app resume it.")
            if error is None:
                raise kept from None
            warnings.warn(str(kept), RuntimeWarning, stacklevel=2)

    def _push_once_more(self) -> None:
        try:
            self.push()
        except UserError:  # the connection may have been cut since the last time
            self._connect()
            self.push()

    def push(self) -> None:
        """Copies what has changed since the last time. Raises UserError if that fails.

        The database is read first and sent last: of each trial that it calls COMPLETED, weights are
        there before.
        """
        with tempfile.TemporaryDirectory() as folder, self._reached():
            stamp = tuple(_stamp(self.directory / name) for name in _DATABASE[:2])
            database = Path(folder) / schema.FILE_NAME
            changed = stamp != self._copied and _back_up(self.directory, database)
            here = {str(p.relative_to(self.directory)): p for p in self.directory.rglob("*")}
            found = {name: _stamp(path) for name, path in here.items() if _is_ours(path)}
            for name, now in found.items():
                if now != self._sent.get(name):
                    with contextlib.suppress(FileNotFoundError):  # deleted since
                        self._send(here[name], name)
            for name in {*self._sent, *self._strays} - found.keys():
                if name not in (NOTE, schema.FILE_NAME):
                    with contextlib.suppress(FileNotFoundError):
                        self._files.rm_file(f"{self._root}/{name}")
            if changed:
                self._send(database, schema.FILE_NAME)
                self._copied = stamp
            self._sent, self._strays = found, []
            self._note |= {"copies": self._note["copies"] + 1, "at": time.time()}
            text = json.dumps(self._note)
            # Here first: then this directory is known to be as new, whatever happens now.
            (self.directory / NOTE).write_text(text)
            self._send(self.directory / NOTE, NOTE)

    def _send(self, path: Path, name: str) -> None:
        folder = f"{self._root}/{name}".rpartition("/")[0]
        if folder not in self._made:
            self._files.makedirs(folder, exist_ok=True)
            self._made.add(folder)
        target = f"{self._root}/{name}"
        whole = self.address.partition("://")[0].lower() not in _SHOW_HALVES
        self._files.put_file(str(path), target if whole else f"{target}{_PARTIAL}")
        if not whole:
            self._files.mv(f"{target}{_PARTIAL}", target)

    def _again_and_again(self) -> None:
        told = False
        while not self._done.wait(self.interval):
            try:
                if told:
                    self._connect()
                self.push()
                told = False
            except UserError as error:
                if not told:
                    warnings.warn(f"{error} Tried again and again.", RuntimeWarning, stacklevel=1)
                told = True

    def _withdraw(self) -> None:
        """Nothing was begun: nothing stays."""
        with contextlib.suppress(Exception):
            self._files.rm_file(f"{self._root}/{NOTE}")
        with contextlib.suppress(OSError):
            (self.directory / NOTE).unlink()
            self.directory.rmdir()

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """What a kind of address raises is its own affair: here all of it is a `UserError`."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            said = (str(error).strip().splitlines() or [""])[0]
            raise UserError(
                f"{self.address} can't be reached or written ({type(error).__name__}: {said})."
            ) from error


def _without_secret(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)


def _is_ours(path: Path) -> bool:
    # Opening the lock's or the database's file here would drop this process's locks on it.
    left_out = path.name in (NOTE, LOCK, *_DATABASE) or path.name.endswith((_PARTIAL, ".new"))
    return not left_out and path.is_file() and not path.is_symlink()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _back_up(directory: Path, copy: Path) -> bool:
    """A consistent copy of the database, while others write to it; whether there is one."""
    path = directory / schema.FILE_NAME
    if not path.is_file():
        return False
    with (
        contextlib.closing(sqlite3.connect(path, timeout=30)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return True
