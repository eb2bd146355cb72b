"""Random search: every trial draws its values independently of the others."""

import keras_tuner
import optuna

from tuner_app.oracles.stored import StoredOracle

NAME = "random"
BLIND = True  # it proposes the same whatever the trials before had and gave


class RandomOracle(StoredOracle, keras_tuner.oracles.RandomSearchOracle):
    """KerasTuner's random search (Bergstra and Bengio, 2012), in the store.

    >>> oracle = RandomOracle(objective="val_loss", max_trials=3, seed=0)
    >>> oracle.hyperparameters.Float("rate", 0.0, 1.0)
    0.0
    >>> oracle.create_trial("tuner0").status
    'RUNNING'
    """


def sampler(seed: int, **options) -> optuna.samplers.RandomSampler:
    """Optuna's random sampler, which the command line's `random` uses."""
    return optuna.samplers.RandomSampler(seed=seed, **options)
