"""The tuner that stacks its trials: what it computes, what it keeps, and what it leaves to fit."""

from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

from tuner_app import oracles
from tuner_app.errors import UserError
from tuner_app.population.models import building
from tuner_app.store import SearchReader
from tuner_app.tuners import PopulationTuner, SequentialTuner

RNG = np.random.default_rng(0)
X = RNG.standard_normal((96, 4)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5, 0.0] + 0.1 * RNG.standard_normal(96)).astype("float32")[:, None]
VX, VY = X[:32], Y[:32]
TX, TY = X[32:], Y[32:]


def build(hp):
    model = keras.Sequential(
        [
            keras.layers.Input((4,)),
            keras.layers.Dense(8, "tanh"),
            keras.layers.Dropout(hp.Float("dropout", 0.05, 0.5)),
            keras.layers.Dense(1),
        ]
    )
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


def plain(hp):
    """Without random numbers, so that `fit` computes the same."""
    model = keras.Sequential([keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-2, 1e-1)), "mse", metrics=["mae"])
    return model


@pytest.fixture
def tuner(tmp_path):
    """Makes a tuner in a folder of its own, named by `project`."""

    def make(hypermodel=build, trials=3, project="a", kind=PopulationTuner, **arguments):
        return kind(
            oracles.create("random", "val_loss", max_trials=trials, seed=3),
            hypermodel,
            directory=tmp_path,
            project_name=project,
            **arguments,
        )

    return make


def histories(tuner):
    with SearchReader(tuner.project_dir) as reader:
        return {row.trial_id: reader.history(row.trial_id) for row in reader.trials()}


def assert_same(one, two, tolerance=1e-5):
    assert one.keys() == two.keys() and len(one) > 0
    for trial_id in one:
        assert one[trial_id].keys() == two[trial_id].keys()
        for at, metrics in one[trial_id].items():
            assert metrics == pytest.approx(two[trial_id][at], rel=tolerance, abs=1e-6)


def search(tuner, **arguments):
    given = {"epochs": 3, "validation_data": (VX, VY), "batch_size": 16, "verbose": 0}
    tuner.search(TX, TY, **(given | arguments))
    return tuner


def test_whole_batches_without_randomness_equal_fit(tuner):
    stacked = search(tuner(plain), batch_size=64)
    by_fit = search(tuner(plain, project="b", kind=SequentialTuner), batch_size=64)
    assert stacked.stacked == 3 and not stacked.by_fit
    assert_same(histories(stacked), histories(by_fit))
    best, same = (t.get_best_models(1)[0].predict(VX, verbose=0) for t in (stacked, by_fit))
    np.testing.assert_allclose(best, same, rtol=1e-4, atol=1e-5)


def test_numbers_depend_on_neither_neighbours_nor_lanes(tuner):
    alone = search(tuner(project="alone", trials=10, lanes=1))
    together = search(tuner(project="together", trials=10, lanes=10))
    assert_same(histories(alone), histories(together))
    assert [t.score for t in alone.oracle.get_best_trials(10)] == pytest.approx(
        [t.score for t in together.oracle.get_best_trials(10)], rel=1e-5
    )


def test_the_weights_of_the_best_trials_alone_are_kept(tuner):
    found = search(tuner(plain, trials=6, keep_best=2, lanes=3))
    folder = Path(found.project_dir)
    kept = {path.parent.name for path in folder.glob("trial_*/checkpoint.weights.h5")}
    assert kept == {f"trial_{t.trial_id}" for t in found.oracle.get_best_trials(2)}
    assert not list(folder.glob("search.lanes*"))  # nothing is open any more


def test_the_plan_says_how_and_why(tuner):
    planned = tuner(plain, trials=6)
    words = planned.explain(TX, TY, epochs=2)
    assert words.startswith("Stacked: 6 lanes without XLA (estimated: ")
    planned.oracle.hyperparameters.values.clear()  # as a resume finds them
    assert planned.explain(TX, TY, epochs=2).startswith("Stacked: 6 lanes without XLA (estimated: ")
    words = planned.explain(TX, TY, epochs=2, validation_steps=3)
    assert words == "One by one, by fit: fit is given validation_steps=3."
    assert not Path(planned.project_dir).exists()


def test_on_a_backend_without_stacks_trials_are_trained_by_fit(tuner, monkeypatch):
    planned = tuner(plain, trials=6)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    words = planned.explain(TX, TY, epochs=2)
    assert words == "One by one, by fit: the torch backend has no stacked form."


def test_of_a_resumed_search_what_is_left_is_planned(tuner):
    first = tuner(plain, trials=5)
    first._attach()
    opened = [first._open_trial(slot) for slot in range(5)]
    for trial in opened[:2]:
        first._close_trial(trial, {"val_loss": 1.0}, best_epoch=0)
    first.close()
    killed = tuner(plain, trials=5)
    assert killed.explain(TX, TY, epochs=2).startswith("Stacked: 3 lanes without XLA (estimated: ")
    for _ in range(3):
        killed._close_trial(killed._open_trial(), {"val_loss": 1.0}, best_epoch=0)
    killed.close()
    over = tuner(plain, trials=5)
    search(over)  # which builds no model to plan by
    assert over.plan.reason == "no trial is left" and over.how_stacked == ""


class Anew(keras_tuner.HyperModel):
    builds_anew = True

    def build(self, hp):
        return build(hp)


class Keeping(Anew):
    """A subclass that keeps a layer for all of its models."""

    kept = None

    def build(self, hp):
        self.kept = self.kept or keras.layers.Dense(3, "tanh", name="kept")
        model = keras.Sequential([keras.Input((4,)), self.kept, keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-2, 1e-1)), "mse")
        return model


@pytest.mark.parametrize("hypermodel, light", [(Anew, True), (Keeping, False)])
def test_models_are_looked_at_without_variables_if_their_class_says_so(
    tuner, monkeypatch, hypermodel, light
):
    looked = []

    def looked_at(light):
        looked.append(light)
        return building.looked_at(light)

    monkeypatch.setattr("tuner_app.tuners.population.looked_at", looked_at)
    found = search(tuner(hypermodel()))
    assert set(looked) == {light} and found.stacked + found.by_fit.total() == 3


def test_lanes_are_refused_that_are_none():
    with pytest.raises(UserError, match="lanes"):
        PopulationTuner(oracles.create("random", "val_loss", 1), build, lanes=0)


def test_a_schedules_learning_rate_is_reported(tuner):
    def scheduled(hp):
        model = plain(hp)
        rate = hp.Float("rate", 1e-2, 1e-1)
        schedule = keras.optimizers.schedules.CosineDecay(rate, decay_steps=12)
        model.compile(keras.optimizers.SGD(schedule), "mse")
        return model

    found = search(tuner(scheduled, trials=2), epochs=3)  # 4 steps an epoch
    for trial_id, epochs in histories(found).items():
        first = found.oracle.trials[trial_id].hyperparameters.get("rate")
        for (_, epoch), metrics in epochs.items():
            share = 4 * (epoch + 1) / 12
            expected = first * 0.5 * (1 + np.cos(np.pi * share))
            assert metrics["learning_rate"] == pytest.approx(expected, rel=1e-4, abs=1e-8)
