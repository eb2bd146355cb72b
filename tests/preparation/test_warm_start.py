"""Points to try first, and what past searches give to a new one."""

import json
import re

import keras_tuner
import pytest

from tuner_app import oracles
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.preparation import warm_start
from tuner_app.preparation.oracle_options import oracle_options
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
    here = keras_tuner.HyperParameters()
    here.Float("x", 0.0, 1.0)
    assert past.lines(here) == (f"Begins with 12 results of {tmp_path / 'past'}.",)
    narrow = keras_tuner.HyperParameters()
    narrow.Float("x", 0.5, 1.0)
    fitting = sum(values["x"] >= 0.5 for values, _ in results)
    (line,) = past.lines(narrow)
    assert line.startswith(f"Begins with {fitting} of the 12 results of {tmp_path / 'past'}: ")
    assert 0 < fitting < 12

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
    (line,) = past.lines(_space(lambda hp: hp.Float("x", 0.0, 1.0)))
    assert line == (
        f"Tries the 5 best points of {tmp_path / 'past'} first, but takes over no scores: "
        "it is a search on diabetes."
    )


def _space(*definitions):
    hp = keras_tuner.HyperParameters()
    for define in definitions:
        define(hp)
    return hp


def test_of_a_space_that_overlaps_in_part_the_rest_is_drawn():
    points = [({"x": 0.5, "units": 8, "old": 1}, 0.1), ({"x": 0.9, "units": 8, "old": 2}, 0.2)]
    past = warm_start.Past((warm_start.PastSearch("past", points, "is a search on diabetes"),))
    here = _space(
        lambda hp: hp.Float("x", 0.4, 0.6),
        lambda hp: hp.Choice("units", [8, 16]),
        lambda hp: hp.Choice("kind", ["a", "b"]),
    )
    assert past.lines(here)[0].endswith(
        " Its old can't be used in this space."
        " Drawn, where it has no value that can be used: x and kind."
    )
    made = oracles.create("random", LOSS, 2, 1, first=past.first)
    made.hyperparameters = here
    found = [made.create_trial(name).hyperparameters.values for name in "ab"]
    assert [values["units"] for values in found] == [8, 8] and found[0]["x"] == 0.5
    assert 0.4 <= found[1]["x"] <= 0.6 and all(values["kind"] in "ab" for values in found)
    known = warm_start.Past((warm_start.PastSearch("past", points),))
    assert known.lines(_space(lambda hp: hp.Choice("units", [3]))) == (
        "Begins with none of the 2 results of past: they have values that this space does not "
        "have.",
    )
    other = _space(lambda hp: hp.Float("depth", 0.0, 1.0))
    assert past.lines(other) == ("Takes nothing from past: its space has other hyperparameters.",)


def test_data_that_was_changed_is_other_data(tmp_path):
    searched(tmp_path / "past")
    with SearchStore(tmp_path / "past") as store:
        store.set_fact(warm_start.FINGERPRINT, "then")
    told = {
        now: warm_start.past([str(tmp_path / "past")], "digits", "val_loss", now)
        for now in ("then", "now")
    }
    assert len(told["then"].known) == 12 and told["now"].known == []
    assert told["now"].searches[0].other.endswith("before it was changed")


def test_a_file_named_from_here_is_the_one_that_a_past_search_names_from_the_root(
    tmp_path, monkeypatch
):
    searched(tmp_path / "past", dataset=f"csv:{tmp_path}/mine.csv?target=x")
    monkeypatch.chdir(tmp_path)
    config = SearchConfig(
        dataset="csv:mine.csv?target=x", warm_start="past", project="new", objective="val_loss"
    )
    options, past, _ = oracle_options(config, "val_loss")
    assert len(options["known"]) == 12 and options["first"] == past.first == []


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


def test_points_with_names_or_values_that_the_space_lacks_are_refused():
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b"])
    hp.Int("units", 8, 64, step=8)
    with hp.conditional_scope("kind", ["b"]):
        hp.Float("rate", 1e-4, 1e-2, sampling="log")
    fine = [{}, {"units": 8}, {"kind": "a", "rate": 7}, {"kind": "b", "rate": 1e-2}]
    warm_start.check_points(fine, hp)
    for point, words in (
        ({"unit": 8}, "Unknown hyperparameter 'unit'. Did you mean 'units'"),
        ({"kind": "c"}, "has kind='c'. Expected one of a, b."),
        ({"units": 72}, "has units=72. Expected a number from 8 to 64 in steps of 8."),
        ({"units": "8"}, "has units='8'. Expected a number"),
        ({"kind": "b", "rate": 0.1}, "has rate=0.1. Expected a number from 0.0001 to 0.01."),
    ):
        with pytest.raises(UserError, match=re.escape(words)):
            warm_start.check_points([*fine, point], hp)


def test_files_are_found_again_from_anywhere(tmp_path):
    asked = SearchConfig(enqueue="points.json", warm_start="one,two").anchored(tmp_path)
    assert asked.enqueue == str(tmp_path / "points.json")
    assert asked.past_searches == (str(tmp_path / "one"), str(tmp_path / "two"))
    assert SearchConfig().anchored(tmp_path).enqueue == ""
