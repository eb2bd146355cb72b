"""At the end of a search idle lanes are dropped, and no trial's numbers change."""

import keras
import numpy as np
import pytest

from tuner_app import RandomSearch
from tuner_app.population import Population
from tuner_app.tuners.stacked.tail import Tail

X = np.linspace(-1, 1, 32, dtype="float32")[:, None]


class StopsBySeed(keras.callbacks.Callback):
    """Half of the trials end after their first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = float(self.model.optimizer.learning_rate) < 0.05


def build(hp):
    model = keras.Sequential([keras.layers.Dense(1), keras.layers.Dropout(0.1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)), "mse")
    return model


def searched(folder, name):
    tuner = RandomSearch(
        build, "val_loss", max_trials=6, seed=0, directory=folder, project_name=name, lanes=6
    )
    tuner.search(X, 2 * X, validation_data=(X, X), epochs=5, verbose=0, callbacks=[StopsBySeed()])
    assert tuner.stacked == 6
    return tuner, {trial_id: trial.score for trial_id, trial in tuner.oracle.trials.items()}


def test_a_compacted_search_has_the_same_numbers(tmp_path, monkeypatch):
    _, undisturbed = searched(tmp_path, "as it is")
    sizes, compact = [], Population.compact

    def noted(population):
        compact(population)
        sizes.append(population.stats.lanes)

    monkeypatch.setattr(Population, "compact", noted)
    monkeypatch.setattr(Tail, "pays", lambda tail, useful, lanes, stacks, left: useful < lanes)
    tuner, compacted = searched(tmp_path, "compacted")
    assert len(sizes) == 1 and 0 < sizes[0] < 6
    assert tuner.stack_stats.useful_share > 0.6
    assert compacted == pytest.approx(undisturbed, rel=1e-5)
