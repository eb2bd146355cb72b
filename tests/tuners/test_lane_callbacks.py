"""Callbacks on lanes: each does to its lane what it does in `fit`.

One step an epoch and nothing random, so that the order of the examples does not matter and a
stacked trial has the numbers of `fit`, callbacks included.
"""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest

from tuner_app import oracles
from tuner_app.store import SearchReader
from tuner_app.tuners import PopulationTuner, SequentialTuner

# Keras says so of every file of weights with an optimizer in it.
pytestmark = pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")

RNG = np.random.default_rng(1)
X = RNG.standard_normal((48, 3)).astype("float32")
Y = np.sin(X @ [1.0, -2.0, 0.5]).astype("float32")[:, None]
TX, TY, VX, VY = X[:32], Y[:32], X[32:], Y[32:]


def build(hp):
    model = keras.Sequential([keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)])
    rate = hp.Float("rate", 0.05, 0.8)
    model.compile(keras.optimizers.SGD(rate, momentum=0.5), "mse", metrics=["mae"])
    return model


def searched(folder, kind, callbacks, epochs=6, project=None, **arguments):
    tuner = kind(
        oracles.create("random", "val_loss", max_trials=2, seed=2),
        build,
        directory=folder,
        project_name=project or kind.__name__,
        **arguments,
    )
    tuner.search(
        TX,
        TY,
        batch_size=32,
        epochs=epochs,
        validation_data=(VX, VY),
        callbacks=callbacks,
        verbose=0,
    )
    return tuner


def history(tuner) -> dict:
    with SearchReader(tuner.project_dir) as reader:
        rows = reader.trials()
        assert [row.status for row in rows] == ["COMPLETED"] * 2
        return {row.trial_id: reader.history(row.trial_id) for row in rows}


def assert_equal(stacked, by_fit):
    assert stacked.stacked == 2, dict(stacked.by_fit)
    one, two = history(stacked), history(by_fit)
    for trial_id in two:
        assert one[trial_id].keys() == two[trial_id].keys()
        for at, metrics in two[trial_id].items():
            assert one[trial_id][at] == pytest.approx(metrics, rel=1e-4, abs=1e-6)
    for a, b in zip(stacked.get_best_models(2), by_fit.get_best_models(2), strict=True):
        for weight, expected in zip(a.get_weights(), b.get_weights(), strict=True):
            np.testing.assert_allclose(weight, expected, rtol=1e-3, atol=1e-5)


class Halves(keras.callbacks.Callback):
    """A user's own, by the documented interface: rate, weights, stop, all hooks of an epoch."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.seen = str(folder), []

    def on_train_begin(self, logs=None):
        self.seen.append(("begin", self.params["epochs"], self.params["steps"]))

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))
        if epoch == 2:
            self.model.optimizer.learning_rate = self.model.optimizer.learning_rate * 0.5
        if epoch == 3:
            self.model.optimizer.learning_rate.assign(0.01)

    def on_epoch_end(self, epoch, logs=None):
        assert isinstance(self.model, keras.Model)
        if epoch == 1:
            self.model.set_weights([weight * 0.9 for weight in self.model.get_weights()])
        if epoch == 2:  # through the layers of a real model
            kernel = self.model.layers[0].kernel
            kernel.assign(kernel * 1.1)
            self.seen.append(self.model.evaluate(VX, VY, verbose=0, return_dict=True)["loss"])
            self.seen.append(int(self.model.optimizer.iterations))
        if epoch == 4:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        rate = self.seen[1]
        np.save(Path(self.folder) / f"{rate:.5f}.npy", [v for v in self.seen[1:]])


def test_keras_callbacks_act_on_each_lane_as_in_fit(tmp_path):
    def callbacks(kind):
        folder = tmp_path / f"files of {kind}"
        folder.mkdir()
        return [
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=1, min_delta=0.02),
            keras.callbacks.EarlyStopping(
                "val_loss", patience=2, min_delta=0.01, restore_best_weights=True
            ),
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.CSVLogger(str(folder / "log.csv")),
            keras.callbacks.ModelCheckpoint(str(folder / "last.keras")),
        ]

    stacked = searched(tmp_path, PopulationTuner, callbacks("stack"), epochs=8)
    by_fit = searched(tmp_path, SequentialTuner, callbacks("fit"), epochs=8)
    assert_equal(stacked, by_fit)
    lengths = {len(epochs) for epochs in history(stacked).values()}
    assert lengths != {8}, "no trial was stopped early, so nothing was shown"
    for trial_id, epochs in history(stacked).items():
        folder = tmp_path / "files of stack" / trial_id / "execution0"
        with open(folder / "log.csv") as file:
            rows = list(csv.DictReader(file))
        expected = [metrics["val_loss"] for metrics in epochs.values()]
        assert [float(row["val_loss"]) for row in rows] == pytest.approx(expected)
        last = keras.models.load_model(folder / "last.keras")
        loss = last.evaluate(VX, VY, verbose=0, return_dict=True)["loss"]
        assert loss == pytest.approx(expected[-1], rel=1e-4)


def test_a_users_callback_acts_on_its_lane_as_in_fit(tmp_path):
    for kind in ("stack", "fit"):
        (tmp_path / kind).mkdir()
    schedule = keras.callbacks.LearningRateScheduler(_decayed)
    stacked = searched(tmp_path, PopulationTuner, [schedule, Halves(tmp_path / "stack")])
    by_fit = searched(tmp_path, SequentialTuner, [schedule, Halves(tmp_path / "fit")])
    assert_equal(stacked, by_fit)
    names = sorted(path.name for path in (tmp_path / "fit").iterdir())
    assert len(names) == 2
    for name in names:
        np.testing.assert_allclose(
            np.load(tmp_path / "stack" / name), np.load(tmp_path / "fit" / name), rtol=1e-4
        )


def _decayed(epoch, rate):
    return rate * 0.9
