"""`kill -9` at random moments: nothing completed is lost or run again, and reopening works."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(script: str | Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, script, *words],
        env=os.environ | {"PYTHONPATH": str(HERE.parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_search_survives_being_killed_twenty_times(tmp_path):
    done = run(HERE / "killed_search.py", str(tmp_path), "20", "0")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["kills"] >= 15 and told["while a trial ran"] >= 5 and told["trials"] == 160
    # Each kill costs the run that it met, and no other.
    assert 160 <= told["runs"] <= 160 + told["kills"]
