"""KerasTuner's four tuners, stacked: change the import, and nothing else; and a fifth.

    from tuner_app import RandomSearch  # was: from keras_tuner import RandomSearch

    tuner = RandomSearch(build, "val_accuracy", max_trials=200, directory="tuning")
    tuner.search(x, y, epochs=10, validation_split=0.2)
    model = tuner.get_best_models()[0]

The arguments are KerasTuner's, in its order; `PopulationBasedTraining` is not KerasTuner's, and has
those that all have. `**kwargs` are those of `PopulationTuner` besides: of
them, `lanes` (trials trained at once) is what one may want to set.

What `search` is given for `fit` means what it means there, but for `steps_per_epoch` with arrays or
a finite `tf.data` set: an epoch goes on with the next pass where one ends, so that all have as many
batches. Keras cuts the epoch short there, with a warning, where the passes are no multiple of it.
"""

from tuner_app.oracles import (
    BayesianOracle,
    GridOracle,
    HyperbandOracle,
    PopulationOracle,
    RandomOracle,
)
from tuner_app.oracles.trial_from_row import stored_status
from tuner_app.results.lineage import Stretch
from tuner_app.store import TrialRecord
from tuner_app.store.trial_row import ENDED
from tuner_app.tuners.population import PopulationTuner


class _Shown(PopulationTuner):
    """Shows how a search goes, as KerasTuner's tuners do, and with a word of `fit`'s."""

    def search(self, *fit_args, **fit_kwargs) -> None:
        """As in KerasTuner: `verbose=0` is silent; without it a line is printed for each trial."""
        if not fit_kwargs.get("verbose", 1):
            return super().search(*fit_args, **fit_kwargs)
        from tuner_app.cli.progress import PlainProgress  # these classes are a front door, too

        over = (trial for trial in self.oracle.trials.values() if stored_status(trial) in ENDED)
        lines = PlainProgress(
            TrialRecord(trial.trial_id, stored_status(trial), score=trial.score) for trial in over
        )
        self.observers.append(lines)
        try:
            return super().search(*fit_args, **fit_kwargs)
        finally:
            if lines in self.observers:  # an observer that failed was left out
                self.observers.remove(lines)


class RandomSearch(_Shown):
    """Random search (Bergstra and Bengio, 2012). Every trial draws its values independently.

    Args:
        hypermodel: A `keras_tuner.HyperModel`, or a function of `hp` that builds a compiled model.
        objective: A metric's name, a `keras_tuner.Objective`, or a list of them.
        max_trials: How many trials to run.
        seed: An integer from 0, which fixes hyperparameters and scores; None: a random one.
        hyperparameters: A `keras_tuner.HyperParameters` that overrides the hypermodel's.
        tune_new_entries: Whether hyperparameters that are not in `hyperparameters` are searched.
        allow_new_entries: Whether the hypermodel may ask for such.
        max_retries_per_trial: How often a trial that failed is run again.
        max_consecutive_failed_trials: So many failures at least end a search in which most fail.
        **kwargs: Those of `PopulationTuner`: directory, project_name, overwrite, lanes, ...
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=10,
        seed=None,
        hyperparameters=None,
        tune_new_entries=True,
        allow_new_entries=True,
        max_retries_per_trial=0,
        max_consecutive_failed_trials=3,
        **kwargs,
    ):
        oracle = RandomOracle(
            objective=objective,
            max_trials=max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)


class GridSearch(_Shown):
    """Every combination of values once, beginning with the defaults.

    Args (besides those of `RandomSearch`):
        max_trials: How many trials at most; None: until the space is exhausted.
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=None,
        seed=None,
        hyperparameters=None,
        tune_new_entries=True,
        allow_new_entries=True,
        max_retries_per_trial=0,
        max_consecutive_failed_trials=3,
        **kwargs,
    ):
        oracle = GridOracle(
            objective=objective,
            max_trials=max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)


class BayesianOptimization(_Shown):
    """A Gaussian process over the trials so far says where to look next (Srinivas et al., 2010).

    Args (besides those of `RandomSearch`):
        num_initial_points: Random trials to begin with; None: three times the hyperparameters.
        alpha: The variance of the noise in the scores.
        beta: Weighs exploration against exploitation.
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=10,
        num_initial_points=None,
        alpha=1e-4,
        beta=2.6,
        seed=None,
        hyperparameters=None,
        tune_new_entries=True,
        allow_new_entries=True,
        max_retries_per_trial=0,
        max_consecutive_failed_trials=3,
        **kwargs,
    ):
        oracle = BayesianOracle(
            objective=objective,
            max_trials=max_trials,
            num_initial_points=num_initial_points,
            alpha=alpha,
            beta=beta,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)


class Hyperband(_Shown):
    """Many trials for a few epochs, the best of them for more (Li et al., 2018).

    A promoted trial goes on from the weights of the one before it.

    Args (besides those of `RandomSearch`):
        max_epochs: The most epochs that a trial trains.
        factor: What epochs are multiplied, and trials divided by, from rung to rung.
        hyperband_iterations: How often the whole is run.
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_epochs=100,
        factor=3,
        hyperband_iterations=1,
        seed=None,
        hyperparameters=None,
        tune_new_entries=True,
        allow_new_entries=True,
        max_retries_per_trial=0,
        max_consecutive_failed_trials=3,
        **kwargs,
    ):
        oracle = HyperbandOracle(
            objective=objective,
            max_epochs=max_epochs,
            factor=factor,
            hyperband_iterations=hyperband_iterations,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)


class PopulationBasedTraining(_Shown):
    """A population whose members train together; those that lag behind go on from the weights of
    those ahead, with changed hyperparameters (Jaderberg et al., 2017).

    A trial is a member, and its hyperparameters are those of its best epoch; `schedule` has those
    of every epoch before. The models must be ones that can be stacked. What decides their structure
    comes with the weights and is not changed: `oracle.inherited` names it.

    Args (besides those of `RandomSearch`, without max_trials and max_retries_per_trial):
        population: How many members, at least 2.
        interval: After so many epochs, again and again, members are compared.
        factors: One of these multiplies each number of a copy.
        resample: The probability that a number is drawn anew instead.
        quantile: The share of the members that is replaced, and the share that is copied.
        patience: The search ends after so many epochs without a better best; None: never.

    >>> import tempfile
    >>> import keras, numpy as np
    >>> def build(hp):
    ...     model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    ...     model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    ...     return model
    >>> tuner = PopulationBasedTraining(
    ...     build, "val_loss", population=4, interval=1, seed=0, directory=tempfile.mkdtemp())
    >>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
    >>> tuner.search(x, 2 * x, epochs=3, validation_data=(x, 2 * x), verbose=0)
    >>> [(stretch.first, stretch.end) for stretch in tuner.schedule()][-1][1]
    3
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        population=20,
        interval=4,
        factors=(0.8, 1.2),
        resample=0.25,
        quantile=0.2,
        patience=None,
        seed=None,
        hyperparameters=None,
        tune_new_entries=True,
        allow_new_entries=True,
        max_consecutive_failed_trials=3,
        **kwargs,
    ):
        oracle = PopulationOracle(
            objective=objective,
            population=population,
            interval=interval,
            factors=factors,
            resample=resample,
            quantile=quantile,
            patience=patience,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)

    def schedule(self, rank: int = 0) -> list[Stretch]:
        """Which values trained a trial's best weights in which epochs, the first ones first.

        Args:
            rank: 0 for the best trial, 1 for the next.
        """
        trial = self.oracle.get_best_trials(rank + 1)[rank]
        return self.oracle.lineage(trial.trial_id, trial.best_step + 1)
