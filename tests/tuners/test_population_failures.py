"""A trial that fails in a stack ends alone: the others have the numbers they would have had."""

import weakref

import keras
import numpy as np
import pytest

from tuner_app import oracles
from tuner_app.population import Population
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


def test_out_of_memory_halves_the_lanes_and_goes_on_from_the_checkpoint(tmp_path, monkeypatch):
    run_epoch, epochs, compiled, full = Population.run_epoch, [], [], []

    def limited(population, progress=None):
        assert not any(arrays() for arrays in full)  # they would fill the memory, still
        reports = run_epoch(population, progress)
        epochs.append(population.lanes)
        compiled.append(population.jit_compile)
        if population.lanes > 2 and len(epochs) > 2:
            full.extend(weakref.ref(stack.arrays) for stack in population.in_use)
            raise MemoryError("the lanes take too much")
        return reports

    monkeypatch.setattr(Population, "run_epoch", limited)
    tuner = line_tuner(tmp_path / "small", lanes="auto", checkpoint_seconds=0)
    tuner.search(X, Y, validation_data=(X, Y), epochs=4, batch_size=16, verbose=0)
    assert epochs[:3] == [4, 4, 4] and set(epochs[3:]) == {2} and full
    assert set(compiled) == {False}  # a search as short as this does without XLA, to its end
    assert len(epochs) == 3 + 4  # of 4 trials at epoch 2, two and two go on
    monkeypatch.undo()
    undisturbed = line_tuner(tmp_path / "large", lanes=4)
    undisturbed.search(X, Y, validation_data=(X, Y), epochs=4, batch_size=16, verbose=0)
    assert len(tuner.oracle.trials) == 4
    for i, trial in undisturbed.oracle.trials.items():
        assert tuner.oracle.trials[i].score == pytest.approx(trial.score, rel=1e-5)


def test_a_stack_that_fails_leaves_its_trials_to_fit(tmp_path, monkeypatch):
    def broken(population, progress=None):
        raise RuntimeError("the program is broken")

    monkeypatch.setattr(Population, "run_epoch", broken)
    tuner = line_tuner(tmp_path, lanes=4)
    tuner.search(X, Y, validation_data=(X, Y), epochs=1, batch_size=16, verbose=0)
    assert dict(tuner.by_fit) == {"the stack failed: RuntimeError: the program is broken": 4}
    assert {trial.status for trial in tuner.oracle.trials.values()} == {"COMPLETED"}


def test_trials_under_suspicion_are_few_at_a_time_until_they_get_further(tmp_path):
    tuner = line_tuner(tmp_path, lanes=4, checkpoint_seconds=0)
    opened = [tuner._attach() or tuner._open_trial(slot) for slot in range(4)]
    assert len(opened) == 4
    tuner.store.close()  # as the death of the process leaves it: four attempts open
    resumed = line_tuner(tmp_path, lanes=4, checkpoint_seconds=0)
    at_once = []
    begin = resumed.on_trial_begin
    resumed.on_trial_begin = lambda trial: (begin(trial), at_once.append(len(resumed._open)))
    resumed.search(X, Y, validation_data=(X, Y), epochs=3, batch_size=16, verbose=0)
    assert at_once[:2] == [1, 2] and 4 in at_once  # two beside each other, then all
    with SearchReader(resumed.project_dir) as reader:
        assert [(row.status, row.blame) for row in reader.trials()] == [("COMPLETED", 0.0)] * 4


class Death(BaseException):
    """What the death of the process looks like from inside."""


def test_a_trial_that_kills_the_process_is_found_among_others_and_given_up(tmp_path, monkeypatch):
    def build(hp):
        rate = hp.Choice("rate", [0.01, 0.02, 0.03, 0.04, 0.05])
        if rate == 0.03:
            raise Death
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        return model

    deaths = 0
    while deaths <= 6:
        oracle = oracles.create("grid", "val_loss", seed=0)
        tuner = PopulationTuner(oracle, build, directory=tmp_path, lanes=5, max_deaths=2)
        try:
            with monkeypatch.context() as dead_do_nothing:
                dead_do_nothing.setattr(tuner, "_put_back", lambda: None)
                tuner.search(X, Y, validation_data=(X, Y), epochs=1, batch_size=16, verbose=0)
            break
        except Death:
            deaths += 1
    with SearchReader(tuner.project_dir) as reader:
        rows = {row.hyperparameters["rate"]: row for row in reader.trials()}
    assert {rate for rate, row in rows.items() if row.status == "COMPLETED"} == {
        0.01, 0.02, 0.04, 0.05
    }  # fmt: skip
    assert (rows[0.03].status, rows[0.03].message) == (
        "FAILED",
        "The process died 2 times while this trial ran",
    )
    assert deaths <= 6


def line_tuner(folder, **arguments):
    def line(hp):
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)), "mse")
        return model

    oracle = oracles.create("random", "val_loss", max_trials=4, seed=0)
    return PopulationTuner(oracle, line, directory=folder, project_name="line", **arguments)
