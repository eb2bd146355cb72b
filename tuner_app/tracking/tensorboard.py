"""Shows a search in TensorBoard while it runs: every epoch's curves and the HParams dashboard.

No TensorFlow is needed, so it works the same on every Keras backend.
"""

import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from tuner_app.store.records import TrialRecord
from tuner_app.tracking import hparams
from tuner_app.tracking.event_file import EventFile
from tuner_app.tuners.observer import Observer

FOLDER = "tensorboard"


class TensorBoard(Observer):
    """An observer that writes event files under `<project>/tensorboard/`.

    Runs are named as Keras's own callback names them: `<trial>/train` and `<trial>/validation`,
    scalars `epoch_loss`, `epoch_accuracy`, ..., and `epoch_learning_rate` (of further executions:
    `<trial>/execution_1/train`). The run `<trial>` is its HParams session and has its score. A
    trial that is run again, or goes on after a resume, replaces what it wrote from there on. Where
    values changed on the way (population-based training), the session has those of the score.

    Args:
        project: The project directory.
        space: Returns the search space so far: `HyperParameters.get_config()["space"]`.

    >>> import tempfile
    >>> project = tempfile.mkdtemp()
    >>> board = TensorBoard(project, space=list)
    >>> board.search_begun(1, "val_loss", "min")
    >>> board.trial_begun(TrialRecord("0", "RUNNING"))
    >>> board.epoch_ended("0", 0, 0, {"loss": 1.0, "val_loss": 1.5})
    >>> board.trial_ended(TrialRecord("0", "COMPLETED", score=1.5, best_epoch=0))
    >>> sorted(str(run.relative_to(project)) for run in Path(project).rglob("*") if run.is_dir())
    ['tensorboard', 'tensorboard/0', 'tensorboard/0/train', 'tensorboard/0/validation']
    """

    def __init__(self, project: str | Path, space: Callable[[], list[dict]]):
        self.folder = Path(project) / FOLDER
        self.space = space
        self._files: dict[str, EventFile] = {}
        self._values: dict[str, Mapping[str, Any]] = {}  # of the trials begun here
        self._described: tuple | None = None
        self._score = "score"

    def search_begun(self, max_trials: int | None, objective: str, direction: str) -> None:
        self._score = f"best_{objective}"

    def trial_begun(self, trial: TrialRecord) -> None:
        self._forget(trial.trial_id)
        self._values[trial.trial_id] = trial.hyperparameters
        session = hparams.session(trial.trial_id, trial.hyperparameters)
        self._file(trial.trial_id).write([session], step=0)

    def epoch_ended(
        self, trial_id: str, execution: int, epoch: int, metrics: Mapping[str, float]
    ) -> None:
        if epoch == 0 or self._described is None:  # building a model is what makes the space grow
            self._describe(metrics)
        by_run: dict[str, list] = {}
        for metric, value in metrics.items():
            run, tag = hparams.run_and_tag(metric)
            by_run.setdefault(run, []).append(scalar(tag, float(value)))
        folder = f"{trial_id}/execution_{execution}" if execution else trial_id
        for run, summaries in by_run.items():
            self._file(f"{folder}/{run}").write(summaries, step=epoch)

    def trial_ended(self, trial: TrialRecord) -> None:
        # Given up without another run in this process, or its values changed on the way.
        begun, now = self._values.get(trial.trial_id), trial.hyperparameters
        if begun is None or (now and now != begun):
            self.trial_begun(trial)
        summaries = [hparams.session_end(trial.status == "COMPLETED", time.time())]
        if trial.score is not None:
            summaries.append(scalar(self._score, trial.score))
        self._file(trial.trial_id).write(summaries, step=trial.best_epoch or 0)
        self._forget(trial.trial_id)

    def search_ended(self, summary: Mapping[str, Any]) -> None:
        self._describe(())

    def _forget(self, trial_id: str) -> None:
        """What is written about a trial from now on is another run of it, in new files."""
        self._values.pop(trial_id, None)
        for name in [name for name in self._files if name.split("/")[0] == trial_id]:
            del self._files[name]

    def _file(self, run: str) -> EventFile:
        return self._files.setdefault(run, EventFile(self.folder / run))

    def _describe(self, metrics: Mapping[str, float] | tuple) -> None:
        """Describes the experiment once its metrics are known, and again if the space has grown.

        TensorBoard believes the first description that it finds, so there is always one only.
        """
        space = self.space()
        names = (tuple(hparams.by_name(space)), tuple(metrics))
        if self._described is not None and names[0] == self._described[0]:
            return
        if not metrics and self._described is not None:
            names = (names[0], self._described[1])
        description = hparams.experiment(space, names[1], self._score)
        EventFile(self.folder).write([description], step=0)
        self._described = names


def scalar(tag: str, value: float):
    """What `scalar_pb` gives, in a sixth of its time: a search tells a thousand of them a second.

    >>> scalar("epoch_loss", 0.1) == scalar_pb("epoch_loss", 0.1)
    True
    """
    made = type(_blank(tag))()
    made.CopyFrom(_blank(tag))
    made.value[0].tensor.float_val[0] = value
    return made


@functools.cache
def _blank(tag: str):
    return scalar_pb(tag, 0.0)
