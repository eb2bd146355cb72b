"""The hyperparameters of the first trials: KerasTuner's random search draws them, all get them."""

from benchmarks.stacked_trials.works import SEED, Work


def draws(work: Work, count: int) -> list[dict]:
    """What KerasTuner's random search draws first with the benchmark's seed."""
    import keras_tuner

    space = keras_tuner.HyperParameters()
    work.build(space)
    oracle = keras_tuner.oracles.RandomSearchOracle(
        "val_accuracy", max_trials=count, seed=SEED, hyperparameters=space
    )
    return [oracle.populate_space(str(i))["values"] for i in range(count)]


class Drawn:
    """`hp` with values that somebody else drew: `suggest(name, kind, ...)` gives them."""

    def __init__(self, values: dict):
        self.values = values

    def Float(self, name, *bounds, sampling="linear"):
        return self.values[name]

    def Choice(self, name, values):
        return self.values[name]


class Suggested:
    """`hp` whose values Optuna's trial suggests."""

    def __init__(self, trial):
        self.trial = trial

    def Float(self, name, low, high, sampling="linear"):
        return self.trial.suggest_float(name, low, high, log=sampling == "log")

    def Choice(self, name, values):
        return self.trial.suggest_categorical(name, values)
