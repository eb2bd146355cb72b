"""What can be asked of a project directory without changing it, also while a search runs there.

>>> import tempfile
>>> holds_search(tempfile.mkdtemp())
False
"""

import math
import sqlite3
from pathlib import Path
from typing import Any

from tuner_app.errors import UserError
from tuner_app.store import schema, trial_files, trial_row
from tuner_app.store.collections_paused import without_collections
from tuner_app.store.json_text import from_text, from_texts
from tuner_app.store.records import TrialRecord
from tuner_app.store.trial_row import TrialRow

OVER = "over"  # the fact that a search has nothing left to train

# Metrics by (execution, epoch), both from 0, in order.
History = dict[tuple[int, int], dict[str, float]]


def holds_search(directory: str | Path) -> bool:
    """Whether `directory` is the project directory of a search that has begun."""
    path = Path(directory) / schema.FILE_NAME
    if path.with_name(schema.SEARCH_FILE).is_file():
        return True
    return path.is_file() and path.stat().st_size > 0 and not _is_blank(path)


def _is_blank(path: Path) -> bool:
    """Whether a database is one whose process died before it wrote what the search is."""
    try:
        connection = schema.connect_for_reading(path)
    except schema.NotBegun:
        return True
    except UserError:
        return False  # whoever wants it will be told
    try:
        rows = connection.execute("SELECT (SELECT COUNT(*) FROM facts), COUNT(*) FROM trials")
        return rows.fetchone() == (0, 0)
    except sqlite3.Error:
        return False
    finally:
        connection.close()


class SearchReader:
    """Reads one search. Use it in `with`; `SearchStore`, which also writes, is one too.

    Raises:
        UserError: there is no search, or it is not ours to read (see `schema`).
    """

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)
        if not self.directory.is_dir():
            received = "a file" if self.directory.exists() else "nothing there"
            raise UserError(f"Expected a project directory at {directory}; found {received}.")
        self._connection = self._connect()

    def _connect(self) -> sqlite3.Connection:
        nothing = UserError(
            f"{self.directory} holds no search: expected a {schema.FILE_NAME} in it. Give the "
            "project directory of an earlier search, or begin one there."
        )
        if not holds_search(self.directory):
            raise nothing
        try:
            return schema.connect_for_reading(self.directory / schema.FILE_NAME)
        except schema.NotBegun:
            raise nothing from None
        except schema.Damaged:
            if not (self.directory / schema.SEARCH_FILE).is_file():
                raise
        connection = schema.connect_in_memory()
        trial_files.adopt(connection, self.directory)
        return connection

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; closing twice is allowed."""
        self._connection.close()

    def _rows(self, query: str, *parameters: Any) -> list[tuple]:
        try:
            return self._connection.execute(query, parameters).fetchall()
        except sqlite3.OperationalError as error:
            raise UserError(f"Can't read {self.directory / schema.FILE_NAME} ({error}).") from None
        except sqlite3.DatabaseError as error:
            raise schema.Damaged(self.directory / schema.FILE_NAME, error) from None

    def fact(self, name: str, default: Any = None) -> Any:
        """One of the search's facts: config (what the caller of the search wants kept with it),
        objective (name, direction), asked (see `tuners.project.what_was_asked`), epochs, seed."""
        rows = self._rows("SELECT value FROM facts WHERE name = ?", name)
        return from_text(rows[0][0]) if rows else default

    def over(self) -> dict | None:
        """What is to be told of a search that has nothing left to train; None where it has."""
        noted = self.fact(OVER)
        return noted["account"] if noted and noted["trials"] == self._held() else None

    def _held(self) -> int:
        return self._rows("SELECT COUNT(*) FROM trials")[0][0]

    def trials(self) -> list[TrialRow]:
        """Every trial, in the order of their beginnings."""
        rows = self._rows(trial_row.SELECT + " ORDER BY number")
        with without_collections():
            return [trial_row.from_columns(columns) for columns in rows]

    def records(self) -> list[TrialRecord]:
        """Every trial as readers see it, in the order of their beginnings."""
        rows = self._rows(trial_row.SELECT_RECORDS)
        with without_collections():
            values = from_texts([row[3] for row in rows])
            pairs = zip(rows, values, strict=True)
            return [TrialRecord(*row[:3], value, *row[4:]) for row, value in pairs]

    def has_notes(self, entry: str) -> bool:
        """Whether the oracle kept an entry of that name with any trial."""
        query = "SELECT EXISTS (SELECT 1 FROM trials WHERE note LIKE ?)"
        return bool(self._rows(query, f'%"{entry}":%')[0][0])

    def unfinished(self) -> list[TrialRow]:
        """The trials that are not over, in the order of their beginnings."""
        over = ", ".join(f"'{status}'" for status in trial_row.ENDED)
        rows = self._rows(f"{trial_row.SELECT} WHERE status NOT IN ({over}) ORDER BY number")
        return [trial_row.from_columns(columns) for columns in rows]

    def trial(self, trial_id: str) -> TrialRow:
        """One trial. Raises: KeyError: there is none of that id."""
        rows = self._rows(trial_row.SELECT + " WHERE trial_id = ?", trial_id)
        if not rows:
            raise KeyError(trial_id)
        return trial_row.from_columns(rows[0])

    def space(self, number: int) -> list[dict]:
        """A search space: KerasTuner's configuration of each hyperparameter."""
        return from_text(self._rows("SELECT config FROM spaces WHERE space = ?", number)[0][0])

    def latest_space(self) -> list[dict]:
        """The latest search space of a COMPLETED trial; empty where there is none."""
        found = "SELECT MAX(space) FROM trials WHERE status = 'COMPLETED'"
        rows = self._rows(f"SELECT config FROM spaces WHERE space = ({found})")
        return from_text(rows[0][0]) if rows else []

    def history(self, trial_id: str) -> History:
        """Every metric of every epoch of a trial's run, without what a later attempt replaced."""
        starts = self._rows(
            "SELECT attempt, execution, epoch FROM attempts WHERE trial_id = ? ORDER BY attempt",
            trial_id,
        )
        observations = self._rows(
            "SELECT attempt, execution, epoch, metric, value FROM epochs WHERE trial_id = ?",
            trial_id,
        )
        history: History = {}
        for attempt, first_execution, first_epoch in starts:
            history = {at: m for at, m in history.items() if at < (first_execution, first_epoch)}
            for of_attempt, execution, epoch, metric, value in observations:
                if of_attempt == attempt:
                    found = history.setdefault((execution, epoch), {})
                    found[metric] = math.nan if value is None else value
        return dict(sorted(history.items()))

    def attempts(self, trial_id: str) -> list[dict]:
        """Each run of a trial: attempt, begun, ended (seconds since 1970), outcome, message,
        traceback."""
        names = ("attempt", "begun", "ended", "outcome", "message", "traceback")
        rows = self._rows(
            f"SELECT {', '.join(names)} FROM attempts WHERE trial_id = ? ORDER BY attempt", trial_id
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def sessions(self) -> list[dict]:
        """Each process that searched here: session, pid, host, begun, environment (versions)."""
        names = ("session", "pid", "host", "begun", "environment")
        rows = self._rows(f"SELECT {', '.join(names)} FROM sessions ORDER BY session")
        return [dict(zip(names, (*row[:-1], from_text(row[-1])), strict=True)) for row in rows]

    def last_session(self) -> int:
        """The number of the last process that searched here; 0 before the first."""
        return self._rows("SELECT COALESCE(MAX(session), 0) FROM sessions")[0][0]

    def counts(self) -> list[dict]:
        """Trials, epochs and seconds by status and mode."""
        names = ("status", "mode", "trials", "epochs", "seconds")
        rows = self._rows(f"SELECT {', '.join(names)} FROM counts ORDER BY status, mode")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def oracle_state(self) -> dict:
        """What the oracle keeps besides the trials."""
        return {name: from_text(value) for name, value in self._rows("SELECT * FROM oracle")}

    def test_set_entries(self) -> list[dict]:
        """Each time the test set was opened: opened (seconds since 1970), trial_id, dataset,
        metrics."""
        names = ("opened", "trial_id", "dataset", "metrics")
        rows = self._rows(f"SELECT {', '.join(names)} FROM test_set ORDER BY entry")
        return [dict(zip(names, (*row[:-1], from_text(row[-1])), strict=True)) for row in rows]
