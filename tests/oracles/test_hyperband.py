"""Hyperband: the plan that is told is the plan that runs, failures and many lanes or not."""

from collections import Counter

import keras_tuner
import pytest

from tuner_app import oracles

SCORE = keras_tuner.Objective("score", "max")


def oracle(**options):
    options = {"max_epochs": 9, "factor": 3, "hyperband_iterations": 1} | options
    made = oracles.create("hyperband", SCORE, None, 0, **options)
    made.hyperparameters.Float("x", 0.0, 1.0)
    return made


def run(made, lanes: int = 1, fails=lambda number, values: False) -> list[dict]:
    """Keeps `lanes` trials open and ends the oldest; the values of those that completed."""
    open_trials, completed, waited = [], [], 0
    while True:
        while len(open_trials) < lanes:
            trial = made.create_trial(f"slot{len(made.trials)}")
            if trial.status != "RUNNING":
                waited += trial.status == "IDLE"
                break
            open_trials.append(trial)
        if not open_trials:
            return completed
        trial = open_trials.pop(0)
        values = trial.hyperparameters.values
        if fails(made.number_of(trial.trial_id), values):
            trial.status, trial.message = "FAILED", "Diverged: no luck"
        else:
            made.update_trial(trial.trial_id, {"score": values["x"] * values["tuner/epochs"]})
            trial.status = "COMPLETED"
            completed.append(values)
        made.end_trial(trial)


def ran(completed: list[dict]) -> dict:
    return Counter((v["tuner/bracket"], v["tuner/round"], v["tuner/epochs"]) for v in completed)


def planned(made) -> dict:
    brackets = made.plan()
    return {
        (len(brackets) - 1 - place, rung, epochs): trials
        for place, rungs in enumerate(brackets)
        for rung, (trials, epochs) in enumerate(rungs)
    }


@pytest.mark.parametrize("lanes", [1, 4, 30])
@pytest.mark.parametrize("share", [0, 5, 3])
def test_the_plan_is_run_whatever_fails_and_however_many_lanes(lanes, share):
    made = oracle()
    completed = run(made, lanes, lambda number, values: share and number % share == 1)
    assert ran(completed) == planned(made)


def test_promotions_are_the_best_of_the_rung_below():
    made = oracle()
    run(made, lanes=6)
    for trial in made.trials.values():
        values = trial.hyperparameters.values
        if values["tuner/round"]:
            below = made.trials[values["tuner/trial_id"]].hyperparameters.values
            assert values["x"] == below["x"]
            assert values["tuner/initial_epoch"] == below["tuner/epochs"]
    for bracket, rungs in enumerate(reversed(made.plan())):
        for rung in range(1, len(rungs)):
            at = [
                sorted(
                    (
                        t.hyperparameters.values["x"]
                        for t in made.trials.values()
                        if t.hyperparameters.values["tuner/bracket"] == bracket
                        and t.hyperparameters.values["tuner/round"] == r
                    ),
                    reverse=True,
                )
                for r in (rung - 1, rung)
            ]
            assert at[1] == at[0][: len(at[1])]


def test_a_promoted_trial_that_fails_is_replaced_by_the_next_best():
    made = oracle(max_epochs=3)
    failed = []

    def fails(number, values):
        if values["tuner/round"] == 1 and not failed:
            failed.append(values["x"])
            return True

    completed = run(made, fails=fails)
    assert ran(completed) == planned(made)
    first = [v["x"] for v in completed if v["tuner/bracket"] == 1 and v["tuner/round"] == 0]
    promoted = [v["x"] for v in completed if v["tuner/bracket"] == 1 and v["tuner/round"] == 1]
    assert failed == [max(first)] and promoted == sorted(first, reverse=True)[1 : 1 + len(promoted)]


def test_where_everything_fails_it_ends():
    made = oracle(max_epochs=3, max_consecutive_failed_trials=100)
    assert run(made, fails=lambda number, values: True) == []
    assert len(made.trials) == 2 * sum(rungs[0][0] for rungs in made.plan())


def test_all_lanes_are_busy_while_there_are_brackets():
    made = oracle(hyperband_iterations=None)
    trials = [made.create_trial(f"slot{slot}") for slot in range(60)]
    assert all(trial.status == "RUNNING" for trial in trials)
