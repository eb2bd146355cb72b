"""Trials trained by `fit` go on amid their training, with the numbers of an undisturbed search."""

import shutil
from types import SimpleNamespace

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from tuner_app import oracles
from tuner_app.data.batching import indexed_batches
from tuner_app.store import SearchReader
from tuner_app.trial_data import OnDataset
from tuner_app.tuners import PopulationTuner, SequentialTuner
from tuner_app.tuners.stacked import stack_checkpoint

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(20, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
ARRAYS = {"x": X, "y": Y, "batch_size": 8}


class Stops(keras.callbacks.Callback):
    """Ends the search, as Ctrl-C does, when an epoch begins, the `at`-th that it sees."""

    left = None  # of all copies, as each trial has one

    def on_epoch_begin(self, epoch, logs=None):
        if Stops.left is not None:
            Stops.left -= 1
            if Stops.left < 0:
                Stops.left = None
                raise KeyboardInterrupt


class Remembers(keras.callbacks.Callback):
    """Knows something that no file can hold."""

    def __init__(self):
        super().__init__()
        self.seen = set()


class Two(keras.Model):
    """Two networks with an optimizer each, none of which Keras knows before it trains, and a count
    that it does not know at all."""

    def __init__(self):
        super().__init__()
        self.one = keras.Sequential([keras.layers.Dense(2), keras.layers.Dropout(0.5)])
        self.other = keras.Sequential([keras.layers.Dense(1)])
        self.count = tf.Variable(0.0)
        self.second = keras.optimizers.Adam(0.01)
        self.built = True  # Keras would save no weights of it else

    def train_step(self, x):
        self.count.assign_add(1.0)
        with tf.GradientTape(persistent=True) as tape:
            made = self.other(self.one(x, training=True)) * self.count
            loss, against = tf.reduce_mean((made - 1) ** 2), tf.reduce_mean(made**2)
        for network, error, rule in (
            (self.one, loss, self.optimizer),
            (self.other, against, self.second),
        ):
            weights = network.trainable_variables
            rule.apply_gradients(zip(tape.gradient(error, weights), weights, strict=True))
        return {"loss": loss}


class Noisy(keras.Sequential):
    def train_step(self, data):
        x, y = data
        return super().train_step((x + 0.1 * tf.random.normal(tf.shape(x)), y))


class Plain(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


def two(hp):
    model = Two()
    model.compile(keras.optimizers.Adam(hp.Float("rate", 0.01, 0.1)), run_eagerly=True)
    return model


def line(hp, kind=Plain):
    model = kind([keras.layers.Dropout(0.3), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(hp.Float("rate", 0.01, 0.1)), "mse", run_eagerly=True)
    return model


def batches():
    return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(20, seed=0).batch(8)


class Streamed(keras_tuner.HyperModel):
    def build(self, hp):
        return line(hp)


def split(rows):
    def made(batch_size, shuffle_seed=None, first_epoch=0):
        def fetch(order):
            return tuple(tf.gather(array[rows], order) for array in (X, Y))

        return indexed_batches(len(X[rows]), fetch, batch_size, shuffle_seed, first_epoch)

    return SimpleNamespace(size=len(X[rows]), batches=made)


def streamed():
    parts = SimpleNamespace(train=split(slice(14)), validation=split(slice(14, 20)))
    return OnDataset(Streamed(), parts, 4, 0)


def searched(folder, name, hypermodel, given, stop=None, kind=PopulationTuner, **options):
    """Each trial's message, and its epochs' metrics; None where it was stopped."""
    Stops.left = stop
    options = {"oracle": "random", "trials": 1, "objective": "loss", "executions": 1} | options
    tuner = kind(
        oracles.create(
            options["oracle"],
            keras_tuner.Objective(options["objective"], "min"),
            options["trials"],
            0,
            **options.get("for_the_oracle", {}),
        ),
        hypermodel,
        directory=folder,
        project_name=name,
        executions_per_trial=options["executions"],
        checkpoint_seconds=0,
        **({} if kind is SequentialTuner else {"lanes": 1}),
    )
    callbacks = [Stops(), *options.get("callbacks", ())]
    try:
        tuner.search(**given() if callable(given) else given, callbacks=callbacks, verbose=0)
    except KeyboardInterrupt:
        return None
    with SearchReader(tuner.project_dir) as reader:
        rows = reader.trials()
        assert all(row.status == "COMPLETED" for row in rows)
        found = [(row.message, row.score, reader.history(row.trial_id)) for row in rows]
    assert not list((folder / name).glob("search.fit*"))
    return found


def interrupted_and_not(folder, *arguments, stop, **options):
    """The trials of a search that was interrupted, and of one that was not."""
    assert searched(folder, "a", *arguments, stop=stop, **options) is None
    assert list((folder / "a").glob("search.fit*"))
    return (
        searched(folder, "a", *arguments, **options),
        searched(folder, "b", *arguments, **options),
    )


def same(found, expected):
    assert len(found) == len(expected)
    for (_, score, history), (_, other, whole) in zip(found, expected, strict=True):
        assert score == pytest.approx(other, rel=1e-6) and list(history) == list(whole)
        for at, metrics in whole.items():
            assert history[at] == pytest.approx(metrics, rel=1e-6)


def test_models_that_keras_can_not_build_go_on_in_the_second_execution(tmp_path):
    found, expected = interrupted_and_not(
        tmp_path, two, {"x": X, "batch_size": 8, "epochs": 3}, stop=5, executions=2
    )
    same(found, expected)
    assert len(found[0][2]) == 6
    assert found[0][0].endswith("; interrupted, and gone on with after epoch 2")


def test_batches_that_follow_the_epoch_go_on(tmp_path):
    found, expected = interrupted_and_not(
        tmp_path, streamed(), {"epochs": 3}, stop=2, objective="val_loss"
    )
    same(found, expected)
    assert found[0][0].endswith("not in memory; interrupted, and gone on with after epoch 2")


def test_a_promoted_trial_goes_on(tmp_path):
    found, expected = interrupted_and_not(
        tmp_path,
        line,
        ARRAYS | {"validation_split": 0.3},
        # Two trials of two epochs; the third goes on with the better one, and has two more.
        stop=5,
        kind=SequentialTuner,
        oracle="hyperband",
        trials=3,
        objective="val_loss",
        for_the_oracle={"max_epochs": 4, "factor": 2, "hyperband_iterations": 1},
    )
    same(found, expected)
    assert [list(history) for *_, history in found][-1] == [(0, 2), (0, 3)]
    assert found[-1][0] == "interrupted, and gone on with after epoch 3"


def test_what_is_not_as_it_was_is_said(tmp_path):
    def noisy(hp):
        return line(hp, Noisy)

    def given():
        return {"x": batches(), "epochs": 3, "shuffle": False}

    assert searched(tmp_path, "a", noisy, given, stop=2) is None
    ((message, _, history),) = searched(tmp_path, "a", noisy, given)
    assert len(history) == 3
    assert message == (
        "trained by fit: Noisy has its own train_step; interrupted, and gone on with after epoch 2,"
        " its data in an order of their own, TensorFlow's own random numbers drawn anew"
    )


def test_a_callback_that_can_not_be_kept_has_the_trial_begin_again(tmp_path):
    options = {"callbacks": [Remembers()]}
    given = ARRAYS | {"epochs": 2}
    assert searched(tmp_path, "a", line, given, stop=1, **options) is None
    assert not list((tmp_path / "a").glob("search.fit*"))
    ((message, *_),) = searched(tmp_path, "a", line, given, **options)
    assert message.endswith(
        "; interrupted, and begun again: its callback Remembers keeps a set, as `seen`"
    )


def test_a_damaged_checkpoint_is_not_believed(tmp_path):
    given = ARRAYS | {"epochs": 2}
    assert searched(tmp_path, "cut", line, given, stop=1) is None
    shutil.copytree(tmp_path / "cut", tmp_path / "foreign")
    path = tmp_path / "cut" / "search.fit.0.npz"
    path.write_bytes(path.read_bytes()[:-2000])
    path = tmp_path / "foreign" / path.name
    content = stack_checkpoint.read(path.parent, path.name)
    content["state"]["model"]["python"] = (3, np.zeros(5, "uint32"), None)
    stack_checkpoint.write(path.parent, content, path.name)
    expected = searched(tmp_path, "undisturbed", line, given)
    for damage in ("cut", "foreign"):
        found = searched(tmp_path, damage, line, given)
        assert found[0][0].endswith("; interrupted, and begun again: its checkpoint can't be read")
        same(found, expected)
