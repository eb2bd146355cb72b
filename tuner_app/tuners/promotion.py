"""Where a trial stood at its last epoch, for the one that Hyperband promotes from there: the two
are as one training.

The weights that a trial is known by are those of its best epoch. What is promoted has those of the
last one, with the optimizer's slots and step, the random numbers, and what the callbacks knew.
A trial that ended before its epochs were over has no such place: what is promoted then goes on from
its best weights, as in KerasTuner.
"""

import math
import os
from pathlib import Path
from typing import Any

import keras

from tuner_app.tuners import stack_checkpoint
from tuner_app.tuners.stacked_trial import Run, StackedTrial

_FILE = "end.lanes.npz"


class Ends:
    """Where trials stood at their ends, as far as others may go on from there.

    Args:
        tuner: Whose oracle says by `weights_needed` which trials may be gone on from; without that
            there are none.
    """

    def __init__(self, tuner: Any):
        self._tuner = tuner
        self._needed = getattr(tuner.oracle, "weights_needed", None)
        files = Path(tuner.project_dir).glob(f"trial_*/{_FILE}") if self._needed else ()
        self._kept = {file.parent.name.removeprefix("trial_") for file in files}

    def note(self, run: Run, lane: Any) -> None:
        """Takes down where a run stands that has ended, before its callbacks hear of the end."""
        if self._needed is None or run.key[0] not in self._needed():
            return
        stopped = run.callbacks is not None and run.callbacks.model.stop_training
        if lane.epoch >= lane.epochs and not stopped:
            callbacks = run.callbacks and run.callbacks.state(without_files=True)
            run.end_state = run.state(lane.state) | {"callbacks": callbacks}

    def write(self, stacked: StackedTrial) -> None:
        """Keeps where a trial stood that has ended."""
        states = [run.end_state for run in stacked.runs]
        if None not in states:
            folder = self._tuner.get_trial_dir(stacked.trial_id)
            stack_checkpoint.write(folder, {"runs": states}, _FILE)
            self._kept.add(stacked.trial_id)

    def tidy(self) -> None:
        """Deletes what none goes on from any more."""
        needed = self._needed() if self._kept else set()
        for trial_id in self._kept - needed:
            stack_checkpoint.delete(self._folder(trial_id), _FILE)
        self._kept &= needed

    def beginning(self, trial: Any) -> dict[str, Any] | None:
        """Where a promoted trial begins, as a checkpoint tells it; None where it is not known."""
        before = trial.hyperparameters.values.get("tuner/trial_id")
        if before not in self._kept:
            return None
        found = stack_checkpoint.read(self._folder(before), _FILE)
        if found is None:
            return None
        trained = trial.hyperparameters.values["tuner/initial_epoch"]
        begun = {"logs": [], "reported": [], "done": False, "trained": trained}
        maximized = self._tuner.oracle.objective.direction == "max"
        return {
            "best_value": -math.inf if maximized else math.inf,
            "best_weights": None,
            "best_slots": None,
            "seconds": 0.0,
            "runs": [state | begun for state in found["runs"]],
        }

    def _folder(self, trial_id: str) -> Path:
        return Path(self._tuner.project_dir) / f"trial_{trial_id}"


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
    return Path(tuner.project_dir) / f"trial_{trial_id}" / "end.weights.h5"


def tidy_weights(tuner: Any) -> None:
    """Deletes those that none goes on from any more."""
    needed = getattr(tuner.oracle, "weights_needed", None)
    if needed is None:
        return
    kept = needed()
    for trial_id in tuner.oracle.trials:
        if trial_id not in kept:
            end_weights(tuner, trial_id).unlink(missing_ok=True)
