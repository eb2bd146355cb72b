"""Killed at random moments, a stacked search goes on where its checkpoint left each trial."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "killed_population.py"


def test_a_killed_search_ends_as_an_undisturbed_one(tmp_path):
    found = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), "2", "2", "7"],
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    counts = json.loads(found.stdout.splitlines()[-1])
    assert counts["kills"] == 2
    # A kill costs at most the epoch under way and the one not yet saved, of 3 lanes.
    assert counts["epochs computed again"] <= 6 * counts["kills"]
