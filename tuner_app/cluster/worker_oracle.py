"""The oracle as a worker has it: somebody else opens the trials and ends them."""

from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner

from tuner_app.cluster.service import Opened
from tuner_app.oracles import StoredOracle
from tuner_app.oracles.trial_from_row import as_trial


class WorkerOracle(StoredOracle):
    """What a worker knows of the oracle: its objective, and the trials that it was given."""

    over = ""  # what the service's oracle said of it last

    def __init__(self, facts: Mapping[str, Any], put_back: Callable[[str], None]):
        super().__init__(
            objective=_objective(facts["objective"]),
            max_trials=facts["max_trials"],
            seed=facts["seed"],
        )
        self.results: dict[str, tuple[dict[str, float], int]] = {}
        self.verdicts: dict[str, str] = {}  # trials that the pruner wants ended, and why
        self.judges = facts["judges"]
        self._share, self._put_back = facts["share"], put_back
        self._number_and_failures: dict[str, tuple[int, int]] = {}
        self._lines: dict[str, tuple[int, int]] = {}
        self._begun_before: set[str] = set()

    def take(self, opened: Opened):
        """The trial that the service opened."""
        row = opened.row
        blank = keras_tuner.HyperParameters.from_config({"space": opened.space, "values": {}})
        trial = as_trial(row, blank)
        self.trials[row.trial_id] = trial
        self._number_and_failures[row.trial_id] = row.number, opened.failures
        self._lines[row.trial_id] = row.line
        self.verdicts.pop(row.trial_id, None)
        (self._begun_before.add if opened.again else self._begun_before.discard)(row.trial_id)
        return trial

    def was_begun_before(self, trial_id: str) -> bool:
        """Whether somebody had begun a trial before it came here."""
        return trial_id in self._begun_before

    def remaining_trials(self):
        return self._share

    def number_of(self, trial_id: str) -> int:
        return self._number_and_failures[trial_id][0]

    def failures_of(self, trial_id: str) -> int:
        return self._number_and_failures[trial_id][1]

    def seed_facts(self, trial_id: str) -> tuple[int, int]:
        number, failures = self._lines[trial_id]
        return number, failures + self.failures_of(trial_id)

    def verdict(self, trial_id: str) -> str:
        return self.verdicts.get(trial_id, "")

    def update_trial(self, trial_id, metrics, step=0):
        self.results[trial_id] = {k: float(v) for k, v in metrics.items()}, int(step)
        trial = self.trials[trial_id]
        for name, value in metrics.items():
            if not trial.metrics.exists(name):
                trial.metrics.register(name, direction=self.objective.direction)
            trial.metrics.update(name, value, step=step)
        return trial

    def end_trial(self, trial, *old_arguments, **old_keywords):
        """The service ends it; here it is forgotten."""
        self.trials.pop(getattr(trial, "trial_id", trial), None)

    def put_back(self, trial_id: str) -> None:
        self.trials.pop(trial_id, None)
        self._put_back(trial_id)

    def populate_space(self, trial_id):
        raise RuntimeError("A worker's trials come from the search's service.")


def _objective(told: Mapping[str, Any]):
    """The inverse of `what_was_asked.objective`."""
    parts = told.get("parts")
    if parts:
        return [keras_tuner.Objective(name, direction) for name, direction in parts.items()]
    return keras_tuner.Objective(told["name"], told["direction"])
