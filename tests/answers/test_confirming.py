"""What a confirmation concludes from its runs, and what the store keeps of it. Nothing trains."""

import math
import sqlite3

import numpy as np
import pytest

from tuner_app.answers import confirming
from tuner_app.answers.confirming import summary
from tuner_app.answers.runs import Ran
from tuner_app.answers.seeds import run_seeds
from tuner_app.answers.telling import confirmation_text
from tuner_app.cli.main import main
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.results.report.telling import optimism_sentence
from tuner_app.results.winner import winner
from tuner_app.store import SearchReader, SearchStore, TrialRow, answers, schema


def ran(name, scores):
    return [
        Ran(name, seed, None if math.isnan(s) else s, 1, 2, 0.5, {}, "Diverged" * math.isnan(s))
        for seed, s in enumerate(scores)
    ]


def concluded(scores, searched, direction="max"):
    """The summary of runs with these scores, of trials with these scores in the search."""
    trials = [
        TrialRow(name, i, "COMPLETED", 1, {}, score)
        for i, (name, score) in enumerate(searched.items())
    ]
    objective = {"name": "val_accuracy", "direction": direction}
    seeds = range(len(next(iter(scores.values()))))
    plan = confirming.Plan(None, SearchConfig(), objective, trials, list(seeds))
    return summary(plan, [one for name in searched for one in ran(name, scores[name])])


NOISE = np.array([-0.004, 0.003, 0.001, -0.002, 0.002])


def test_the_best_mean_wins_and_the_search_was_optimistic():
    scores = {"a": 0.90 + NOISE, "b": 0.95 + NOISE[::-1], "c": 0.80 + NOISE}
    found = concluded(scores, {"a": 0.97, "b": 0.96, "c": 0.955})
    assert [row["trial_id"] for row in found["configurations"]] == ["b", "a", "c"]
    assert (found["winner"], found["indistinguishable"]) == ("b", [])
    assert "is better than the other 2" in found["verdict"]
    assert found["optimism"]["by"] == pytest.approx(0.07)
    assert "optimistic by 0.0700" in optimism_sentence(found)
    assert found["verdict"] in confirmation_text(found)


def test_configurations_alike_are_indistinguishable():
    scores = {"a": 0.90 + NOISE, "b": 0.90 + NOISE[::-1] + 1e-4, "c": 0.5 + NOISE}
    found = concluded(scores, {"a": 0.9, "b": 0.9, "c": 0.9})
    assert found["winner"] == "b" and found["indistinguishable"] == ["a"]
    assert "can't be told from a, and is better than the rest" in found["verdict"]
    assert "may be chance" in optimism_sentence(found)
    alone = concluded({"a": 0.9 + NOISE, "b": 0.9 + NOISE[::-1]}, {"a": 0.9, "b": 0.9})
    assert "indistinguishable" in alone["verdict"]


def test_less_is_better_where_it_is():
    found = concluded({"a": 1 + NOISE, "b": 0.5 + NOISE[::-1]}, {"a": 0.4, "b": 0.45}, "min")
    assert found["winner"] == "b"
    assert found["optimism"]["by"] == pytest.approx(0.6)


def test_a_failed_run_counts_against_its_configuration():
    scores = {"a": np.array([0.99, math.nan, 0.99]), "b": np.array([0.8, 0.81, 0.79])}
    found = concluded(scores, {"a": 0.99, "b": 0.9})
    first, second = found["configurations"]
    assert (first["trial_id"], second["failed"], second["messages"]) == ("b", 1, ["Diverged"])
    assert "1 of 3 failed" in confirmation_text(found)
    nothing = concluded({"a": [math.nan, math.nan]}, {"a": 0.9})
    assert nothing["winner"] is None and "nothing is confirmed" in nothing["verdict"]


def test_equal_scores_are_said_to_hide_the_spread():
    found = concluded({"a": [0.9, 0.9, 0.9], "b": 0.8 + NOISE[:3]}, {"a": 0.9, "b": 0.9})
    assert "too few to show the spread" in found["method"]


def test_seeds_are_the_same_whatever_their_number():
    assert run_seeds("confirm", 3, 5)[:2] == run_seeds("confirm", 3, 2)
    assert len(set(run_seeds("confirm", 0, 100) + run_seeds("compare", 0, 100))) == 200


@pytest.fixture
def project(tmp_path):
    with SearchStore(tmp_path / "p") as store:
        store.set_fact("objective", {"name": "val_accuracy", "direction": "max"})
        store.set_fact("config", {"dataset": "digits", "space": "linear"})
        space = store.space_number([])
        for i, score in enumerate((0.5, 0.9, 0.7)):
            store.save_trial(TrialRow(str(i), i, "COMPLETED", space, {"i": i}, score, 0, ended=i))
    return tmp_path / "p"


def test_the_plan_takes_the_best(project):
    plan = confirming.plan(project, top=2, seeds=3)
    assert [row.trial_id for row in plan.trials] == ["1", "2"] and len(plan.seeds) == 3
    for wrong in ({"top": 0}, {"seeds": 1}, {"top": 200, "seeds": 200}):
        with pytest.raises(UserError):
            confirming.plan(project, **wrong)


def test_bad_input_is_one_line(project, capsys):
    for words, named in (
        (["nowhere"], "nowhere"),
        ([str(project), "--seeds=1"], "seeds is 1"),
        ([str(project), "--top=none"], "top"),
    ):
        assert main(["confirm", *words]) == 2
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1 and named in printed


def test_what_was_found_is_kept_and_names_the_winner(project):
    with SearchReader(project) as reader:
        assert winner(reader)[0].trial_id == "1" and answers.confirmations(reader) == []
    with SearchStore(project) as store:
        answers.add_confirmation(store, {"winner": "2", "verdict": "so"})
        answers.add_opening(store, "2", "digits", {"accuracy": 0.5})
    with SearchReader(project) as reader:
        row, confirmed = winner(reader)
        assert row.trial_id == "2" and confirmed["verdict"] == "so" and confirmed["made"] > 1e9
        assert answers.openings(reader)[0]["metrics"] == {"accuracy": 0.5}


def test_neither_is_lost_with_the_database(project):
    with SearchStore(project) as store:
        answers.add_confirmation(store, {"winner": "2"})
        answers.add_opening(store, "2", "digits", {"accuracy": 0.5})
    for path in project.glob("search.db*"):
        path.unlink()
    with SearchReader(project) as reader:
        assert answers.confirmations(reader)[0]["winner"] == "2"
        assert answers.openings(reader)[0]["dataset"] == "digits"


def test_a_database_of_the_first_version_is_read_and_brought_up(project):
    path = project / schema.FILE_NAME
    connection = sqlite3.connect(path)
    connection.executescript("DROP TABLE confirmations; PRAGMA user_version=1;")
    connection.close()
    with SearchReader(project) as reader:
        assert answers.confirmations(reader) == [] and len(reader.trials()) == 3
    with SearchStore(project) as store:
        answers.add_confirmation(store, {"winner": "0"})
        assert store._rows("PRAGMA user_version")[0][0] == schema.SCHEMA_VERSION
    with SearchReader(project) as reader:
        assert answers.confirmations(reader)[0]["winner"] == "0"
