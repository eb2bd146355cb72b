"""Where a trial that is trained by `fit` stands, kept at ends of epochs: a search that is killed
goes on there.

The file is written as `stack_checkpoint` writes: the executions that are over, and the whole state
of the one under way, which `kept_training` takes and gives back.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tuner_app.tuners.by_fit import model_state
from tuner_app.tuners.stacked import promotion, stack_checkpoint

_BEGINNING, _END = "search.fit.", ".npz"


class FitRuns:
    """The executions of one trial by `fit`: those that are over, and the one under way.

    Args:
        tuner, trial: Whose they are.
        save_best: The `SaveBestEpoch` of all executions.

    Attributes:
        results: What the executions that are over came to.
        reported: (execution, epoch, metrics) of each epoch so far.
        state: Where the next execution goes on; None: it begins.
    """

    def __init__(self, tuner: Any, trial: Any, save_best: Any):
        self.tuner, self.trial_id, self.save_best = tuner, trial.trial_id, save_best
        self._values = trial.hyperparameters.values
        self.results: list[Any] = []
        self.reported: list[tuple[int, int, dict[str, float]]] = []
        self.state: dict[str, Any] | None = None
        self._seeds = [tuner.seed_of(trial.trial_id, i) for i in range(tuner.executions_per_trial)]
        self._best_before = save_best.best_value  # when the execution under way began
        self._whole_ends: set[int] = set()  # executions of which all was kept when they ended
        self._saved_at = time.monotonic()
        self._interrupted = self.open and tuner.was_interrupted(trial.trial_id)
        if self._interrupted:
            self.begins_again()
            self._read()
        self._begin_promoted()

    @property
    def open(self) -> bool:
        """Whether a search has the trial under way: somebody may call `run_trial` on their own."""
        return self.trial_id in self.tuner._open

    @property
    def epochs(self) -> int:
        """How many epochs its model has seen, those of the trials before it included."""
        return self.reported[-1][1] + 1 if self.reported else 0

    @property
    def end_is_whole(self) -> bool:
        """Whether a trial that goes on from it would be one training with it."""
        return self._whole_ends == set(range(len(self._seeds)))

    def note_epoch(self, execution: int, epoch: int, metrics: dict[str, float]) -> None:
        """Tells the tuner of an epoch's end, and remembers it."""
        if self.open:
            self.reported.append((execution, epoch, metrics))
            self.tuner._report_epoch(self.trial_id, execution, epoch, metrics)

    def begins_again(self, why: str = "") -> None:
        """The execution can't go on, and begins with its first epoch.

        Args:
            why: The reason; none where nothing was kept yet.
        """
        self.state = None
        self.save_best.best_value = self._best_before
        self._note("begun again" + (f": {why}" if why else ""))

    def goes_on(self, how: str = "") -> dict[str, Any]:
        """The execution goes on. Returns its state.

        Args:
            how: What is not as it was.
        """
        state, self.state = self.state, None
        if state.get("promoted"):
            return state
        self.save_best.best_value = state["best_value"]
        if state["best_file"] is not None:
            Path(self.save_best.filepath).write_bytes(state["best_file"].tobytes())
        self._tell_again(state["reported"])
        self._note(f"gone on with after epoch {state['epoch']}{how}")
        return state

    def _note(self, what: str) -> None:
        if self._interrupted:
            self.tuner._interruptions[self.trial_id] = f"interrupted, and {what}"

    # The file.

    def save_if_due(self, state: Callable[[], dict[str, Any]] | None, exact: bool = True) -> None:
        """Writes where the trial stands, if the last time was long enough ago.

        Args:
            state: Gives that of the execution under way; None: the next one has not begun.
            exact: Whether it would do the same epochs again.
        """
        if not self.open or time.monotonic() - self._saved_at < self.tuner.checkpoint_seconds:
            return
        execution, content = len(self.results), None
        if state is not None:
            best = Path(self.save_best.filepath)
            # Weights of an epoch that may never come again must not be left there.
            away = getattr(self.tuner, "apart", None) is not None
            with_best = (away or not exact) and best.exists()
            content = state() | {
                "reported": [report for report in self.reported if report[0] == execution],
                "best_value": self.save_best.best_value,
                "best_file": np.fromfile(best, "uint8") if with_best else None,
            }
        if self._interrupted:
            self.tuner.store.forgive([self.trial_id])
        found = {
            "seeds": self._seeds,
            "results": [(result.epoch, result.history) for result in self.results],
            "reported": [report for report in self.reported if report[0] < execution],
            "best_before": self._best_before,
            "state": content,
        }
        stack_checkpoint.write(self.tuner.checkpoint_dir, found, _name(self.trial_id))
        self._saved_at = time.monotonic()

    def execution_over(self, result: Any) -> None:
        """One has come to its end, and another may follow."""
        self.results.append(result)
        self._best_before = self.save_best.best_value
        if len(self.results) < len(self._seeds) and isinstance(result, keras.callbacks.History):
            self.save_if_due(None)
        self._begin_promoted()

    # Where another trial ended, and a promoted one begins.

    def write_end(self, state: Callable[[], dict[str, Any]]) -> None:
        """Keeps where the execution ended, if another trial may be promoted from there."""
        if self.open and promotion.may_go_on(self._values):
            execution = len(self.results)
            content = {"seed": self._seeds[execution], "state": state()}
            if content["state"]["exact"] and not content["state"]["drew"]:
                self._whole_ends.add(execution)
            folder = self.tuner.get_trial_dir(self.trial_id)
            stack_checkpoint.write(folder, content, promotion.end_by_fit(execution))

    def _begin_promoted(self) -> None:
        """The next execution goes on from there; where it is not known, from the weights alone."""
        execution, before = len(self.results), self._values.get("tuner/trial_id")
        if self.state is not None or before is None or execution == len(self._seeds):
            return
        folder = Path(self.tuner.project_dir) / f"trial_{before}"
        found = stack_checkpoint.read(folder, promotion.end_by_fit(execution))
        try:
            if found is None or found["seed"] != self._seeds[execution]:
                return
            _check_state(found["state"])
        except Exception:  # rubbish, as above
            return
        if found["state"]["epoch"] == self._values["tuner/initial_epoch"]:
            self.state = found["state"] | {"promoted": True, "history": ([], {})}

    # What was kept.

    def _read(self) -> None:
        name = _name(self.trial_id)
        found = stack_checkpoint.read(self.tuner.checkpoint_dir, name)
        if found is None and (Path(self.tuner.checkpoint_dir) / name).exists():
            self.begins_again("its checkpoint can't be read")
        found = found or self.tuner.fit_saved_elsewhere(name)
        try:
            if found is None or found["seeds"] != self._seeds:
                return  # none, or that of a run that failed
            _check(found)
        except Exception:  # rubbish is wrong in ways of its own
            self.begins_again("its checkpoint can't be read")
            return
        for epochs, history in found["results"]:
            result = keras.callbacks.History()
            result.epoch, result.history = epochs, history
            self.results.append(result)
        self._tell_again(found["reported"])
        self._best_before = self.save_best.best_value = found["best_before"]
        self.state = found["state"]
        if self.state is None:
            self._note(f"gone on with after execution {len(self.results)}")

    def _tell_again(self, reports: list[tuple[int, int, dict[str, float]]]) -> None:
        self.reported += reports
        self.tuner.store.report_epochs((self.trial_id, *report, None) for report in reports)


def progress(content: Mapping[str, Any]) -> int:
    """How many epochs a checkpoint holds."""
    state = content["state"]
    return len(content["reported"]) + (0 if state is None else len(state["reported"]))


def delete(tuner: Any, trial_id: str) -> None:
    """Deletes the checkpoint of a trial that is over."""
    stack_checkpoint.delete(tuner.checkpoint_dir, _name(trial_id))


def delete_all(tuner: Any) -> None:
    """Deletes what processes that died have left, at a search's end."""
    for path in Path(tuner.checkpoint_dir).glob(f"{_BEGINNING}*"):
        path.unlink(missing_ok=True)


def _name(trial_id: str) -> str:
    return f"{_BEGINNING}{trial_id}{_END}"


def _check(content: Mapping[str, Any]) -> None:
    """Raises, whatever it is, where the content is not as it is written here."""
    reports = list(content["reported"])
    float(content["best_before"])
    for epochs, history in content["results"]:
        assert len(epochs) and all(len(values) for values in history.values())
    state = content["state"]
    if state is not None:
        reports += state["reported"]
        float(state["best_value"])
        _check_state(state)
    for _, _, metrics in reports:
        assert all(isinstance(value, float) for value in metrics.values())


def _check_state(state: Mapping[str, Any]) -> None:
    assert isinstance(state["epoch"], int) and all(type(c) is dict for c in state["callbacks"])
    epochs, history = state["history"]
    assert epochs[-1] + 1 == state["epoch"] and isinstance(history, dict)
    model_state.check(state["model"])
