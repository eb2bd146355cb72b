"""An observer that is shown runs under the names they have for a person."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tuner_app.store import TrialRecord
from tuner_app.tuners.observer import Observer


class Named(Observer):
    """Passes every event on, each run under its name, without values that are the same in many.

    Args:
        observer: Who is told.
        names: By the run's number.
    """

    def __init__(self, observer: Observer, names: Sequence[str]):
        self._observer, self._names = observer, names

    def search_begun(self, max_trials: int | None, objective: str, direction: str) -> None:
        self._observer.search_begun(max_trials, objective, direction)

    def trial_begun(self, trial: TrialRecord) -> None:
        self._observer.trial_begun(self._named(trial))

    def epoch_ended(
        self, trial_id: str, execution: int, epoch: int, metrics: Mapping[str, float]
    ) -> None:
        self._observer.epoch_ended(self._names[int(trial_id)], execution, epoch, metrics)

    def stack_reported(self, stats: Any) -> None:
        self._observer.stack_reported(stats)

    def trial_ended(self, trial: TrialRecord) -> None:
        self._observer.trial_ended(self._named(trial))

    def search_ended(self, summary: Mapping[str, Any]) -> None:
        self._observer.search_ended(summary)

    def _named(self, trial: TrialRecord) -> TrialRecord:
        name = self._names[int(trial.trial_id)]
        return dataclasses.replace(trial, trial_id=name, hyperparameters={})
