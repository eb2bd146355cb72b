"""Hyperband: the plan that is told is the plan that runs, failures and many lanes or not."""

import itertools
from collections import Counter

import keras_tuner
import pytest

from tuner_app import oracles
from tuner_app.store import SearchStore

SCORE = keras_tuner.Objective("score", "max")


def oracle(**options):
    options = {"max_epochs": 9, "factor": 3, "hyperband_iterations": 1} | options
    made = oracles.create("hyperband", SCORE, options.pop("max_trials", None), 0, **options)
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


@pytest.mark.parametrize("lanes", [1, 4, 30])
@pytest.mark.parametrize("trials", [1, 3, 12, 20, 23, 50])
def test_so_many_trials_are_brackets_that_come_to_their_end(trials, lanes):
    made = oracle(max_trials=trials, hyperband_iterations=None)
    plan = made.plan()
    assert sum(size for rungs in plan for size, _ in rungs) == trials
    for rungs in plan:
        assert rungs[-1] == (rungs[-1][0], 9) and rungs[-1][0] >= 1
        assert all(2 * above <= below for (below, _), (above, _) in itertools.pairwise(rungs))
    completed = run(made, lanes)
    assert len(completed) == len(made.trials) == trials
    wanted = Counter()
    for rungs in plan:
        for rung, (size, epochs) in enumerate(rungs):
            wanted[len(rungs) - 1, rung, epochs] += size
    assert ran(completed) == wanted


@pytest.mark.parametrize("lanes", [1, 4, 30])
def test_failures_take_from_the_lowest_rungs_of_so_many_trials(lanes):
    made = oracle(max_trials=20, hyperband_iterations=None)
    completed = run(made, lanes, lambda n, values: n % 4 == 1 and values["tuner/round"] == 0)
    assert len(made.trials) == 20 > len(completed)
    found = Counter((v["tuner/bracket"], v["tuner/round"]) for v in completed)
    for bracket, _ in found:
        assert found[bracket, bracket] >= 1 and found[bracket, 0] >= 1


def test_a_space_that_is_used_up_ends_no_bracket_before_its_promotions():
    made = oracles.create("hyperband", SCORE, None, 0, max_epochs=9, hyperband_iterations=1)
    made.hyperparameters.Choice("x", [1, 2, 3, 4, 5])
    completed = run(made, 2)
    assert ran(completed)[2, 0, 1] == 5 and max(v["tuner/epochs"] for v in completed) == 9
    assert {v["x"] for v in completed if v["tuner/epochs"] == 9} == {5}


def test_the_plan_goes_on_in_another_process(tmp_path):
    def made():
        return oracle(max_trials=20, hyperband_iterations=None)

    whole = made()
    run(whole)
    with SearchStore(tmp_path) as store:
        first = made()
        first.attach(store)
        for _ in range(9):  # into the second rung
            trial = first.create_trial("one")
            values = trial.hyperparameters.values
            first.update_trial(trial.trial_id, {"score": values["x"] * values["tuner/epochs"]})
            trial.status = "COMPLETED"
            first.end_trial(trial)
        second = made()
        second.attach(store)
        second.reload()
        run(second)
        assert [dict(second.trials[i].hyperparameters.values) for i in second.start_order] == [
            dict(whole.trials[i].hyperparameters.values) for i in whole.start_order
        ]
        seeds = [second.seed_facts(i) for i in second.start_order]
        assert seeds == [whole.seed_facts(i) for i in whole.start_order]
        assert seeds == [store.trial(i).line for i in second.start_order]


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
