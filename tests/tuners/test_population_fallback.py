"""What can't stack is trained by `fit`, counted, and named in the trial's record."""

import keras
import keras_tuner
import numpy as np
import pytest

from tuner_app import oracles
from tuner_app.store import SearchReader
from tuner_app.tuners import Observer, PopulationTuner

X = np.linspace(-1, 1, 32, dtype="float32")[:, None]
Y = 2 * X


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


class OwnBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


class OwnFit(keras_tuner.HyperModel):
    def build(self, hp):
        return line(hp)

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, **kwargs)


class SetsMomentum(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.momentum = 0.5


def line(hp, kind=keras.Sequential):
    model = kind([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-2, 1e-1)), "mse")
    return model


def either(hp):
    """Every other trial has a training step of its own."""
    kind = hp.Choice("kind", ["own", "usual"])
    return line(hp, OwnStep if kind == "own" else keras.Sequential)


class Summary(Observer):
    def search_ended(self, summary):
        self.found = summary


def searched(folder, hypermodel, trials=1, oracle="random", **arguments):
    summary = Summary()
    tuner = PopulationTuner(
        oracles.create(oracle, "val_loss", max_trials=trials, seed=0),
        hypermodel,
        directory=folder,
        project_name="a",
        observers=[summary],
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=2, verbose=0, **arguments)
    with SearchReader(tuner.project_dir) as reader:
        rows = reader.trials()
        assert all(len(reader.history(row.trial_id)) == 2 for row in rows)
    assert all(row.status == "COMPLETED" for row in rows)
    return rows, summary.found


@pytest.mark.parametrize(
    ("hypermodel", "arguments", "reason"),
    [
        (lambda hp: line(hp, OwnStep), {}, "OwnStep has its own train_step"),
        (OwnFit(), {}, "OwnFit has its own fit"),
        (line, {"callbacks": [OwnBatches()]}, "OwnBatches has its own on_train_batch_end"),
        (line, {"callbacks": [SetsMomentum()]}, "a callback sets optimizer.momentum"),
        (line, {"validation_steps": 1}, "fit is given validation_steps=1"),
    ],
)
def test_it_is_trained_by_fit_and_named(tmp_path, hypermodel, arguments, reason):
    rows, summary = searched(tmp_path, hypermodel, **arguments)
    assert [row.mode for row in rows] == ["fit"]
    assert reason in rows[0].message and rows[0].message.startswith("trained by fit: ")
    assert summary["stacked"] == 0 and list(summary["by_fit"].values()) == [1]


def test_a_pruned_trial_says_so_and_why_it_was_trained_by_fit(tmp_path):
    tuner = PopulationTuner(
        oracles.create("random", "val_loss", 4, seed=0, epochs=3, pruner="asha"),
        lambda hp: line(hp, OwnStep),
        directory=tmp_path,
        project_name="a",
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=3, verbose=0)
    with SearchReader(tuner.project_dir) as reader:
        pruned = [row.message for row in reader.trials() if row.status == "PRUNED"]
    why = "trained by fit: OwnStep has its own train_step"
    assert pruned and set(pruned) == {f"Pruned after 1 epoch: asha; {why}"}


def test_one_kind_stacks_beside_one_that_does_not(tmp_path):
    rows, summary = searched(tmp_path, either, trials=4)
    modes = {row.hyperparameters["kind"]: row.mode for row in rows}
    assert modes == {"own": "fit", "usual": "stacked"}
    assert summary["stacked"] + sum(summary["by_fit"].values()) == 4
    assert summary["stack"].useful_share == 1.0


class Interrupts(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def test_a_trial_by_fit_that_was_interrupted_begins_again_and_is_named(tmp_path):
    def own_step(hp):
        return line(hp, OwnStep)

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, own_step, callbacks=[Interrupts()])
    rows, _ = searched(tmp_path, own_step)
    reason = "trained by fit: OwnStep has its own train_step"
    assert rows[0].message == f"{reason}; interrupted, and begun again"
