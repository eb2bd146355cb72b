"""KerasTuner's trial from the store's row."""

import keras_tuner
from keras_tuner.src.engine import metrics_tracking
from keras_tuner.src.engine import trial as trial_module

from tuner_app.oracles.folded_trial import folded
from tuner_app.oracles.shared_definitions import with_values
from tuner_app.store import TrialRow
from tuner_app.store.trial_row import ENDED


def as_trial(row: TrialRow, blank: keras_tuner.HyperParameters) -> trial_module.Trial:
    """KerasTuner's trial, its hyperparameters sharing the definitions (which nobody changes)."""
    status = "STOPPED" if row.status == "PRUNED" else row.status
    if row.status in ENDED:
        trial = folded(row.trial_id, blank, row.text("hyperparameters"), row.text("metrics"))
    else:
        trial = trial_module.Trial(with_values(blank, dict(row.hyperparameters)), row.trial_id)
        trial.metrics = metrics_tracking.MetricsTracker.from_config(row.metrics)
    trial.status, trial.message = status, row.message or None
    trial.score, trial.best_step = row.score, row.best_epoch or 0
    return trial


def stored_status(trial: trial_module.Trial) -> str:
    """The store's word for a trial's status. A trial that was ended early is STOPPED to KerasTuner,
    which has no better word; the store and all who read it say PRUNED."""
    return "PRUNED" if trial.status == trial_module.TrialStatus.STOPPED else trial.status
