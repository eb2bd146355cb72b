"""Budgets: when a search has had enough, and what becomes of its open trials."""

import keras_tuner
import pytest

from tuner_app import oracles
from tuner_app.config import SearchConfig, seconds
from tuner_app.errors import UserError
from tuner_app.oracles.budget import Budget, Spent
from tuner_app.store import SearchStore


def oracle(budget: Budget):
    made = oracles.create("random", keras_tuner.Objective("score", "min"), 50, 0, budget=budget)
    made.hyperparameters.Float("x", 0.0, 1.0)
    return made


def train(made, score: float, epochs: int = 2, store=None) -> bool:
    """One trial; False where there is none any more."""
    trial = made.create_trial("tuner0")
    if trial.status != "RUNNING":
        return False
    for epoch in range(epochs):
        report = (trial.trial_id, 0, epoch, {"score": score})
        if store is not None:
            store.report_epochs([(*report, None)])
        made.hear([report])
    made.update_trial(trial.trial_id, {"score": score})
    trial.status = "COMPLETED"
    made.end_trial(trial)
    return True


def test_a_search_ends_when_its_epochs_are_spent_resumes_included(tmp_path):
    with SearchStore(tmp_path) as store:
        first = oracle(Budget(max_epochs=7))
        first.attach(store)
        assert train(first, 0.5, store=store) and train(first, 0.5, store=store)
        second = oracle(Budget(max_epochs=7))
        second.attach(store)
        second.reload()
        assert train(second, 0.5, store=store) and train(second, 0.5, store=store)  # 8 epochs
        assert not train(second, 0.5, store=store)
        assert second.over == "all 7 epochs are spent"


def test_a_search_ends_when_nothing_better_comes():
    made = oracle(Budget(patience=3))
    scores = iter([0.5, 0.4, 0.45, 0.4, 0.3, 0.35, 0.3, 0.9, 0.1])
    ran = 0
    while train(made, next(scores)):
        ran += 1
    assert ran == 8 and made.over == "3 trials in a row brought nothing better"


def test_a_search_ends_at_its_target_in_either_direction():
    made = oracle(Budget(target=0.2))
    assert train(made, 0.3) and train(made, 0.2) and not train(made, 0.1)
    upward = Spent(Budget(target=0.9), "max")
    upward.epoch(0.89)
    upward.epoch(float("nan"))
    upward.epoch(None)
    assert upward.reason == ""
    upward.trial(0.9)
    assert upward.reason == "the target of 0.9 was reached"


def test_a_target_that_the_last_trial_reaches_is_told():
    made = oracles.create(
        "random", keras_tuner.Objective("score", "min"), 1, 0, budget=Budget(target=0.2)
    )
    assert made.reached == ""
    assert train(made, 0.2, epochs=1) and made.remaining_trials() == 0
    assert made.reached == "the target of 0.2 was reached"
    spent = oracle(Budget(max_epochs=1))
    assert train(spent, 0.2) and spent.over and spent.reached == ""  # something else is over


def test_time_counts_from_the_first_question():
    now = iter([100.0, 101.0, 109.9, 110.0])
    spent = Spent(Budget(seconds=10), "min", clock=lambda: next(now))
    assert [bool(spent.reason) for _ in range(4)] == [False, False, False, True]


def test_an_open_trial_keeps_what_it_reached():
    made = oracle(Budget(max_epochs=3))
    trial = made.create_trial("tuner0")
    for epoch in range(3):
        made.hear([(trial.trial_id, 0, epoch, {"score": 1.0})])
    assert made.over and made.create_trial("tuner0") is trial  # it is still open
    made.update_trial(trial.trial_id, {"score": 1.0})
    trial.status = "COMPLETED"
    made.end_trial(trial)
    assert made.get_best_trials(1)[0].score == 1.0
    assert made.create_trial("tuner0").status == "STOPPED"


def test_wrong_budgets():
    with pytest.raises(UserError, match="max_epochs above 0; received 0"):
        Budget(max_epochs=0)
    with pytest.raises(UserError, match="finite target; received nan"):
        Budget(target=float("nan"))
    for text in ("soon", "-3s", "0", "5d", "infh"):
        with pytest.raises(UserError, match="expected a time above 0"):
            SearchConfig(time_limit=text)
    with pytest.raises(UserError, match="target is 'high', expected a number"):
        SearchConfig(target="high")
    assert seconds("1.5h") == 5400
    assert SearchConfig(target="0.98").target_value == 0.98
