"""KerasTuner's chief and workers, as real processes on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuner_app import results
from tuner_app.cluster.channel import Channel
from tuner_app.errors import UserError

SCRIPT = Path(__file__).with_name("chief_script.py")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def start(tmp_path):
    """Starts the script as a member of the search; whoever is left over is killed."""
    port, started = str(free_port()), []

    def begin(name: str | None, folder: Path, *words: str) -> subprocess.Popen:
        environment = os.environ | {
            "PYTHONPATH": str(SCRIPT.parents[2]),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        if name is not None:
            environment |= {
                "KERASTUNER_TUNER_ID": name,
                "KERASTUNER_ORACLE_IP": "127.0.0.1",
                "KERASTUNER_ORACLE_PORT": port,
            }
        process = subprocess.Popen(
            [sys.executable, SCRIPT, folder, *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen) -> None:
    said, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert said.strip().splitlines()[-1] == "searched"


def test_a_killed_workers_trials_are_done_by_the_other_and_all_processes_end(start, tmp_path):
    alone = start(None, tmp_path / "alone")
    chief = start("chief", tmp_path / "many")
    doomed = start("worker0", tmp_path / "many", "0.5")
    for _ in range(3000):
        if (tmp_path / "many" / "p" / "workers" / "worker0").exists():
            break
        time.sleep(0.1)
    time.sleep(1.0)  # into its first trials, which take 1.5 seconds at the least
    doomed.send_signal(signal.SIGKILL)
    other = start("worker1", tmp_path / "many")
    for process in (other, chief, alone):
        ended(process)
    one, many = (
        {t.trial_id: t.score for t in results.read(tmp_path / name / "p").trials}
        for name in ("alone", "many")
    )
    assert len(one) == 6 and many == pytest.approx(one, rel=1e-6)


def test_a_worker_without_a_chief_says_so():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=f"chief at {address} does not answer"):
        Channel(address, patience=0.3).join("worker0")
