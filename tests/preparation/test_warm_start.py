"""Points to try first, and what past searches give to a new one."""

import json

import keras_tuner
import pytest

from tuner_app import oracles
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.preparation import warm_start
from tuner_app.store import SearchStore

LOSS = keras_tuner.Objective("val_loss", "min")


def searched(folder, dataset="digits", trials=12):
    """A finished search over x, best near 0.3."""
    made = oracles.create("random", LOSS, trials, 0)
    made.hyperparameters.Float("x", 0.0, 1.0)
    with SearchStore(folder) as store:
        store.set_fact("objective", {"name": "val_loss", "direction": "min"})
        store.set_fact("config", {"dataset": dataset})
        made.attach(store)
        while (trial := made.create_trial("tuner0")).status == "RUNNING":
            score = (trial.hyperparameters.values["x"] - 0.3) ** 2
            made.update_trial(trial.trial_id, {"val_loss": score})
            trial.status = "COMPLETED"
            made.end_trial(trial)
    return [(t.hyperparameters.values, t.score) for t in made.trials.values()]


def test_results_on_the_same_data_are_known_and_kept(tmp_path):
    results = searched(tmp_path / "past")
    past = warm_start.past([str(tmp_path / "past")], "digits", "val_loss")
    assert past.known == results and past.first == []
    assert past.lines == (f"Begins with 12 results of {tmp_path / 'past'}.",)

    def new(known=()):
        made = oracles.create("tpe", LOSS, 5, 1, known=known)
        made.hyperparameters.Float("x", 0.0, 1.0)
        return made

    with SearchStore(tmp_path / "new") as store:
        first = new(past.known)
        first.attach(store)
        proposed = first.create_trial("a").hyperparameters.values
        assert [t.value for t in first.mirror.study.trials[:12]] == [score for _, score in results]
        assert proposed != new().create_trial("a").hyperparameters.values  # it models at once
        second = new()  # a resume need not be told again
        second.attach(store)
        second.reload()
        assert second.create_trial("a").hyperparameters.values == proposed
        assert (
            second.create_trial("b").hyperparameters.values
            == first.create_trial("b").hyperparameters.values
        )


def test_a_known_point_that_the_space_does_not_have_tells_nothing():
    known = [({"x": place / 20}, place) for place in range(20)]  # best at 0, which is out of range
    made = oracles.create("auto", LOSS, 5, 1, known=known)
    made.hyperparameters.Float("x", 0.4, 1.0)
    values = made.create_trial("a").hyperparameters.values
    assert [t.value for t in made.mirror.study.trials[:-1]] == list(range(8, 20))
    assert values["x"] < 0.45


def test_the_best_points_on_other_data_are_tried_first(tmp_path):
    results = searched(tmp_path / "past", dataset="diabetes")
    past = warm_start.past([str(tmp_path / "past")], "digits", "val_loss")
    best = sorted(results, key=lambda result: result[1])[:5]
    assert past.known == [] and past.first == [values for values, _ in best]


def test_a_search_without_results_is_refused(tmp_path):
    with SearchStore(tmp_path / "empty") as store:
        store.set_fact("objective", {"name": "val_loss", "direction": "min"})
    with pytest.raises(UserError, match="no completed trial to begin with"):
        warm_start.past([str(tmp_path / "empty")], "digits", "val_loss")


def test_points_are_a_list_of_objects(tmp_path):
    file = tmp_path / "points.json"
    with pytest.raises(UserError, match="Can't read the points"):
        warm_start.points(file)
    for wrong, words in (("{", "is not JSON"), ("3", "holds int"), ("[3]", "holds list")):
        file.write_text(wrong)
        with pytest.raises(UserError, match=words + ".*Expected a list of objects"):
            warm_start.points(file)
    file.write_text(json.dumps([{"x": 0.5}, {}]))
    assert warm_start.points(file) == [{"x": 0.5}, {}]
    file.write_text(json.dumps({"x": 0.5}))
    assert warm_start.points(file) == [{"x": 0.5}]
    with pytest.raises(UserError, match="Unknown hyperparameter 'unit'. Did you mean 'units'"):
        warm_start.check_names([{"unit": 3}], {"units": [], "x": []})


def test_files_are_found_again_from_anywhere(tmp_path):
    asked = SearchConfig(enqueue="points.json", warm_start="one,two").anchored(tmp_path)
    assert asked.enqueue == str(tmp_path / "points.json")
    assert asked.past_searches == (str(tmp_path / "one"), str(tmp_path / "two"))
    assert SearchConfig().anchored(tmp_path).enqueue == ""
