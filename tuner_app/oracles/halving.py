"""Asynchronous successive halving, whose shares are rounded up."""

import math

import optuna
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial


class SuccessiveHalving(optuna.pruners.BasePruner):
    """Optuna's `SuccessiveHalvingPruner` (Li et al., 2020), but that a third of five trials is
    two, not one. The early decisions, from few trials, are the ones that err.

    Args:
        first: The first rung's step; each other's is `factor` times the one before.
        factor: One of so many passes a rung, and whoever equals the last that does.
    """

    def __init__(self, first: int, factor: int):
        self._first, self._factor = first, factor

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial came to a rung that it does not pass."""
        step, rung = trial.last_step, 0
        if step is None:
            return False
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        value, others = trial.intermediate_values[step], None
        while step >= self._first * self._factor**rung:
            key = f"completed_rung_{rung}"  # Optuna's word for it
            if key not in trial.system_attrs:
                if math.isnan(value):
                    return True
                if others is None:
                    trials = study.get_trials(deepcopy=False)
                    others = [t.system_attrs for t in trials if t.number != trial.number]
                study._storage.set_trial_system_attr(trial._trial_id, key, value)
                known = sorted([sign * value, *(sign * o[key] for o in others if key in o)])
                if sign * value > known[math.ceil(len(known) / self._factor) - 1]:
                    return True
            rung += 1
        return False
