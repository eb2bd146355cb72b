"""Trials one by one, each by Keras's own `fit`."""

import copy
import math
import os
import time
from pathlib import Path

import keras
from keras_tuner.src import backend, utils
from keras_tuner.src.engine import tuner_utils

from tuner_app.trial_seed import trial_seed
from tuner_app.tuners.base import StoredTuner
from tuner_app.tuners.by_fit import fit_checkpoint, tensorflow_draws
from tuner_app.tuners.by_fit.fit_checkpoint import FitRuns
from tuner_app.tuners.by_fit.kept_training import KeptTraining
from tuner_app.tuners.runs.failed_run import DivergedError
from tuner_app.tuners.runs.waiting import longer
from tuner_app.tuners.stacked import promotion


class SequentialTuner(StoredTuner):
    """A `keras_tuner.Tuner` that trains one trial after another, as KerasTuner does.

    `search` takes what `model.fit` takes; early stopping is `keras.callbacks.EarlyStopping` among
    the callbacks. Every epoch's metrics and learning rate go to the store and the observers, the
    weights of the best epoch to `trial_<id>/checkpoint.weights.h5`. The same seed gives the same
    hyperparameters and, on a CPU, the same scores; a trial's numbers don't depend on the trials
    before it. A trial whose loss becomes NaN or infinite ends at that epoch and counts as failed.
    Arrays in memory are shown in the order in which a stack would (see `fit_order`), and a search
    that was killed goes on amid a trial.

    Args (besides those of `StoredTuner`):
        checkpoint_seconds: How often it is kept, at an epoch's end, where a trial stands.

    >>> import tempfile
    >>> import keras, numpy as np
    >>> def build(hp):
    ...     model = keras.Sequential([keras.layers.Dense(1)])
    ...     model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    ...     return model
    >>> from tuner_app import oracles
    >>> tuner = SequentialTuner(
    ...     oracles.create("random", "val_loss", max_trials=2, seed=0),
    ...     build, directory=tempfile.mkdtemp(), project_name="line")
    >>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
    >>> tuner.search(x, 2 * x, epochs=2, validation_data=(x, 2 * x), verbose=0)
    >>> len(tuner.oracle.trials), tuner.get_best_models()[0].count_params()
    (2, 2)
    """

    def __init__(
        self, oracle, hypermodel=None, *arguments, checkpoint_seconds: float = 60.0, **keywords
    ):
        self.checkpoint_seconds = checkpoint_seconds
        self._interruptions: dict[str, str] = {}  # of open trials: what a resume made of them
        self.ends: dict[str, str] = {}  # of trials: from where a promoted one can't go on
        super().__init__(oracle, hypermodel, *arguments, **keywords)

    def _run_trials(self, *fit_args, **fit_kwargs) -> None:
        wait = 0.0
        while not self._exhausted:
            trial = self._open_trial()
            if trial is None:
                time.sleep(wait)
                wait = longer(wait)
                continue
            wait = 0.0
            self._run_and_close(trial, *fit_args, **fit_kwargs)
        fit_checkpoint.delete_all(self)

    def _run_and_close(self, trial, *fit_args, **fit_kwargs) -> None:
        try:
            results, error = self.run_trial(trial, *fit_args, **fit_kwargs), None
        except Exception as raised:
            results, error = None, raised
        self._close_trial(trial, results, error)
        fit_checkpoint.delete(self, trial.trial_id)
        self._interruptions.pop(trial.trial_id, None)

    def run_trial(self, trial, *args, **kwargs):
        """Builds and trains a trial's model, `executions_per_trial` times, as in KerasTuner.

        Returns:
            A list of Keras `History` objects, or of what the hypermodel's `fit` returned.
        """
        kwargs = self._with_planned_epochs(trial, kwargs)
        user_callbacks = list(kwargs.pop("callbacks", None) or [])
        save_best = SaveBestEpoch(self.oracle.objective, self._get_checkpoint_fname(trial.trial_id))
        runs = FitRuns(self, trial, save_best)
        for execution in range(len(runs.results), self.executions_per_trial):
            seed = self.seed_of(trial.trial_id, execution)
            callbacks = self._deepcopy_callbacks(user_callbacks)
            self._configure_tensorboard_dir(callbacks, trial, execution)
            kept = KeptTraining(runs, seed, list(callbacks))
            callbacks += [
                tuner_utils.TunerCallback(self, trial),
                _EpochReporter(self, trial.trial_id, execution, runs),
                save_best,
            ]
            if promotion.may_go_on(trial.hyperparameters.values):
                callbacks.append(promotion.EndWeights(self, trial.trial_id))
            callbacks.append(kept)
            keras.utils.set_random_seed(seed)
            results = self._build_and_fit_model(trial, *args, callbacks=callbacks, **kwargs)
            runs.execution_over(results)
        promotion.of_fit(self, trial, runs.epochs, runs.end_is_whole)
        return runs.results

    def _build_and_fit_model(self, trial, *args, **kwargs):
        """As in KerasTuner; a training that was interrupted goes on, as its last callback knows."""
        kept = next((c for c in kwargs.get("callbacks") or () if isinstance(c, KeptTraining)), None)
        if kept is None:
            return super()._build_and_fit_model(trial, *args, **kwargs)
        hp = trial.hyperparameters
        model = self._try_build(hp)
        given, named = kept.arrange(model, args, kwargs)

        def step():
            short = {"epochs": 1, "initial_epoch": 0, "steps_per_epoch": 1, "callbacks": []}
            rest = {k: v for k, v in named.items() if not k.startswith("validation_")}
            self.hypermodel.fit(hp, model, *given, **rest | short)

        if not kept.take_up(model, step):
            keras.utils.set_random_seed(kept.seed)
            model = self._try_build(hp)
            given, named = kept.arrange(model, args, kwargs)
        with tensorflow_draws.heard(kept.note_draw):
            results = self.hypermodel.fit(hp, model, *given, **named)
        if backend.config.multi_backend():
            utils.save_json(self._get_build_config_fname(trial.trial_id), model.get_build_config())
        tuner_utils.validate_trial_results(results, self.oracle.objective, "HyperModel.fit()")
        return results

    @property
    def checkpoint_dir(self) -> str:
        """Where it is kept how far trials have come."""
        return self.project_dir

    def was_interrupted(self, trial_id: str) -> bool:
        """Whether a process ended, or died, while an open trial ran."""
        before = {attempt["outcome"] for attempt in self.store.attempts(trial_id)}
        return bool({"INTERRUPTED", "KILLED"} & before)

    def fit_saved_elsewhere(self, name: str) -> dict | None:
        """What another process left of a trial by `fit` that now runs here; None: nothing."""
        return None

    def _take_results(self, trial, results: object, best_epoch: int | None) -> None:
        super()._take_results(trial, results, best_epoch)
        # The reason why it was trained by `fit` stands last: it is counted.
        told = self.ends.get(trial.trial_id), self._how_trained(trial.trial_id)
        how = "; ".join(filter(None, told))
        if not how:
            return
        score = trial.metrics.get_best_value(self.oracle.objective.name)
        if score is not None and math.isfinite(score):
            trial.message = how

    def _how_trained(self, trial_id: str) -> str:
        return self._interruptions.get(trial_id, "")

    def seed_of(self, trial_id: str, execution: int) -> int:
        """The seed of one execution of a trial (see `trial_seed`)."""
        number, failures = self.oracle.seed_facts(trial_id)
        return trial_seed(self.seed, number, execution, failures)

    def _with_planned_epochs(self, trial, kwargs: dict) -> dict:
        """Hyperband says in the trial's values how many epochs it is to train."""
        values = trial.hyperparameters.values
        kwargs = copy.copy(kwargs)
        if "tuner/epochs" in values:
            kwargs["epochs"] = values["tuner/epochs"]
            kwargs["initial_epoch"] = values["tuner/initial_epoch"]
        return kwargs

    def _build_hypermodel(self, hp):
        model = super()._build_hypermodel(hp)
        if "tuner/trial_id" in hp.values:  # Hyperband: go on from an earlier trial's weights
            self._load_weights_of(model, hp.values["tuner/trial_id"])
        return model

    def _load_weights_of(self, model, trial_id: str) -> None:
        if not model.built:
            model.build_from_config(utils.load_json(self._get_build_config_fname(trial_id)))
        if getattr(model, "optimizer", None) is not None and not model.optimizer.built:
            # Its slots and steps are in the file too; Keras loads them where there is room.
            model.optimizer.build(model.trainable_variables)
        end = promotion.end_weights(self, trial_id)
        model.load_weights(end if end.exists() else self._get_checkpoint_fname(trial_id))


class _EpochReporter(keras.callbacks.Callback):
    """Reports every epoch, with the learning rate, and ends a run that has diverged."""

    def __init__(self, tuner: StoredTuner, trial_id: str, execution: int, runs: FitRuns):
        super().__init__()
        self._tuner, self._trial_id, self._execution = tuner, trial_id, execution
        self._runs = runs

    def on_epoch_end(self, epoch, logs=None):
        metrics = dict(logs or {})
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        if rate is not None:  # a model with a training loop of its own may have none
            metrics.setdefault("learning_rate", float(keras.ops.convert_to_numpy(rate)))
        self._runs.note_epoch(self._execution, epoch, metrics)
        loss = metrics.get("loss")
        if loss is not None and not math.isfinite(loss):
            raise DivergedError(f"loss is {loss} in epoch {epoch + 1}")
        # A fit of the user's own may tell its callbacks nothing of how many epochs there are.
        last = epoch + 1 == (self.params or {}).get("epochs")
        if not last and self._tuner._obey(self._trial_id):
            self.model.stop_training = True


class SaveBestEpoch(tuner_utils.SaveBestEpoch):
    """KerasTuner's, but whole: a process killed while it writes leaves the earlier weights."""

    def _save_model(self):
        final = Path(self.filepath)
        partial = final.with_name(f"partial.{final.name}")  # Keras minds the end of the name
        self.model.save_weights(partial)
        if partial.exists():  # a model with a way of its own to save may write elsewhere
            os.replace(partial, final)
