"""A search's trials, read back from its project directory: finished, running or crashed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner_app.results.lineage import Counts, Stretch, counts, lineages
from tuner_app.results.pareto import objective_values, pareto
from tuner_app.store import SearchReader, TrialRecord
from tuner_app.store.reader import History


@dataclass(frozen=True)
class SearchResults:
    """What a search found so far.

    Attributes:
        objective: The name of what was optimized.
        direction: "min" or "max".
        trials: Completed trials, best first; then those without a score, in the order they began.
        directory: The project directory.
        parts: Of several objectives, each name and its direction; empty for one.
        values: Of several objectives, what each completed trial gave: trial id to name to value.
        lineages: Of population-based training, which values trained each completed trial's best
            weights in which epochs.
        population: Of population-based training, its numbers.
    """

    objective: str
    direction: str
    trials: list[TrialRecord]
    directory: Path | None = None
    parts: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    lineages: dict[str, list[Stretch]] = field(default_factory=dict)
    population: Counts | None = None

    @property
    def pareto(self) -> list[str]:
        """Of several objectives, the trials that none beats in all of them; empty for one."""
        return pareto(self.values, self.parts) if self.parts else []

    @property
    def best(self) -> TrialRecord | None:
        """The best completed trial; None when none completed."""
        first = next(iter(self.trials), None)
        return first if first is not None and first.score is not None else None

    def ranks(self) -> list[int | None]:
        """Each trial's place among the completed ones, from 1; None for the others."""
        return [None if t.score is None else i + 1 for i, t in enumerate(self.trials)]


def read(directory: str | Path) -> SearchResults:
    """Reads a project directory, also while a search runs in it. Needs no TensorFlow.

    Raises:
        UserError: `directory` is none, or holds no search.
    """
    with SearchReader(directory) as reader:
        goal = reader.fact("objective", {"name": "score", "direction": "min"})
        parts = goal.get("parts") or {}
        # What else a row holds takes as long to read as what is always needed.
        rows = reader.trials() if parts or reader.has_notes("events") else []
        trials = [row.record() for row in rows] if rows else reader.records()
        population = counts(reader, rows)
    values = {
        row.trial_id: objective_values(row.metrics, list(parts))
        for row in rows
        if parts and row.status == "COMPLETED"
    }
    best_first = ranked(trials, goal["direction"])
    return SearchResults(
        goal["name"],
        goal["direction"],
        best_first,
        Path(directory),
        parts,
        values,
        lineages(rows),
        population,
    )


def history(directory: str | Path, trial_id: str) -> History:
    """Every metric of every epoch of a trial: (execution, epoch) → name → value, in order.

    Raises:
        UserError: `directory` is none, or holds no search.
        KeyError: it has no such trial.
    """
    with SearchReader(directory) as reader:
        reader.trial(trial_id)
        return reader.history(trial_id)


def ranked(trials: list[TrialRecord], direction: str) -> list[TrialRecord]:
    """Completed trials best first (of equal ones the earlier), then the others as they came.

    >>> first, second = TrialRecord("0", "FAILED"), TrialRecord("1", "COMPLETED", score=0.5)
    >>> [trial.trial_id for trial in ranked([first, second], "max")]
    ['1', '0']
    """
    sign = -1 if direction == "max" else 1
    scored = [trial for trial in trials if trial.score is not None]
    rest = [trial for trial in trials if trial.score is None]
    return sorted(scored, key=lambda trial: sign * trial.score) + rest


def objective_parts(objective: Mapping[str, Any]) -> dict[str, str]:
    """The metrics that an objective is made of, the first the one that patience watches, with their
    directions.

    Args:
        objective: As the store has it: name, direction and, where it is several, parts.

    >>> objective_parts({"name": "val_loss", "direction": "min"})
    {'val_loss': 'min'}
    """
    return dict(objective.get("parts") or {objective["name"]: objective["direction"]})
