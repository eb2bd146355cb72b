"""Where a trial stood at its last epoch, for the one that Hyperband promotes from there: the two
are as one training.

The weights that a trial is known by are those of its best epoch. What is promoted has those of the
last one, with the optimizer's slots and step, the random numbers, and what the callbacks knew.
A trial that ended before its epochs were over has no such place: what is promoted then goes on from
its best weights, as in KerasTuner.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from tuner_app.trial_ends import FROM_BEST, FROM_WEIGHTS
from tuner_app.tuners.stacked import stack_checkpoint
from tuner_app.tuners.stacked.stacked_trial import Run, StackedTrial

_STATE, _WEIGHTS = "end.lanes.npz", "end.weights.h5"  # of a stack, and by `fit`


def may_go_on(values: Mapping[str, Any]) -> bool:
    """Whether a trial with these values is on a rung below its bracket's last."""
    return values.get("tuner/round", 0) < values.get("tuner/bracket", 0)


def note_end(run: Run, trial: Any, lane: Any) -> None:
    """Takes down where a run stands that has ended, before its callbacks hear of the end."""
    stopped = run.callbacks is not None and run.callbacks.model.stop_training
    if may_go_on(trial.hyperparameters.values) and lane.epoch >= lane.epochs and not stopped:
        callbacks = run.callbacks and run.callbacks.state(without_files=True)
        run.end_state = run.state(lane.state) | {"callbacks": callbacks}


def write(tuner: Any, stacked: StackedTrial) -> None:
    """Keeps where a trial of a stack stood when it ended."""
    states = [run.end_state for run in stacked.runs]
    if None not in states:
        folder = tuner.get_trial_dir(stacked.trial_id)
        stack_checkpoint.write(folder, {"runs": states}, _STATE)
    elif may_go_on(values := stacked.trial.hyperparameters.values):
        if all(run.epoch >= values["tuner/epochs"] for run in stacked.runs):
            tuner.ends[stacked.trial_id] = FROM_BEST


def of_fit(tuner: Any, trial: Any, last: int, whole: bool) -> None:
    """Notes from where a trial by `fit` can be gone on with.

    Args:
        last: How many epochs it has trained, those of the trials before it included.
        whole: Whether all that its training is a function of was kept at its end.
    """
    values = trial.hyperparameters.values
    if may_go_on(values) and last >= values["tuner/epochs"] and not whole:
        kept = end_weights(tuner, trial.trial_id).exists()
        tuner.ends[trial.trial_id] = FROM_WEIGHTS if kept else FROM_BEST


def beginning(tuner: Any, trial: Any) -> dict[str, Any] | None:
    """Where a promoted trial begins, as a checkpoint tells it; None where it is not known."""
    before = trial.hyperparameters.values.get("tuner/trial_id")
    found = before and stack_checkpoint.read(_folder(tuner, before), _STATE)
    if not found:
        return None
    trained = trial.hyperparameters.values["tuner/initial_epoch"]
    begun = {"logs": [], "reported": [], "done": False, "trained": trained}
    maximized = tuner.oracle.objective.direction == "max"
    return {
        "best_value": -math.inf if maximized else math.inf,
        "best_weights": None,
        "best_slots": None,
        "seconds": 0.0,
        "runs": [state | begun for state in found["runs"]],
    }


class EndWeights(keras.callbacks.Callback):
    """Keeps the weights, slots and step of a trial's last epoch, where it is trained by `fit`.

    Args:
        tuner, trial_id: The trial's.
    """

    def __init__(self, tuner: Any, trial_id: str):
        super().__init__()
        self._path = end_weights(tuner, trial_id)

    def on_epoch_end(self, epoch, logs=None):
        """Writes them, if the training has come to its end."""
        if epoch + 1 == (self.params or {}).get("epochs") and not self.model.stop_training:
            partial = self._path.with_name(f"partial.{self._path.name}")
            self.model.save_weights(partial)
            os.replace(partial, self._path)


def end_weights(tuner: Any, trial_id: str) -> Path:
    """Where they are, if they are."""
    return _folder(tuner, trial_id) / _WEIGHTS


def end_by_fit(execution: int) -> str:
    """The name of the file with the whole state in which an execution by `fit` ended."""
    return f"end.fit.{execution}.npz"


def tidy(tuner: Any, tidied: set[str]) -> None:
    """Deletes what none goes on from any more.

    Args:
        tidied: The trials that were looked after; it grows.
    """
    needed = getattr(tuner.oracle, "weights_needed", None)
    if needed is None:
        return
    for trial_id in set(tuner.oracle.end_order) - tidied - needed():
        by_fit = map(end_by_fit, range(tuner.executions_per_trial))
        for name in (_STATE, _WEIGHTS, *by_fit):
            (_folder(tuner, trial_id) / name).unlink(missing_ok=True)
        tidied.add(trial_id)


def _folder(tuner: Any, trial_id: str) -> Path:
    return Path(tuner.project_dir) / f"trial_{trial_id}"
