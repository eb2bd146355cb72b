"""One trial in a stack: its runs (one lane an execution), what they reported, the best weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras_tuner import Objective

from tuner_app.population import EpochReport, LaneState, Readout
from tuner_app.tuners.runs.failed_run import DivergedError
from tuner_app.tuners.stacked.lane_callbacks import LaneCallbacks


@dataclass
class Run:
    """One execution of a trial.

    Attributes:
        key: The name of its lane: (trial id, execution).
        seed: Seeds its weights, its data order and its dropout masks.
        first_epoch: The epoch it began with; 0 unless it goes on from another trial.
        callbacks: At work on its lane; None where there are none.
        logs: Each epoch's metrics, from `first_epoch` on.
        reported: The same, with the learning rate.
        done: Whether it has ended.
        trained: Epochs of another trial that its weights come from.
        end_state: Where it stood when it ended, for a trial that goes on from there.
    """

    key: tuple[str, int]
    seed: int
    first_epoch: int = 0
    callbacks: LaneCallbacks | None = None
    logs: list[dict[str, float]] = field(default_factory=list)
    reported: list[dict[str, float]] = field(default_factory=list)
    done: bool = False
    trained: int = 0
    end_state: dict[str, Any] | None = None
    _begun: int | None = None  # the epoch whose beginning the callbacks know of

    @property
    def epoch(self) -> int:
        """Epochs done, counted from the trial's very first."""
        return self.first_epoch + len(self.logs)

    @property
    def history(self) -> keras.callbacks.History:
        """What `fit` would have returned."""
        history = keras.callbacks.History()
        history.epoch = list(range(self.first_epoch, self.epoch))
        names = self.logs[0] if self.logs else ()
        history.history = {name: [logs.get(name) for logs in self.logs] for name in names}
        return history

    def iterations(self, steps: int) -> int:
        """The optimizer's steps so far, with `steps` an epoch."""
        return (self.trained + len(self.logs)) * steps

    def begin_epoch(self) -> None:
        """Tells the callbacks, once an epoch, and moves what they set to the lane."""
        if self.callbacks is not None and self._begun != self.epoch:
            self._begun = self.epoch
            self.callbacks.model.at(None)
            self.callbacks.epoch_begin(self.epoch)
            self.callbacks.model.flush()

    def end_epoch(self, report: EpochReport, readout: Readout) -> None:
        """Takes an epoch's metrics, tells the callbacks, and knows whether it was the last."""
        epoch, logs, last = self.epoch, report.logs, report.done
        self.logs.append(logs)
        if self.callbacks is not None:
            self.callbacks.model.at(readout)
            self.callbacks.epoch_end(epoch, logs)
            last = last or bool(self.callbacks.model.stop_training)
        rate = readout.learning_rate(self.key)
        if rate is None:
            rate = report.scheduled_rate
        self.reported.append({"learning_rate": rate} | logs)
        self.done = last

    def end(self) -> None:
        """Tells the callbacks that the training is over."""
        if self.callbacks is not None:
            self.callbacks.train_end(self.logs[-1])
            self.callbacks = None

    def state(self, lane: LaneState | None) -> dict[str, Any]:
        """Where the run stands, for `stack_checkpoint`."""
        return {
            "seed": self.seed,
            "logs": self.logs,
            "reported": self.reported,
            "done": self.done,
            "trained": self.trained,
            "lane": None if lane is None else lane.values,
            "callbacks": None if self.callbacks is None else self.callbacks.state(),
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave."""
        self.logs, self.reported, self.done = state["logs"], state["reported"], state["done"]
        self.trained = state.get("trained", 0)


class StackedTrial:
    """A trial whose runs are lanes.

    Args:
        trial: KerasTuner's trial.
        slot: The slot that it occupies.
        objective: Decides which epoch is best, of all runs.
    """

    def __init__(self, trial, slot: int, objective: Objective):
        self.trial, self.slot, self._objective = trial, slot, objective
        self.runs: list[Run] = []
        self.best_value = -math.inf if objective.direction == "max" else math.inf
        self.best_weights: list[np.ndarray] | None = None
        self.best_slots: list[np.ndarray] | None = None  # the optimizer's
        self.structure: tuple = ()  # of its best run: see `Readout.structure`
        self.seconds = 0.0
        self._done_before = 0

    @property
    def trial_id(self) -> str:
        return self.trial.trial_id

    @property
    def done(self) -> bool:
        return all(run.done for run in self.runs)

    @property
    def got_further(self) -> bool:
        """Whether a run did an epoch since the trial was opened."""
        return sum(len(run.logs) for run in self.runs) > self._done_before

    def spend(self, seconds: float, tuner) -> None:
        """Adds to what the trial costs: its share of the stack's time."""
        self.seconds += seconds
        tuner._share_seconds(self.trial_id, self.seconds)

    def keep_best(self, run: Run, readout: Readout) -> None:
        """Keeps the weights if the last epoch is the best so far, as KerasTuner's `SaveBestEpoch`
        does."""
        logs = run.logs[-1]
        if self._objective.has_value(logs):
            value = self._objective.get_value(logs)
            if not self._objective.better_than(value, self.best_value):
                return
            self.best_value = value
        model = run.callbacks.model if run.callbacks is not None else None
        if model is not None and model.pending is not None:
            self.best_weights = model.get_weights()
        else:
            self.best_weights = readout.weights(run.key)
        self.best_slots = readout.slots(run.key)

    # To the checkpoint and back.

    def state(self, lane_state: Callable[[tuple[str, int]], LaneState]) -> dict[str, Any]:
        """Where the trial stands, for `stack_checkpoint`."""
        return {
            "trial_id": self.trial_id,
            "best_value": self.best_value,
            "best_weights": self.best_weights,
            "best_slots": self.best_slots,
            "seconds": self.seconds,
            "runs": [run.state(None if run.done else lane_state(run.key)) for run in self.runs],
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Takes back the best weights; the runs are admitted with theirs by the tuner."""
        self.best_value = state["best_value"]
        self.best_weights, self.best_slots = state["best_weights"], state["best_slots"]
        self.seconds = state["seconds"]
        self._done_before = sum(len(run["logs"]) for run in state["runs"])


def refuse_diverged(logs: dict[str, float], epoch: int) -> None:
    """Raises `DivergedError` where the loss is no number."""
    loss = logs.get("loss")
    if loss is not None and not math.isfinite(loss):
        raise DivergedError(f"loss is {loss} in epoch {epoch + 1}")
