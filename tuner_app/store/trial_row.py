"""One trial as the database holds it: what an oracle needs to go on, and no Keras in it."""

import hashlib
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from tuner_app.store.json_text import from_text, to_text
from tuner_app.store.records import TrialRecord


@dataclass(frozen=True)
class TrialRow:
    """The part of a trial that the oracle decides.

    Attributes:
        trial_id: KerasTuner's id.
        number: Its place in the order of beginnings, from 0.
        status: KerasTuner's word.
        space: The number that the store gave to the trial's search space.
        hyperparameters: Name to value, the active ones.
        score: The objective's value, None unless COMPLETED.
        best_epoch: The epoch the score comes from.
        metrics: KerasTuner's `MetricsTracker` configuration.
        digest: KerasTuner's hash of the values, by which it finds repetitions.
        ended: Its place in the order of ends, None before.
        failures: How often a run of it failed.
        note: What this kind of oracle keeps with a trial, any JSON value.
        blame: Deaths of the process laid at its door. Read only: see `SearchStore.close_dead`.
        message: Why it failed. Read only, as are mode, epochs and seconds.
    """

    trial_id: str
    number: int
    status: str
    space: int
    hyperparameters: dict
    score: float | None = None
    best_epoch: int | None = None
    metrics: dict = field(default_factory=lambda: {"metrics": {}})
    digest: str | None = None
    ended: int | None = None
    failures: int = 0
    note: Any = None
    blame: float = 0.0
    message: str = ""
    mode: str = "fit"
    epochs: int = 0
    seconds: float = 0.0

    @property
    def line(self) -> tuple[int, int]:
        """The number and the failures before, which the seed of its training follows from: its own,
        unless it goes on where another trial ended."""
        note = self.note if isinstance(self.note, dict) else {}
        number, failures = note.get("seed", (self.number, 0))
        return number, failures

    def record(self) -> TrialRecord:
        """The trial as readers see it."""
        return TrialRecord(
            trial_id=self.trial_id,
            status=self.status,
            score=self.score,
            hyperparameters=self.hyperparameters,
            best_epoch=self.best_epoch,
            epochs=self.epochs,
            seconds=self.seconds,
            message=self.message,
            mode=self.mode,
        )


ENDED = ("COMPLETED", "FAILED", "PRUNED")

_DECIDED = (
    "trial_id, number, status, space, hyperparameters, score, best_epoch, metrics, digest, ended, "
    "failures, note"
)
_COLUMNS = _DECIDED + ", blame, message, mode, epochs, seconds"

SELECT = f"SELECT {_COLUMNS} FROM trials"
SELECT_RECORDS = (
    "SELECT trial_id, status, score, hyperparameters, best_epoch, epochs, seconds, message, mode "
    "FROM trials ORDER BY number"
)
UPSERT = (
    f"INSERT INTO trials ({_DECIDED}) VALUES ({', '.join('?' * 12)}) "
    "ON CONFLICT (trial_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _DECIDED.split(", ")[2:])
)


def space_digest(text: str) -> str:
    """What tells two search spaces apart, each as JSON text."""
    return hashlib.sha256(text.encode()).hexdigest()


def as_parameters(row: TrialRow) -> tuple:
    """What `UPSERT` takes."""
    return (
        row.trial_id,
        row.number,
        row.status,
        row.space,
        to_text(row.hyperparameters),
        None if row.score is None else float(row.score),
        None if row.best_epoch is None else int(row.best_epoch),
        to_text(row.metrics),
        row.digest,
        row.ended,
        row.failures,
        None if row.note is None else to_text(row.note),
    )


def from_columns(columns: sqlite3.Row | tuple) -> TrialRow:
    """The row that `SELECT` gave."""
    (trial_id, number, status, space, hyperparameters, score, best_epoch, metrics, *rest) = columns
    digest, ended, failures, note, blame, message, mode, epochs, seconds = rest
    return TrialRow(
        trial_id=trial_id,
        number=number,
        status=status,
        space=space,
        hyperparameters=from_text(hyperparameters),
        score=score,
        best_epoch=best_epoch,
        metrics=from_text(metrics),
        digest=digest,
        ended=ended,
        failures=failures,
        note=None if note is None else from_text(note),
        blame=blame,
        message=message,
        mode=mode,
        epochs=epochs,
        seconds=seconds,
    )
