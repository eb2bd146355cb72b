"""A search's database while it is written: the directory's lock, transactions, files beside it."""

import contextlib
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner_app.errors import UserError
from tuner_app.store import schema, trial_files, whole_file
from tuner_app.store.disk_fault import DiskFault
from tuner_app.store.json_text import exportable_text, from_text, to_text
from tuner_app.store.lock import DirectoryLock
from tuner_app.store.project_directory import refuse_foreign
from tuner_app.store.reader import SearchReader


class WritableDatabase(SearchReader):
    """A search's database, open for writing, with the lock of its directory.

    Creates the directory and the database where there are none.

    Attributes:
        behind: Whether a change was cut short, by the disk or by Ctrl-C. Whoever made it may
            remember it, so what an oracle says of its state is not taken any more: the search
            ends, and the next session begins from what is here.

    Raises:
        UserError: the directory is a file, can't be written, holds something else or is in use by
            another process; or its database is not ours to write (see `schema`).
    """

    def __init__(self, directory: str | Path):
        directory = Path(directory)
        refuse_foreign(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"Can't make the project directory {directory} ({error.strerror}). Choose one in a "
                "folder that you may write to."
            ) from None
        self.lock = DirectoryLock.acquire(directory)
        self.behind = False
        self._depth = 0
        self._files: set[str] = set()  # trials whose files are to be written after the commit
        self._space_texts: dict[int, str] = {}  # as the trials' files have them
        try:
            super().__init__(directory)
        except BaseException:
            self.lock.release()
            raise

    def _connect(self) -> sqlite3.Connection:
        path = self.directory / schema.FILE_NAME
        try:
            connection = schema.connect_for_writing(path)
        except schema.Damaged as error:
            if not (self.directory / schema.SEARCH_FILE).is_file():
                raise
            moved = schema.move_away(path)
            connection = schema.connect_for_writing(path)
            warnings.warn(
                f"{error.found} It was moved to {moved.name}, and the search is taken back from "
                "the trial_*/trial.json files.",
                RuntimeWarning,
                stacklevel=5,
            )
        connection.execute("BEGIN IMMEDIATE")
        trial_files.adopt(connection, self.directory)
        connection.execute("COMMIT")
        return connection

    def close(self) -> None:
        """Ends the connection and gives the directory up."""
        super().close()
        self.lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes all changes inside it one change: all of them are kept, or none. May be nested."""
        if not self.lock.held:
            raise UserError(
                f"{self.directory} has since been opened by another tuner of this process. "
                "Expected one tuner a directory: go on with the newer one."
            )
        if self._depth:
            yield
            return
        self._execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
            files = self._contents_of_files()
            self._execute("COMMIT")
        except BaseException as error:
            self.behind |= isinstance(error, DiskFault) or not isinstance(error, Exception)
            self._forget()
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.OperationalError):  # the first error tells more
                    self._connection.execute("ROLLBACK")
            raise
        finally:
            self._depth -= 1
        for path, text in files:
            whole_file.write(path, text)

    def _execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        with self._faults_named():
            return self._connection.execute(statement, parameters)

    @contextlib.contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise DiskFault(self.directory, str(error)) from error

    def _forget(self) -> None:
        """What was remembered of a change that was not kept."""
        self._files.clear()
        self._space_texts.clear()

    def _contents_of_files(self) -> list[tuple[Path, str]]:
        """The files beside the database that this transaction makes out of date."""
        found = []
        for name in sorted(self._files):
            if name == schema.SEARCH_FILE:
                facts = {key: from_text(value) for key, value in self._rows("SELECT * FROM facts")}
                found.append((self.directory / name, to_text(facts)))
                continue
            row = self.trial(name)
            if row.space not in self._space_texts:
                self._space_texts[row.space] = exportable_text(self.space(row.space))
            text = trial_files.trial_text(
                row,
                self._space_texts[row.space],
                self.history(name),
                len(self.attempts(name)),
                dict(self._rows("SELECT * FROM oracle")),
            )
            found.append((self.directory / f"trial_{name}" / trial_files.TRIAL_FILE, text))
        self._files.clear()
        return found
