"""The only code that writes `search.db`: one transaction a change.

>>> import tempfile
>>> with SearchStore(tempfile.mkdtemp()) as store:
...     store.set_fact("config", {"max_trials": 3})
...     store.fact("config")
{'max_trials': 3}
"""

import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tuner_app.store import schema, trial_row
from tuner_app.store.json_text import to_text
from tuner_app.store.reader import OVER
from tuner_app.store.trial_row import TrialRow
from tuner_app.store.writable import WritableDatabase


class SearchStore(WritableDatabase):
    """A search's database, open for writing: see `WritableDatabase`. Each method is one change."""

    def __init__(self, directory: str | Path):
        self._session: int | None = None
        self._spaces: dict[str, int] = {}
        self._oracle: dict[str, str] = {}
        self._attempts: dict[str, int] = {}
        super().__init__(directory)

    def _forget(self) -> None:
        super()._forget()
        self._spaces.clear()
        self._oracle.clear()
        self._attempts.clear()

    def begin_session(self, environment: Mapping[str, Any]) -> int:
        """Notes that this process searches from now on. Returns the session's number, from 1."""
        with self.transaction():
            cursor = self._execute(
                "INSERT INTO sessions (pid, host, begun, environment) VALUES (?, ?, ?, ?)",
                os.getpid(),
                socket.gethostname(),
                time.time(),
                to_text(dict(environment)),
            )
            self._session = cursor.lastrowid
            if self._execute("DELETE FROM facts WHERE name = ?", OVER).rowcount:
                self._files.add(schema.SEARCH_FILE)
        return self._session

    def note_over(self, account: Mapping[str, Any]) -> None:
        """Notes that the search has nothing left to train, and what is to be told of it: until the
        next session begins."""
        self.set_fact(OVER, {"trials": self._held(), "account": dict(account)})

    def set_fact(self, name: str, value: Any) -> None:
        """Sets one fact of the search to any JSON value."""
        with self.transaction():
            self._execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, to_text(value))
            self._files.add(schema.SEARCH_FILE)

    def space_number(self, config: list[dict]) -> int:
        """The number of a search space, which is stored when it is new."""
        text = to_text(config)
        digest = trial_row.space_digest(text)
        if digest not in self._spaces:
            with self.transaction():
                self._execute(
                    "INSERT OR IGNORE INTO spaces (digest, config) VALUES (?, ?)", digest, text
                )
                found = self._execute("SELECT space FROM spaces WHERE digest = ?", digest)
                self._spaces[digest] = found.fetchone()[0]
        return self._spaces[digest]

    def save_trial(self, row: TrialRow, with_file: bool = True) -> None:
        """Writes the part of a trial that the oracle decides, whether it is new or not.

        Args:
            with_file: Also writes the file beside the database (see `trial_files`).
        """
        with self.transaction():
            self._execute(trial_row.UPSERT, *trial_row.as_parameters(row))
            if with_file:
                self._files.add(row.trial_id)

    def set_oracle_state(self, state: Mapping[str, Any]) -> None:
        """Writes those entries of the oracle's state that differ from the last time."""
        if self.behind:
            return
        with self.transaction():
            for name, value in state.items():
                text = to_text(value)
                if self._oracle.get(name) != text:
                    self._execute("INSERT OR REPLACE INTO oracle VALUES (?, ?)", name, text)
                    self._oracle[name] = text

    def begin_attempt(self, trial_id: str, execution: int = 0, epoch: int = 0) -> int:
        """Begins a run of a trial. Returns the attempt's number, from 0.

        An attempt that goes on from a checkpoint says where: what earlier ones reported for that
        (execution, epoch) and later is replaced.
        """
        with self.transaction():
            attempt = self._execute(
                "SELECT COALESCE(MAX(attempt) + 1, 0) FROM attempts WHERE trial_id = ?", trial_id
            ).fetchone()[0]
            self._execute(
                "INSERT INTO attempts (trial_id, attempt, session, execution, epoch, begun) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                *(trial_id, attempt, self._session or 0, execution, epoch, time.time()),
            )
            self._execute("UPDATE trials SET message = '' WHERE trial_id = ?", trial_id)
            self._count_epochs(trial_id)
            self._attempts[trial_id] = attempt
        return attempt

    def report_epochs(
        self, reports: Iterable[tuple[str, int, int, Mapping[str, float], float | None]]
    ) -> None:
        """Writes epochs, of one trial or of many, as one change.

        Each is (trial_id, execution, epoch, metrics, seconds the trial took so far or None).
        """
        with self.transaction():
            for trial_id, execution, epoch, metrics, seconds in reports:
                attempt = self._attempt(trial_id)
                rows = [
                    (trial_id, attempt, execution, epoch, metric, float(value))
                    for metric, value in metrics.items()
                ]
                with self._faults_named():
                    self._connection.executemany(
                        "INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?)", rows
                    )
                self._execute(
                    "UPDATE trials SET epochs = epochs + 1, seconds = COALESCE(?, seconds) "
                    "WHERE trial_id = ?",
                    *(seconds, trial_id),
                )

    def end_attempt(
        self, trial_id: str, outcome: str, message: str = "", traceback: str = ""
    ) -> None:
        """Ends a trial's open attempt: `outcome` as in the schema, `message` why, in a line."""
        with self.transaction():
            self._attempts.pop(trial_id, None)
            self._execute(
                "UPDATE attempts SET ended = ?, outcome = ?, message = ?, traceback = ? "
                "WHERE trial_id = ? AND outcome IS NULL",
                *(time.time(), outcome, message, traceback, trial_id),
            )
            self._execute("UPDATE trials SET message = ? WHERE trial_id = ?", message, trial_id)

    def set_cost(self, trial_id: str, seconds: float, mode: str) -> None:
        """Notes what a trial cost, in seconds over all its attempts, and how it was trained."""
        with self.transaction():
            self._execute(
                "UPDATE trials SET seconds = ?, mode = ? WHERE trial_id = ?",
                seconds,
                mode,
                trial_id,
            )

    def open_attempts(self) -> list[str]:
        """The trials that have an attempt under way, or left open by a process that died."""
        rows = self._rows("SELECT trial_id FROM attempts WHERE outcome IS NULL")
        return [trial_id for (trial_id,) in rows]

    def close_dead(self, trial_ids: Iterable[str] | None = None) -> list[str]:
        """Ends the attempts that a process left open when it died, as KILLED. Returns their trials.

        With `trial_ids`, the process is a worker that ran these; else it had all that are open.

        Only one of the trials that were open can have killed it, so they share the blame: a trial
        alone is blamed in full, each of K for a K-th.
        """
        with self.transaction():
            dead = self.open_attempts() if trial_ids is None else list(trial_ids)
            for trial_id in dead:
                self.end_attempt(trial_id, "KILLED", "the process died while it ran")
                self._execute(
                    "UPDATE trials SET blame = blame + ? WHERE trial_id = ?",
                    1 / len(dead),
                    trial_id,
                )
        return dead

    def forgive(self, trial_ids: Iterable[str]) -> None:
        """Takes the blame off trials that have got further since the process died."""
        with self.transaction():
            for trial_id in trial_ids:
                self._execute("UPDATE trials SET blame = 0 WHERE trial_id = ?", trial_id)

    def add_test_set_entry(self, trial_id: str, dataset: str, metrics: Mapping[str, float]) -> None:
        """Notes in the ledger that the test set was opened."""
        with self.transaction():
            self._execute(
                "INSERT INTO test_set (opened, trial_id, dataset, metrics) VALUES (?, ?, ?, ?)",
                *(time.time(), trial_id, dataset, to_text(dict(metrics))),
            )

    def _attempt(self, trial_id: str) -> int:
        if trial_id not in self._attempts:
            found = self._execute(
                "SELECT attempt FROM attempts WHERE trial_id = ? AND outcome IS NULL", trial_id
            ).fetchone()
            if found is None:
                raise ValueError(
                    f"Trial {trial_id} is not running: no epoch can be reported for it."
                )
            self._attempts[trial_id] = found[0]
        return self._attempts[trial_id]

    def _count_epochs(self, trial_id: str) -> None:
        self._execute(
            "UPDATE trials SET epochs = ? WHERE trial_id = ?",
            *(len(self.history(trial_id)), trial_id),
        )
