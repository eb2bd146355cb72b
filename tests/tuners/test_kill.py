"""`kill -9`: nothing completed is lost or run again, and what was under way goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent


@pytest.fixture(scope="module")
def run():
    """run(script, folder, *words): what it says in its last line. See killed.py."""
    process = subprocess.Popen(
        [sys.executable, SCRIPTS / "killed.py"],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS.parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(script: str, folder: Path, *words: str) -> dict:
        process.stdin.write(json.dumps([script, str(folder), *words]) + "\n")
        process.stdin.flush()
        status, said = process.stdout.readline(), (folder / "said.txt").read_text()
        assert status == "0\n", said[-2000:]
        return json.loads(said.splitlines()[-1])

    yield run
    process.communicate()


def test_a_search_survives_being_killed_twenty_times(run, tmp_path):
    told = run("killed_search.py", tmp_path, "20", "0")
    assert told["kills"] >= 15 and told["while a trial ran"] >= 5 and told["trials"] == 160
    # Each kill costs the run that it met, and no other.
    assert 160 <= told["runs"] <= 160 + told["kills"]


def test_a_stacked_search_ends_as_an_undisturbed_one(run, tmp_path):
    counts = run("killed_population.py", tmp_path, "2", "2", "7")
    assert counts["kills"] == 2
    # A kill costs at most the epoch under way and the one not yet saved, of 3 lanes.
    assert counts["epochs computed again"] <= 6 * counts["kills"]


def test_a_trial_by_fit_ends_as_an_undisturbed_one(run, tmp_path):
    told = run("killed_fit.py", tmp_path)
    assert told["kills"] == 2
    reason = "trained by fit: Own has its own train_step"
    assert told["message"] == f"{reason}; interrupted, and gone on with after epoch 5"
