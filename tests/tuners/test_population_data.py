"""Data as KerasTuner's users give it: a stacked trial sees what `fit` shows it.

The order of the data is fixed and nothing is random, so that the numbers are those of `fit`.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app import oracles
from tuner_app.population import CannotStack
from tuner_app.store import SearchReader
from tuner_app.tuners import PopulationTuner, SequentialTuner
from tuner_app.tuners.runs.fit_arguments import stackable

RNG = np.random.default_rng(4)
X = RNG.standard_normal((50, 3)).astype("float32")
LABELS = (X[:, 0] > 0.3).astype("int32")
Y = (X @ [1.0, -2.0, 0.5]).astype("float32")[:, None]
WEIGHTS = RNG.uniform(0.1, 2.0, 50).astype("float32")
FIXED = {"shuffle": False, "batch_size": 16}


def batches(*arrays, size=16):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def build(hp):
    inputs = {"a": keras.Input((2,), name="a"), "b": keras.Input((1,), name="b")}
    hidden = keras.layers.Dense(4, "tanh")(keras.layers.Concatenate()([inputs["a"], inputs["b"]]))
    model = keras.Model(inputs, {"y": keras.layers.Dense(1, name="y")(hidden)})
    model.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)), "mse", metrics=["mae"])
    return model


def classifier(hp):
    model = keras.Sequential([keras.layers.Dense(4, "tanh"), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("rate", 0.01, 0.1)
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


NESTED = {"a": X[:, :2], "b": X[:, 2:]}
CASES = {
    "nested arrays, sample weights, validation split": (
        build,
        (NESTED, {"y": Y}),
        {"sample_weight": WEIGHTS, "validation_split": 0.2} | FIXED,
    ),
    "class weights and validation arrays": (
        classifier,
        (X[:40], LABELS[:40]),
        {"class_weight": {0: 0.5, 1: 3.0}, "validation_data": (X[40:], LABELS[40:])} | FIXED,
    ),
    "tf.data": (
        classifier,
        (batches(X[:40], LABELS[:40]),),
        {"validation_data": batches(X[40:], LABELS[40:], size=7), "shuffle": False},
    ),
}


def histories(kind, folder, hypermodel, args, kwargs):
    tuner = kind(
        oracles.create("random", "val_loss", max_trials=2, seed=1),
        hypermodel,
        directory=folder,
        project_name=kind.__name__,
    )
    tuner.search(*args, epochs=2, verbose=0, **kwargs)
    with SearchReader(tuner.project_dir) as reader:
        rows = reader.trials()
        assert {row.status for row in rows} == {"COMPLETED"}
        return [row.mode for row in rows], [reader.history(row.trial_id) for row in rows]


@pytest.mark.parametrize("case", CASES)
def test_a_stacked_trial_has_the_numbers_of_fit(tmp_path, case):
    modes, stacked = histories(PopulationTuner, tmp_path, *CASES[case])
    _, by_fit = histories(SequentialTuner, tmp_path, *CASES[case])
    assert modes == ["stacked", "stacked"]
    for one, two in zip(stacked, by_fit, strict=True):
        assert one.keys() == two.keys() == {(0, 0), (0, 1)}
        for at in two:
            assert one[at] == pytest.approx(two[at], rel=2e-5, abs=1e-6)


def test_a_shuffled_set_is_known_from_one_in_order():
    order = batches(X, Y)
    shuffled = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(50).batch(16)
    assert not stackable((order,), {}).shuffle
    found = stackable((shuffled,), {})
    assert found.shuffle and found.batch_size == 16
    assert sorted(found.train[0][:, 0]) == sorted(X[:, 0])


def noisy():
    add = lambda x, y: (x + tf.random.normal(tf.shape(x)), y)  # noqa: E731
    return batches(X, Y).map(add)


@pytest.mark.parametrize(
    ("args", "kwargs", "reason"),
    [
        ((noisy(),), {}, "gives other examples in every pass"),
        ((batches(X, Y).repeat(),), {}, "has no end"),
        ((batches(X),), {}, "no .x, y. batches"),
        ((batches(X, Y).concatenate(batches(X, Y, size=5)),), {}, "batches of several sizes"),
        ((X.tolist(), Y), {}, "hold a float, not an array"),
        ((np.array(["a", "b"]), np.zeros(2)), {}, "not numbers"),
        ((X,), {}, "no targets"),
        ((X, Y), {"shuffle": "batch"}, "shuffle='batch'"),
        ((X, Y), {"validation_freq": 2}, "validation_freq=2"),
        ((X, Y), {"workers": 4}, "does not take these arguments: .*workers"),
    ],
)
def test_what_the_engine_does_not_understand_is_named(args, kwargs, reason):
    with pytest.raises(CannotStack, match=reason):
        stackable(args, kwargs)
