"""A search's trials, read back from its project directory: finished, running or crashed."""

from dataclasses import dataclass
from pathlib import Path

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
    """

    objective: str
    direction: str
    trials: list[TrialRecord]
    directory: Path | None = None

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
        trials = [row.record() for row in reader.trials()]
    return SearchResults(
        goal["name"], goal["direction"], ranked(trials, goal["direction"]), Path(directory)
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
