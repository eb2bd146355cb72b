"""A trial that is over, its values and metrics folded into text until somebody asks for them.

KerasTuner keeps every trial for ever, each with a copy of the whole search space and an object for
each metric: some ten kilobytes. Few of them are looked at again.
"""

import keras_tuner
from keras_tuner.src.engine import metrics_tracking
from keras_tuner.src.engine import trial as trial_module

from tuner_app.oracles.shared_definitions import with_values
from tuner_app.store.json_text import from_text, to_text


class FoldedTrial(trial_module.Trial):
    """KerasTuner's trial, whose hyperparameters and metrics are made when they are asked for."""

    def __getattr__(self, name):
        kept = self.__dict__.get("_folded")
        if kept is None or name not in ("hyperparameters", "metrics"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        blank, values, metrics = kept
        if name == "hyperparameters":
            self.hyperparameters = with_values(blank, from_text(values))
            return self.hyperparameters
        self.metrics = metrics_tracking.MetricsTracker.from_config(from_text(metrics))
        return self.metrics


def folded(
    trial_id: str, blank: keras_tuner.HyperParameters, values: str, metrics: str
) -> FoldedTrial:
    """A trial that is made folded, without its status, score and message.

    Args:
        blank: Hyperparameters with the trial's definitions.
        values: Of the hyperparameters, as JSON text.
        metrics: KerasTuner's `MetricsTracker` configuration, as JSON text.
    """
    made = FoldedTrial.__new__(FoldedTrial)
    made.trial_id = trial_id
    made._folded = blank, values, metrics
    return made


def fold(trial: trial_module.Trial, blank: keras_tuner.HyperParameters) -> None:
    """Folds a trial that will not change any more. It stays the object that it is.

    Args:
        blank: Hyperparameters with the definitions that the trial's have.
    """
    if type(trial) is not trial_module.Trial:
        return
    kept = to_text(trial.hyperparameters.values), to_text(trial.metrics.get_config())
    trial.__class__ = FoldedTrial
    trial._folded = blank, *kept
    del trial.hyperparameters, trial.metrics
