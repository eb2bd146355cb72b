"""KerasTuner's tuners by ours: the same arguments, and many trials open at once."""

import inspect
import itertools
import random
import time

import keras
import keras_tuner
import numpy as np
import pytest

import tuner_app
from tuner_app.oracles import GridOracle
from tuner_app.store import SearchReader
from tuner_app.tuners import PopulationTuner, SearchFailed, SequentialTuner
from tuner_app.tuners.drop_in import Hyperband

NAMES = ("RandomSearch", "GridSearch", "BayesianOptimization", "Hyperband")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 2)).astype("float32")
Y = X[:, :1] * X[:, 1:]
DATA = {"validation_data": (X, Y), "batch_size": 40, "verbose": 0}


def build(hp):
    units = hp.Choice("units", [2, 3])
    model = keras.Sequential([keras.layers.Dense(units, "tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Choice("rate", [0.01, 0.02, 0.03])), "mse")
    return model


def sloped(hp):
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)), "mse")
    return model


@pytest.mark.parametrize("name", NAMES)
def test_the_arguments_are_kerastuners(name):
    ours = inspect.signature(getattr(tuner_app, name)).parameters
    theirs = inspect.signature(getattr(keras_tuner, name)).parameters
    assert [(p.name, p.default, p.kind) for p in ours.values()] == [
        (p.name, p.default, p.kind) for p in theirs.values()
    ]


def test_a_grid_fills_every_lane(tmp_path, capsys):
    tuner = tuner_app.GridSearch(build, "val_loss", directory=tmp_path, seed=0, lanes=6)
    most = []
    begin = tuner.on_trial_begin
    tuner.on_trial_begin = lambda trial: (begin(trial), most.append(len(tuner._open)))
    tuner.search(X, Y, epochs=1, **DATA | {"verbose": "auto"})
    told = capsys.readouterr().out.splitlines()  # a line a trial, as nothing forbids it
    assert [line.split("  ")[0].split()[-1] for line in told] == [f"({n})" for n in range(1, 7)]
    assert tuner.observers == []
    with SearchReader(tuner.project_dir) as reader:
        found = [tuple(row.hyperparameters.values()) for row in reader.trials()]
    assert sorted(found) == sorted(itertools.product([2, 3], [0.01, 0.02, 0.03]))
    assert max(most) == 6
    assert tuner.stacked == 6 and tuner.stack_stats.stacks == 2  # of 2 units, and of 3
    again = tuner_app.GridSearch(sloped, "val_loss", directory=tmp_path / "silent", max_trials=1)
    again.search(X, Y, epochs=1, **DATA)
    assert DATA["verbose"] == 0 and capsys.readouterr().out == ""


def asked_while_training(hp):
    """Neither the oracle nor the trial's values know of these before the trial has ended."""
    if hp.Boolean("deep"):
        hp.Choice("units", [1, 2, 3])
        with hp.conditional_scope("units", [2]):
            if hp.get("units") == 2:
                hp.Choice("kind", ["a", "b"])
    else:
        hp.Choice("rate", [4, 5])


@pytest.mark.parametrize("open_at_once", [1, 2, 5])
def test_a_grid_takes_hyperparameters_that_appear_while_trials_run(open_at_once):
    oracle, draw = GridOracle(objective=keras_tuner.Objective("score", "min")), random.Random(0)
    running, waiting = {}, list(range(open_at_once))
    while waiting or running:
        for slot in list(waiting):
            trial = oracle.create_trial(f"slot{slot}")
            if trial.status == "RUNNING":
                running[slot] = trial
            if trial.status != "IDLE":
                waiting.remove(slot)
        if running:
            slot = draw.choice(list(running))
            trial = running.pop(slot)
            asked_while_training(trial.hyperparameters)
            oracle.update_space(trial.hyperparameters)
            oracle.update_trial(trial.trial_id, {"score": draw.random()})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
            waiting.append(slot)
    values = [trial.hyperparameters.values for trial in oracle.trials.values()]
    shallow = [v["rate"] for v in values if not v["deep"]]
    deep = [(v["units"], v.get("kind")) for v in values if v["deep"]]
    assert sorted(shallow) == [4, 5]
    assert set(deep) == {(1, None), (2, "a"), (2, "b"), (3, None)}
    # KerasTuner does so too: `rate` was known when `deep` began, and under no condition.
    assert len(deep) == 8


def test_bayesian_optimization_does_not_repeat_a_point(tmp_path):
    tuner = tuner_app.BayesianOptimization(
        build, "val_loss", max_trials=6, num_initial_points=3, directory=tmp_path, seed=0
    )
    tuner.search(X, Y, epochs=1, **DATA)
    with SearchReader(tuner.project_dir) as reader:
        found = [tuple(row.hyperparameters.values()) for row in reader.trials()]
    assert sorted(found) == sorted(itertools.product([2, 3], [0.01, 0.02, 0.03]))


class OneByOne(Hyperband, SequentialTuner):
    _run_trials = SequentialTuner._run_trials
    _tell = SequentialTuner._tell


def test_hyperband_goes_on_from_its_parents_weights_as_by_fit(tmp_path):
    histories = []
    for kind in (Hyperband, OneByOne):
        tuner = kind(
            sloped,
            "val_loss",
            max_epochs=3,
            factor=3,
            directory=tmp_path,
            project_name=kind.__name__,
            seed=1,
            lanes=1,  # the order of the trials is then that of one by one
        )
        tuner.search(X, Y, **DATA)
        with SearchReader(tuner.project_dir) as reader:
            rows = reader.trials()
            assert {row.status for row in rows} == {"COMPLETED"}
            histories.append({row.trial_id: reader.history(row.trial_id) for row in rows})
            values = {row.trial_id: row.hyperparameters for row in rows}
    stacked, by_fit = histories
    assert stacked.keys() == by_fit.keys()
    promoted = [i for i, value in values.items() if "tuner/trial_id" in value]
    assert len(promoted) >= 1
    for trial_id in by_fit:
        assert stacked[trial_id].keys() == by_fit[trial_id].keys()
        for at, metrics in by_fit[trial_id].items():
            assert stacked[trial_id][at] == pytest.approx(metrics, rel=1e-4)
    for trial_id in promoted:
        first, last = values[trial_id]["tuner/initial_epoch"], values[trial_id]["tuner/epochs"]
        assert list(stacked[trial_id]) == [(0, epoch) for epoch in range(first, last)]


def test_a_tuner_without_a_hypermodel_needs_its_own_training(tmp_path):
    with pytest.raises(ValueError, match="hypermodel"):
        tuner_app.RandomSearch(objective="val_loss", directory=tmp_path)


class Waits(keras_tuner.oracles.RandomSearchOracle):
    """As one that waits for another process's trial: nothing to run for so many seconds."""

    seconds, asked = 1000.0, 0

    def populate_space(self, trial_id):
        self.asked += 1
        waiting = self.slept[0] < self.seconds
        return {"status": "IDLE" if waiting else "STOPPED", "values": None}


@pytest.mark.parametrize("kind", [PopulationTuner, SequentialTuner])
def test_waiting_asks_once_a_second_at_most(tmp_path, monkeypatch, kind):
    slept = [0.0]
    monkeypatch.setattr(time, "sleep", lambda s: slept.__setitem__(0, slept[0] + s))
    oracle = Waits(keras_tuner.Objective("val_loss", "min"), max_trials=3)
    oracle.slept = slept
    tuner = kind(oracle, sloped, directory=tmp_path)
    with pytest.raises(SearchFailed, match="No trial completed"):
        tuner.search(X, Y, epochs=1, **DATA)
    # A question takes well under 10 ms: waiting costs less than a hundredth of a core.
    assert 1000 <= tuner.oracle.asked <= 1030
