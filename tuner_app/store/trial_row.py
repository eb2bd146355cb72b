"""One trial as the database holds it: what an oracle needs to go on, and no Keras in it.

A row that was read keeps its JSON texts, and reads each when somebody asks for its value: of ten
thousand trials that a search goes on from, most are never looked at.
"""

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
    note: Any = field(default_factory=lambda: None)  # no class attribute: see `__getattr__`
    blame: float = 0.0
    message: str = ""
    mode: str = "fit"
    epochs: int = 0
    seconds: float = 0.0

    def __getattr__(self, name: str) -> Any:
        texts = self.__dict__.get("_texts", ())
        if name not in texts:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        value = self.__dict__[name] = from_text(texts[name])
        return value

    def text(self, name: str) -> str:
        """The JSON text of `hyperparameters`, `metrics` or `note`."""
        return self.__dict__.get("_texts", {}).get(name) or to_text(getattr(self, name))

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

_NAMES = _COLUMNS.split(", ")
_JSON = ("hyperparameters", "metrics", "note")

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
    values = dict(zip(_NAMES, columns, strict=True))
    row = TrialRow.__new__(TrialRow)
    row.__dict__["_texts"] = {name: values.pop(name) or "null" for name in _JSON}
    row.__dict__.update(values)
    return row
