"""One owner a directory: a living one is named, a dead one is succeeded."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tuner_app.errors import UserError
from tuner_app.store.lock import FILE_NAME, DirectoryLock, process_start, refuse_if_owned

ROOT = Path(__file__).parent.parent.parent
OWNER = """
import sys, pathlib
from tuner_app.store.lock import DirectoryLock
lock = DirectoryLock.acquire(pathlib.Path(sys.argv[1]))
print("mine", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def owner(tmp_path):
    """Another process that owns `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "mine\n"
    yield process
    process.kill()
    process.communicate()


def test_a_living_owner_is_named(tmp_path, owner):
    for take in (DirectoryLock.acquire, refuse_if_owned):
        with pytest.raises(UserError) as refusal:
            take(tmp_path)
        assert f"pid {owner.pid} on host {socket.gethostname()}" in str(refusal.value)


def test_a_killed_owner_is_succeeded(tmp_path, owner):
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    lock = DirectoryLock.acquire(tmp_path)
    assert json.loads((tmp_path / FILE_NAME).read_text())["pid"] == os.getpid()
    lock.release()
    assert not lock.held and (tmp_path / FILE_NAME).read_text() == ""


def test_an_owner_that_ended_well_leaves_nothing(tmp_path, owner):
    owner.communicate("")
    refuse_if_owned(tmp_path)
    DirectoryLock.acquire(tmp_path).release()


@pytest.mark.parametrize(
    ("owner", "taken"),
    [
        # This very process, but for the start time: the pid was given to another process.
        ({"pid": os.getpid(), "host": socket.gethostname(), "started": "long ago"}, True),
        ({"pid": 2**22 + 1, "host": socket.gethostname(), "started": "1"}, True),
        # From here nobody can tell whether a process of another machine lives.
        ({"pid": 1, "host": "elsewhere", "boot": "another", "started": "1"}, False),
    ],
)
def test_what_a_lock_file_alone_tells(tmp_path, owner, taken):
    (tmp_path / FILE_NAME).write_text(json.dumps(owner))
    if taken:
        DirectoryLock.acquire(tmp_path).release()
    else:
        with pytest.raises(UserError, match=r"pid 1 on host elsewhere.*delete .*search.lock"):
            DirectoryLock.acquire(tmp_path)


def test_where_there_are_no_record_locks_pid_and_start_time_decide(tmp_path, monkeypatch):
    import errno
    import fcntl

    def no_locks(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    boot = Path("/proc/sys/kernel/random/boot_id")
    living = {
        "pid": os.getppid(),
        "host": socket.gethostname(),
        "boot": boot.read_text().strip() if boot.exists() else None,
        "started": process_start(os.getppid()),
    }
    (tmp_path / FILE_NAME).write_text(json.dumps(living))
    with pytest.raises(UserError, match=f"pid {os.getppid()} "):
        DirectoryLock.acquire(tmp_path)
    (tmp_path / FILE_NAME).write_text(json.dumps(living | {"started": "before"}))
    DirectoryLock.acquire(tmp_path).release()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(UserError, match="Can't write to"):
        DirectoryLock.acquire(tmp_path / "missing")


def test_a_second_owner_of_this_process_takes_over(tmp_path):
    first = DirectoryLock.acquire(tmp_path)
    second = DirectoryLock.acquire(tmp_path)
    assert second.held and not first.held
    first.release()
    assert second.held
    second.release()
    assert not second.held
