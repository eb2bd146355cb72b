"""Who watches a search: the live view, TensorBoard, a user's own code. Observers never steer it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuner_app.store.records import TrialRecord


class Observer:
    """Told of each event of a search, in order, in the search's own process.

    Override what you need.

    Metrics are plain floats under Keras's names (`loss`, `val_accuracy`, ..., `learning_rate`).
    """

    def search_begun(self, max_trials: int | None, objective: str, direction: str) -> None:
        """Before the first trial. `direction` is "min" or "max"; `max_trials` None: no limit."""

    def trials_planned(self, epochs: Sequence[int]) -> None:
        """After `search_begun`, where the oracle gives each trial epochs of its own, as Hyperband
        does: those of every trial, in no order, also of the ones that are over."""

    def trial_begun(self, trial: TrialRecord) -> None:
        """A trial has its hyperparameters and is about to train."""

    def epoch_ended(
        self, trial_id: str, execution: int, epoch: int, metrics: Mapping[str, float]
    ) -> None:
        """One epoch (counted from 0) of one execution of a trial is over."""

    def stack_reported(self, stats: Any) -> None:
        """One epoch of all lanes is over; `stats` is the engine's `PopulationStats`."""

    def population_compared(self, epoch: int, epochs: int, best: float | None, copies: int) -> None:
        """Members of a population were compared after so many epochs of `epochs`; the best of them
        stood at `best`, and so many were replaced by copies."""

    def trial_ended(self, trial: TrialRecord) -> None:
        """A trial is COMPLETED or FAILED."""

    def search_ended(self, summary: Mapping[str, Any]) -> None:
        """The search is over, was interrupted or ran out of trials; `summary` counts how."""
