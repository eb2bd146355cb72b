"""Results: ranked, as a table, as JSON and as CSV, from any directory that holds a search."""

import csv
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from tuner_app import results
from tuner_app.errors import UserError
from tuner_app.store import SearchStore, TrialRow

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def project(tmp_path) -> Path:
    """A search that runs: two trials completed, one failed, one running."""
    with SearchStore(tmp_path / "search") as store:
        store.set_fact("objective", {"name": "val_accuracy", "direction": "max"})
        space = store.space_number([])

        def trial(number, status, values, score=None, epoch=None, metrics=(), message=""):
            trial_id = f"{number:02d}"
            store.save_trial(TrialRow(trial_id, number, status, space, values, score, epoch))
            store.begin_attempt(trial_id)
            for at, found in enumerate(metrics):
                store.report_epochs([(trial_id, 0, at, found, 1.5 * (at + 1))])
            if status != "RUNNING":
                store.end_attempt(trial_id, status, message)

        trial(
            0, "COMPLETED", {"units": 8, "rate": 0.1}, 0.5, 0, [{"loss": 1.0, "val_accuracy": 0.5}]
        )
        trial(
            1,
            "FAILED",
            {"units": 16, "rate": 9.0},
            metrics=[{"loss": math.nan}],
            message="Diverged: loss is nan in epoch 1",
        )
        trial(
            2,
            "COMPLETED",
            {"units": 32, "rate": 1e-05, "act": "=cmd()"},
            0.75,
            1,
            [{"loss": 2.0}, {"loss": math.inf}],
        )
        trial(3, "RUNNING", {"units": 8, "score": -3})
        yield tmp_path / "search"  # the store stays open: results are read from a running search


def test_trials_are_ranked(project):
    found = results.read(project)
    assert (found.objective, found.direction) == ("val_accuracy", "max")
    assert [trial.trial_id for trial in found.trials] == ["02", "00", "01", "03"]
    assert found.ranks() == [1, 2, None, None]
    assert found.best.trial_id == "02" and found.best.best_epoch == 1


def test_the_lowest_is_first_where_less_is_better(project):
    with SearchStore(project) as store:
        store.set_fact("objective", {"name": "val_loss", "direction": "min"})
    assert [trial.trial_id for trial in results.read(project).trials] == ["00", "02", "01", "03"]


def test_json_is_the_contract_and_valid(project):
    found = json.loads(
        results.as_json(results.read(project)),
        parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"),
    )
    assert found.keys() == {"objective", "trials"}
    assert found["objective"] == {"name": "val_accuracy", "direction": "max"}
    assert found["trials"][0] == {
        "rank": 1,
        "trial_id": "02",
        "status": "COMPLETED",
        "score": 0.75,
        "hyperparameters": {"units": 32, "rate": 1e-05, "act": "=cmd()"},
        "epochs": 2,
        "seconds": 3.0,
    }
    failed = found["trials"][2]
    assert (failed["rank"], failed["status"], failed["score"]) == (None, "FAILED", None)


def test_a_hyperparameter_that_is_no_number_is_null(project):
    with SearchStore(project) as store:
        store.save_trial(TrialRow("04", 4, "COMPLETED", 1, {"limit": math.inf}, 0.1, 0))
    found = json.loads(results.as_json(results.read(project)))
    assert found["trials"][2]["hyperparameters"] == {"limit": None}


def test_csv_has_a_column_a_hyperparameter_and_nothing_that_runs(project):
    rows = list(csv.DictReader(io.StringIO(results.as_csv(results.read(project)))))
    assert [row["trial_id"] for row in rows] == ["02", "00", "01", "03"]
    assert rows[0]["act"] == "'=cmd()"
    assert rows[1]["act"] == "" and rows[1]["rate"] == "0.1"
    assert rows[2]["message"] == "Diverged: loss is nan in epoch 1"
    # A hyperparameter whose name is a column's has one of its own; a negative number is no formula.
    assert rows[3]["score"] == "" and rows[3]["hyperparameter:score"] == "-3"


def test_the_table_shows_every_trial_and_why_one_failed(project):
    table = results.as_table(results.read(project), width=100)
    lines = table.splitlines()
    assert (
        lines[0].split() == "rank trial status val_accuracy epochs seconds hyperparameters".split()
    )
    assert lines[1].split()[:6] == ["1", "02", "COMPLETED", "0.7500", "2", "3.0"]
    assert "Diverged: loss is nan in epoch 1" in table and "03" in table
    assert max(map(len, lines)) <= 100 and "\x1b" not in table


def test_every_epoch_is_kept(project):
    history = results.history(project, "02")
    assert history == {(0, 0): {"loss": 2.0}, (0, 1): {"loss": math.inf}}
    assert math.isnan(results.history(project, "01")[0, 0]["loss"])
    with pytest.raises(KeyError):
        results.history(project, "17")


def test_directories_that_hold_no_search(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, words in [
        ("file", "a file"),
        ("empty", "holds no search"),
        ("none", "nothing there"),
    ]:
        with pytest.raises(UserError, match=words):
            results.read(tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "file"]


def test_a_search_without_trials_is_empty_in_every_form(tmp_path):
    with SearchStore(tmp_path) as store:
        store.set_fact("objective", {"name": "val_loss", "direction": "min"})
    found = results.read(tmp_path)
    assert found.trials == [] and found.best is None
    assert json.loads(results.as_json(found))["trials"] == []
    assert results.as_csv(found) == "rank,trial_id,status,score,epochs,seconds,message\n"
    assert results.as_table(found).startswith("rank")


def test_reading_needs_neither_tensorflow_nor_keras(project):
    program = (
        "import sys; from tuner_app import results; "
        f"print(results.as_json(results.read({str(project)!r}))); "
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'keras_tuner')))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)
