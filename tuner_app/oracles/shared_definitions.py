"""Hyperparameters whose copies share their definitions, which nobody changes once they are made.

KerasTuner's make each definition anew from its configuration, for every trial: a tenth of the time
that a trial's bookkeeping takes, and most of its memory.
"""

import keras_tuner


class SharedDefinitions(keras_tuner.HyperParameters):
    """KerasTuner's, but for `copy`."""

    def copy(self):
        """Other hyperparameters with the same values, to which more can be added."""
        return with_values(self, dict(self.values))


def share(hyperparameters: keras_tuner.HyperParameters) -> None:
    """From now on copies of these share their definitions."""
    if type(hyperparameters) is keras_tuner.HyperParameters:
        hyperparameters.__class__ = SharedDefinitions


def with_values(like: keras_tuner.HyperParameters, values: dict) -> keras_tuner.HyperParameters:
    """Hyperparameters with the definitions of others, and with values of their own.

    >>> hp = keras_tuner.HyperParameters()
    >>> rate = hp.Float("rate", 0.0, 1.0)
    >>> other = with_values(hp, {"rate": 0.5})
    >>> units = other.Int("units", 1, 8)
    >>> other.values, hp.values
    ({'rate': 0.5, 'units': 1}, {'rate': 0.0})
    """
    made = keras_tuner.HyperParameters()
    made._hps.update({name: list(hps) for name, hps in like._hps.items()})
    made._space = list(like._space)
    made.values = values
    return made
