"""Whole searches through the command line: to the end, interrupted, resumed, failing."""

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tuner_app.cli.main import main

ROOT = Path(__file__).parent.parent.parent
SMALL = "--dataset=digits --space=linear --epochs=2 --batch_size=128".split()

GIVES_UP = """
import keras
import keras_tuner

def build(hp):
    if hp.Choice("kind", ["good", "bad"]) == "bad":
        raise keras_tuner.errors.FatalValueError("a bad kind can't be had")
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    return model
"""

# It waits for Ctrl-C amid its second trial. (A shell that runs the tests in the background has its
# children ignore Ctrl-C.)
WITH_CTRL_C = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tuner_app.cli.main import main
from tuner_app.store import SearchStore

calls, report = [], SearchStore.report_epochs

def report_epochs(store, rows):
    rows = list(rows)
    calls.extend(rows)
    if len(calls) > 3:
        time.sleep(100)
    report(store, rows)

SearchStore.report_epochs = report_epochs
sys.exit(main(sys.argv[1:]))
"""

WITHOUT_TENSORFLOW = """
import sys
sys.modules.update(tensorflow=None, keras=None, jax=None)
from tuner_app.cli.main import main
sys.exit(main(sys.argv[1:]))
"""

FAILING = """
def build(hp):
    raise RuntimeError("no model for you")
"""

NEVER_FINITE = """
import keras

def build(hp):
    hp.Choice("units", [1, 2, 3])
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(10))
    model.add(keras.layers.Rescaling(float("nan")))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    return model
"""


def read_json(project: Path, capsys) -> dict:
    capsys.readouterr()
    assert main(["results", str(project), "--format=json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """A search in a process of its own, piped, in a folder with a space in its name."""
    project = tmp_path_factory.mktemp("with space") / "a search"
    words = ["search", *SMALL, "--max_trials=3", "--keep_best=2", f"--project={project}"]
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "tuner_app", *words],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return project, done


def test_piped_output_is_plain_lines_and_a_summary(finished):
    project, done = finished
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert sum(line.startswith("trial ") for line in lines) == 3
    assert "\x1b" not in done.stdout
    assert "Trials:   3 completed, 0 failed; trained 3 stacked" in lines
    assert any(line.startswith(("Device:   CPU", "Device:   GPU")) for line in lines)
    assert f"  python -m tuner_app board '{project}'" in "\n".join(lines).replace(
        Path(sys.executable).name, "python"
    )


def test_results_have_as_many_trials_as_asked_for(finished, capsys):
    project, _ = finished
    found = read_json(project, capsys)
    assert found["objective"] == {"name": "val_accuracy", "direction": "max"}
    assert [trial["rank"] for trial in found["trials"]] == [1, 2, 3]
    scores = [trial["score"] for trial in found["trials"]]
    assert scores == sorted(scores, reverse=True) and 0 < min(scores) <= max(scores) <= 1
    for trial in found["trials"]:
        assert trial["status"] == "COMPLETED" and trial["epochs"] == 2 and trial["seconds"] > 0
        assert trial["hyperparameters"]["optimizer"] in ("adam", "adamw", "nesterov")


def test_the_best_trials_weights_alone_are_kept(finished, capsys):
    project, _ = finished
    trials = read_json(project, capsys)["trials"]  # best first
    kept = {path.parent.name for path in project.glob("trial_*/checkpoint.weights.h5")}
    assert kept == {f"trial_{trial['trial_id']}" for trial in trials[:2]}


def test_table_and_csv_say_the_same(finished, capsys):
    project, _ = finished
    trials = read_json(project, capsys)["trials"]
    main(["results", str(project), "--format=csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["trial_id"] for row in rows] == [trial["trial_id"] for trial in trials]
    assert [float(row["score"]) for row in rows] == [trial["score"] for trial in trials]
    main(["results", str(project)])
    table = capsys.readouterr().out
    rows = [line.split() for line in table.splitlines()[1:]]
    expected = [[str(trial["rank"]), trial["trial_id"], trial["status"]] for trial in trials]
    assert [row[:3] for row in rows] == expected


def test_search_in_the_same_directory_is_refused_and_says_what_to_do(finished, tmp_path, capsys):
    project, _ = finished
    before = (project / "search.db").read_bytes()
    assert main(["search", *SMALL, f"--project={project}"]) == 2
    refused = capsys.readouterr().err
    assert f"finished search. See it: tuner-app results '{project}'" in refused
    assert f"--warm_start='{project}'" in refused
    assert (project / "search.db").read_bytes() == before
    stopped = shutil.copytree(project, tmp_path / "stopped")
    with contextlib.closing(sqlite3.connect(stopped / "search.db")) as connection, connection:
        connection.execute("DELETE FROM facts WHERE name = 'over'")
    assert main(["search", *SMALL, f"--project={stopped}"]) == 2
    assert f"Go on with it: tuner-app resume {stopped};" in capsys.readouterr().err


def test_resuming_a_finished_search_is_told_without_tensorflow(finished, tmp_path, capsys):
    project, _ = finished
    before = (project / "search.db").read_bytes()
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, "resume", str(project)],
        **{"env": here, "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 60},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Nothing is left to train of the search in {project}.\n")
    assert "Trials:   3 completed" in done.stdout and "Device:   CPU" in done.stdout
    assert (project / "search.db").read_bytes() == before


def test_a_search_killed_after_its_last_trial_runs_nothing_again(finished, tmp_path, capsys):
    project, _ = finished
    before = read_json(project, capsys)
    killed = shutil.copytree(project, tmp_path / "killed")
    with contextlib.closing(sqlite3.connect(killed / "search.db")) as connection, connection:
        connection.execute("DELETE FROM facts WHERE name = 'over'")
    for line in ("Searching linear", "Nothing is left to train"):  # the second time it is known
        assert main(["resume", str(killed)]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith(line) and "Trials:   3 completed" in printed
        assert "\ntrial 000" not in printed
    assert read_json(killed, capsys)["trials"] == before["trials"]


def test_a_search_that_ended_by_its_time_goes_on_when_it_is_resumed(in_empty_folder, capsys):
    words = ["search", *SMALL, "--max_trials=2", "--time_limit=1h", "--project=p", "--quiet"]
    assert main(words) == 0
    assert main(["resume", "p"]) == 0
    assert "Searching linear" in capsys.readouterr().out


def test_trials_that_there_was_no_time_for_are_left_to_a_resume(in_empty_folder, capsys):
    words = ["search", *SMALL, "--max_trials=2", "--lanes=1", "--project=p", "--quiet"]
    assert main([*words, "--time_limit=0.001"]) == 0
    printed = capsys.readouterr().out
    assert "Ended:    the time limit of" in printed and " resume p\n" in printed
    assert "Stack:    1 lane, as asked for" in printed


def test_a_space_that_gives_up_ends_the_search_with_its_reason(in_empty_folder, capsys):
    (in_empty_folder / "space.py").write_text(GIVES_UP)
    words = ["search", "--space=space.py", "--epochs=1", "--max_trials=4", "--lanes=1"]
    assert main([*words, "--project=p", "--quiet"]) == 1
    printed = capsys.readouterr()
    assert "a bad kind can't be had" in printed.err and printed.err.count("\n") == 1
    assert main(["results", "p"]) == 0


def test_same_seed_same_search(finished, in_empty_folder, capsys):
    project, _ = finished
    assert main(["search", *SMALL, "--max_trials=3", "--project=again", "--quiet"]) == 0
    first, second = read_json(project, capsys)["trials"], read_json("again", capsys)["trials"]
    for one, other in zip(first, second, strict=True):
        assert one["hyperparameters"] == other["hyperparameters"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-6)


def test_interrupted_search_is_resumed_where_it_was(tmp_path, capsys):
    words = ["search", *SMALL, "--max_trials=4", "--epochs=3", "--lanes=1"]
    words.append(f"--project={tmp_path / 'search'}")
    process = subprocess.Popen(
        [sys.executable, "-c", WITH_CTRL_C, *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("trial "):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1].startswith("Stopped. Go on with: ")
    assert "Traceback" not in errors and f"resume {tmp_path / 'search'}" in errors

    earlier = read_json(tmp_path / "search", capsys)["trials"]
    completed = {t["trial_id"]: t for t in earlier if t["status"] == "COMPLETED"}
    assert len(completed) == 1
    assert main(["resume", str(tmp_path / "search"), "--quiet"]) == 0
    trials = {t["trial_id"]: t for t in read_json(tmp_path / "search", capsys)["trials"]}
    assert len(trials) == 4 and {t["status"] for t in trials.values()} == {"COMPLETED"}
    for trial_id, trial in completed.items():
        assert trial | {"rank": 0} == trials[trial_id] | {"rank": 0}


def test_nothing_completed_is_status_1_with_the_reason(in_empty_folder, capsys):
    (in_empty_folder / "space.py").write_text(NEVER_FINITE)
    words = "search --space=space.py:build --max_trials=2 --epochs=1 --project=failing --quiet"
    assert main(words.split()) == 1
    printed = capsys.readouterr()
    assert "2 failed: Diverged: loss is nan in epoch 1" in printed.out
    assert "Diverged: loss is nan in epoch 1" in printed.err and printed.err.count("\n") == 1
    assert "Best" not in printed.out


def test_a_space_that_never_builds_is_refused_with_its_line(in_empty_folder, capsys):
    (in_empty_folder / "space.py").write_text(FAILING)
    assert main(["search", "--space=space.py:build", "--quiet"]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1 and printed.out == ""
    assert "RuntimeError: no model for you" in printed.err and "space.py, line 3" in printed.err
    assert [path.name for path in in_empty_folder.iterdir() if path.name != "__pycache__"] == [
        "space.py"
    ]


def test_unknown_objective_is_refused_before_anything_is_written(in_empty_folder, capsys):
    assert main(["search", *SMALL, "--objective=val_acuracy", "--quiet"]) == 2
    assert "Did you mean 'val_accuracy'?" in capsys.readouterr().err
    assert list(in_empty_folder.iterdir()) == []


def test_default_directory_that_is_taken_gives_the_next(finished, in_empty_folder, capsys):
    shutil.copytree(finished[0], "tuning/digits-linear")
    assert main(["search", *SMALL, "--max_trials=1", "--epochs=1", "--target=0"]) == 0
    told = capsys.readouterr().out
    assert "tuning/digits-linear-2" in told
    assert "Ended:    the target of 0 was reached" in told  # by a trial that was whole
    assert sorted(path.name for path in (in_empty_folder / "tuning").iterdir()) == [
        "digits-linear",
        "digits-linear-2",
    ]
