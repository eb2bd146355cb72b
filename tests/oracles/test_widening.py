"""Ranges that are widened while a search goes on."""

import keras_tuner
import pytest

from tuner_app import oracles
from tuner_app.config_checks import EXTENDING
from tuner_app.errors import UserError
from tuner_app.oracles.widening import widened
from tuner_app.store import SearchStore

SCORE = keras_tuner.Objective("score", "min")


def oracle(name="tpe", trials=60, **options):
    made = oracles.create(name, SCORE, trials, 0, extend_ranges=True, **options)
    made.hyperparameters.Float("x", -1.0, 1.0)
    made.hyperparameters.Float("rate", 1e-4, 1e-2, sampling="log")
    made.hyperparameters.Int("units", 4, 8)
    return made


def run(made, upto=10**6):
    """The best are beyond the ranges in x, inside in rate and units."""
    while len(made.trials) < upto:
        trial = made.create_trial("tuner0")
        if trial.status != "RUNNING":
            break
        v = trial.hyperparameters.values
        made.update_trial(trial.trial_id, {"score": abs(v["x"] - 1.5) + 1e-3 * abs(v["units"] - 6)})
        trial.status = "COMPLETED"
        made.end_trial(trial)
    return [trial.hyperparameters.values for trial in made.trials.values()]


def test_a_search_finds_what_lies_beyond_its_range():
    made = oracle()
    values = run(made)
    assert all(-1 <= v["x"] <= 1 for v in values[:20])
    assert max(v["x"] for v in values[20:]) > 1.0
    space = {hp.name: hp for hp in made.hyperparameters.space}
    assert space["x"].max_value >= 2.0 and space["x"].min_value == -1.0
    assert len(made.mirror.study.trials) == 60
    assert made.mirror.study.best_trial.params["x"] > 1.0


def test_a_resume_keeps_the_wider_range(tmp_path):
    undisturbed = run(oracle())
    with SearchStore(tmp_path) as store:
        first = oracle()
        first.attach(store)
        run(first, upto=33)
        second = oracle()
        second.attach(store)
        second.reload()
        assert run(second) == undisturbed


def test_bounds_by_nature_stay():
    hp = keras_tuner.HyperParameters()
    hp.Float("dropout", 0.0, 0.5)
    hp.Float("momentum", 0.5, 1.0)
    hp.Int("layers", 1, 3)
    hp.Int("units", 16, 64, step=16)
    hp.Int("width", 2, 8, step=2, sampling="log")
    values = {"dropout": 0.0, "momentum": 1.0, "layers": 1, "units": 64, "width": 8}
    wider, found = widened(hp, [values] * 3)
    ranges = {h.name: (h.min_value, h.max_value) for h in wider.space}
    assert ranges == {
        "dropout": (0.0, 0.5),
        "momentum": (0.5, 1.0),
        "layers": (1, 3),
        "units": (16, 96),
        "width": (2, 16),
    }
    assert [edge.name for edge in found] == ["units", "width"]
    assert widened(hp, [{**values, "dropout": 0.5}] * 3)[0].space[0].max_value == 0.75


def test_an_evolution_strategy_keeps_its_ranges():
    with pytest.raises(UserError, match="cmaes can't change its ranges"):
        oracle("cmaes")


def test_who_can_widen_ranges_is_known_without_the_samplers():
    able = {name for name, module in oracles.SAMPLERS.items() if not hasattr(module, "REPLAYED")}
    assert set(EXTENDING) == able
