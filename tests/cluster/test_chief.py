"""KerasTuner's chief and workers, as real processes on loopback."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuner_app import results
from tuner_app.cluster.channel import Channel, serve
from tuner_app.errors import UserError
from tuner_app.store.disk_fault import DiskFault

SCRIPT = Path(__file__).with_name("chief_script.py")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Members:
    """The script's processes; see there."""

    def __init__(self, folder: Path):
        self.folder, self.port, self.pids = folder, free_port(), {}
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT],
            env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert json.loads(self.process.stdout.readline()) == "ready"

    def ask(self, **request) -> int:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def begin(self, folder: str, name: str | None, pause: float = 0.0) -> None:
        said, place = str(self.folder / f"{folder}-{name}"), str(self.folder / folder)
        self.pids[name] = self.ask(folder=place, name=name, port=self.port, pause=pause, said=said)

    def ended(self, name: str | None) -> int:
        return self.ask(pid=self.pids.pop(name))

    def said(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*-*"))

    def close(self) -> None:
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def members(tmp_path):
    found = Members(tmp_path)
    yield found
    found.close()


def test_a_killed_workers_trials_are_done_by_the_other_and_all_processes_end(members, tmp_path):
    members.begin("alone", None)
    members.begin("many", "chief")
    members.begin("many", "worker0", pause=0.5)
    for _ in range(3000):
        if (tmp_path / "many" / "p" / "workers" / "worker0").exists():
            break
        time.sleep(0.1)
    time.sleep(1.0)  # into its first trials, which take 1.5 seconds at the least
    os.kill(members.pids["worker0"], signal.SIGKILL)
    members.begin("many", "worker1")
    assert members.ended("worker0") == -signal.SIGKILL
    for name in ("worker1", "chief", None):
        assert members.ended(name) == 0, members.said()
    one, many = (
        {t.trial_id: t.score for t in results.read(tmp_path / name / "p").trials}
        for name in ("alone", "many")
    )
    assert len(one) == 6 and many == pytest.approx(one, rel=1e-6)


def test_a_worker_without_a_chief_says_so():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=f"chief at {address} does not answer"):
        Channel(address, patience=0.3).join("worker0")


def test_a_disk_that_is_full_for_the_chief_is_told_to_it_and_to_the_worker():
    def renew(worker):
        raise DiskFault("/p", "No space left on device")

    service, address = SimpleNamespace(renew=renew, fault=None), f"127.0.0.1:{free_port()}"
    with ThreadPoolExecutor(max_workers=1) as thread:
        server = serve(service, address, thread)
        try:
            with pytest.raises(UserError, match=r"Can't write to /p \(No space left on device\)"):
                Channel(address).renew("worker0")
        finally:
            server.stop(grace=0).wait()
    assert isinstance(service.fault, DiskFault)  # with which `oversee` ends
