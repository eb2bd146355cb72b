"""Bayesian optimization: a Gaussian process over the trials so far says where to look next."""

import warnings

import keras_tuner
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from tuner_app.oracles.stored import StoredOracle

NAME = "bayesian"


class BayesianOracle(StoredOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's Gaussian process with an upper confidence bound (Srinivas et al., 2010), in the
    store.

    A suggestion depends on the seed and the trials before it alone, so that a resumed search goes
    on as if it had not been interrupted.

    >>> BayesianOracle(objective="val_loss", max_trials=3, seed=0).seed
    0
    """

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.gpr = self._make_gpr()  # with the seed that counts

    def populate_space(self, trial_id):
        self._random_state = np.random.RandomState([self.seed, len(self.trials)])
        with warnings.catch_warnings():
            # The process's length scale at its bound: no cause for a searcher to act on.
            warnings.simplefilter("ignore", ConvergenceWarning)
            response = super().populate_space(trial_id)
        values = response["values"]
        if values and self._compute_values_hash(values) in self._tried_so_far:
            return self._random_populate_space()  # KerasTuner would run the same point again
        return response

    @property
    def most_open(self) -> int:
        """How many trials are worth having open: more would be drawn at random, or from guesses."""
        dimensions = len(self.hyperparameters.space)
        return self.num_initial_points or max(3 * dimensions, 3)

    def _vectorize_trials(self):
        # KerasTuner gives a trial that waits to be run again the score of the one before it.
        every = self.trials
        ongoing = {trial.trial_id for trial in self.ongoing_trials.values()}
        self.trials = {i: t for i, t in every.items() if t.status == "COMPLETED" or i in ongoing}
        try:
            return super()._vectorize_trials()
        finally:
            self.trials = every
