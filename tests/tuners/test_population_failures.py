"""A trial that fails in a stack ends alone: the others have the numbers they would have had."""

import keras
import numpy as np
import pytest

from tuner_app import oracles
from tuner_app.store import SearchReader
from tuner_app.tuners import PopulationTuner

RNG = np.random.default_rng(0)
X = RNG.standard_normal((48, 2)).astype("float32")
Y = X[:, :1] - X[:, 1:]


class Refuses(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1 and 0.05 < float(self.model.optimizer.learning_rate) < 1:
            raise RuntimeError("this rate is not liked")


def build(hp):
    rate = hp.Choice("rate", [0.01, 0.02, 0.1, 1e30, -1.0])
    if rate < 0:
        raise ValueError("no model has such a rate")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def searched(folder, project, callbacks, lanes=4):
    oracle = oracles.create("grid", "val_loss", seed=0)
    oracle.max_failed_fraction = 1.0
    tuner = PopulationTuner(
        oracle, build, directory=folder, project_name=project, lanes=lanes, executions_per_trial=2
    )
    tuner.search(
        X, Y, validation_data=(X, Y), epochs=3, batch_size=16, callbacks=callbacks, verbose=0
    )
    with SearchReader(tuner.project_dir) as reader:
        rows = {row.hyperparameters["rate"]: row for row in reader.trials()}
        histories = {rate: reader.history(row.trial_id) for rate, row in rows.items()}
    return tuner, rows, histories


def test_each_failure_ends_its_trial_alone(tmp_path):
    tuner, rows, histories = searched(tmp_path, "failing", [Refuses()])
    _, alone, same = searched(tmp_path, "alone", [], lanes=1)
    status = {rate: row.status for rate, row in rows.items()}
    assert status == {
        0.01: "COMPLETED", 0.02: "COMPLETED", 0.1: "FAILED", 1e30: "FAILED", -1.0: "FAILED"
    }  # fmt: skip
    assert "this rate is not liked" in rows[0.1].message
    assert rows[1e30].message.startswith("Diverged: loss is")
    assert "no model has such a rate" in rows[-1.0].message
    for rate in (0.01, 0.02):
        assert set(histories[rate]) == {(i, epoch) for i in range(2) for epoch in range(3)}
        assert rows[rate].score == pytest.approx(alone[rate].score, rel=1e-5)
        for at, metrics in histories[rate].items():
            assert metrics == pytest.approx(same[rate][at], rel=1e-5)
        best = [
            min(m["val_loss"] for (i, _), m in histories[rate].items() if i == e) for e in (0, 1)
        ]
        assert best[0] != best[1]  # two executions begin with different weights
        assert rows[rate].score == pytest.approx(np.mean(best), rel=1e-6)
    assert tuner.get_best_hyperparameters(5)[0].get("rate") in (0.01, 0.02)
