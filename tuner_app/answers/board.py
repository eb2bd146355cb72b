"""Confirmation runs in TensorBoard, below the trial that they repeat."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from tuner_app.store import TrialRecord
from tuner_app.tracking import hparams
from tuner_app.tracking.event_file import EventFile
from tuner_app.tracking.tensorboard import FOLDER
from tuner_app.tuners.observer import Observer


class ConfirmationBoard(Observer):
    """Writes each run's curves as `confirmation/<trial>/seed_<i>/train` and `.../validation`, with
    the tags of the search's own runs, so that they overlay.

    They are no HParams sessions: the dashboard stays a row a trial of the search.

    Args:
        project: The project directory.
        names: `<trial>/seed_<i>` of each run, by its number.
    """

    def __init__(self, project: str | Path, names: Sequence[str]):
        self.folder = Path(project) / FOLDER / "confirmation"
        self.names = names
        self._files: dict[str, EventFile] = {}

    def trial_begun(self, trial: TrialRecord) -> None:
        name = self.names[int(trial.trial_id)]
        self._files = {run: file for run, file in self._files.items() if f"{name}/" not in run}

    def epoch_ended(
        self, trial_id: str, execution: int, epoch: int, metrics: Mapping[str, float]
    ) -> None:
        by_run: dict[str, list[Any]] = {}
        for metric, value in metrics.items():
            run, tag = hparams.run_and_tag(metric)
            by_run.setdefault(run, []).append(scalar_pb(tag, float(value)))
        for run, summaries in by_run.items():
            path = f"{self.names[int(trial_id)]}/{run}"
            file = self._files.setdefault(path, EventFile(self.folder / path))
            file.write(summaries, step=epoch)
