"""Searches at addresses: what is copied, what is fetched, and who may."""

import json
import re
import subprocess
import sys
import time

import fsspec
import pytest

from tuner_app import experiment, remote
from tuner_app.cli import session
from tuner_app.cli.main import main
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.remote import copying
from tuner_app.store import SearchReader, SearchStore, TrialRow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server for files on loopback, and the folder it serves."""
    folder = tmp_path_factory.mktemp("served")
    account = ["--username", "anna", "--password", "secret", "--write"]
    said = tmp_path_factory.mktemp("said") / "server.txt"
    with open(said, "w") as out:
        process = subprocess.Popen(
            # On any free port, which it tells.
            [sys.executable, "-W", "ignore", "-m", "pyftpdlib", "-i", "127.0.0.1", "-p", "0"]
            + [*account, "--directory", str(folder)],
            stderr=out,
        )
    try:
        while not (port := re.search(r"127.0.0.1:(\d+)", said.read_text())):
            assert process.poll() is None, said.read_text()
            time.sleep(0.05)
        yield f"127.0.0.1:{port[1]}", folder
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["file", "memory", "ftp"])
def address(request, tmp_path, monkeypatch) -> str:
    if request.param == "ftp":
        place, folder = request.getfixturevalue("server")
        monkeypatch.setitem(fsspec.config.conf, "ftp", {"password": "secret"})
        return f"ftp://anna@{place}/{tmp_path.name}/p"
    return f"file://{tmp_path}/far/p" if request.param == "file" else f"memory://{tmp_path.name}/p"


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """A machine whose folder is `home`; `elsewhere` is another one's."""
    (tmp_path / "home").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    yield
    from fsspec.implementations.memory import MemoryFileSystem

    MemoryFileSystem.store.clear()


def begin(directory) -> None:
    with SearchStore(directory) as store:
        store.set_fact("config", SearchConfig().to_dict() | {"project": ""})
        store.set_fact("objective", {"name": "val_loss", "direction": "min"})
        store.space_number([])


def add_trial(directory, number: int) -> None:
    with SearchStore(directory) as store:
        trial_id = str(number)
        store.save_trial(TrialRow(trial_id, number, "RUNNING", 1, {}))
        store.begin_attempt(trial_id)
        store.report_epochs([(trial_id, 0, 0, {"val_loss": 0.5 + number}, 1.0)])
        (directory / f"trial_{trial_id}" / "checkpoint.weights.h5").write_bytes(b"w" * number)
        ended = TrialRow(trial_id, number, "COMPLETED", 1, {}, 0.5 + number, 0, ended=number)
        store.save_trial(ended)
        store.end_attempt(trial_id, "COMPLETED")


def trials(directory) -> dict[str, float]:
    with SearchReader(directory) as reader:
        return {row.trial_id: row.score for row in reader.trials()}


def test_a_search_is_copied_and_goes_on_elsewhere(address, tmp_path, monkeypatch):
    with remote.begun(address) as directory:
        begin(directory)
        add_trial(directory, 1)
        add_trial(directory, 2)
    monkeypatch.chdir(tmp_path / "elsewhere")
    with remote.resumed(address) as directory:
        assert trials(directory) == {"1": 1.5, "2": 2.5}
        assert (directory / "trial_2" / "checkpoint.weights.h5").read_bytes() == b"ww"
        assert not (directory / "search.lock").exists()
        (directory / "trial_1" / "checkpoint.weights.h5").unlink()  # not among the best any more
        add_trial(directory, 3)
    monkeypatch.chdir(tmp_path / "home")
    with remote.resumed(address) as directory:  # what is here is older: it is kept, and not taken
        assert trials(directory).keys() == {"1", "2", "3"}
        assert not (directory / "trial_1" / "checkpoint.weights.h5").exists()
        (before,) = directory.parent.glob("*.before-*")
        assert trials(before).keys() == {"1", "2"}


def test_a_killed_process_loses_nothing_here_and_what_came_since_the_copy_elsewhere(
    address, tmp_path, monkeypatch
):
    killed = copying.Copy(address, interval=1e9)
    with killed:
        begin(killed.directory)
        add_trial(killed.directory, 1)
        killed.push()
        add_trial(killed.directory, 2)
        monkeypatch.setattr(killed, "push", lambda: None)  # there is no last one
    with monkeypatch.context() as other:
        other.chdir(tmp_path / "elsewhere")
        copying.Copy(address).fetch()
        assert trials(killed.directory).keys() == {"1"}
    with remote.resumed(address) as directory:
        assert trials(directory).keys() == {"1", "2"}


def test_the_copy_is_brought_up_to_date_while_the_search_runs(address):
    copy = copying.Copy(address, interval=0.01)
    with copy:
        begin(copy.directory)
        there = copying.Copy(address)  # a connection of its own
        before = there.there()["copies"]
        until = time.monotonic() + 60
        while there.there()["copies"] < before + 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert "search.db" in there.names()


def test_one_process_at_a_time(address, monkeypatch):
    with remote.begun(address) as directory:
        begin(directory)
        there = copying.Copy(address)
        note = there.there() | {"host": "another"}
        there._files.pipe_file(f"{there._root}/{copying.NOTE}", json.dumps(note).encode())
        with pytest.raises(UserError, match="in use by another search .* on host another"):
            copying.Copy(address).__enter__()
        note["at"] += 10 * copying.LEASE  # that clock was put right since
        there._files.pipe_file(f"{there._root}/{copying.NOTE}", json.dumps(note).encode())
        with remote.resumed(address):
            pass


def test_what_can_not_be_is_refused(address, tmp_path, monkeypatch):
    odds = ("nowhere://x", "nowhere"), (address, "holds no search"), ("file:///", "no folder")
    for odd, said in odds:
        with pytest.raises(UserError, match=said), remote.resumed(odd):
            pass
    with remote.begun(address) as directory:  # bad input: nothing was begun
        pass
    assert not directory.exists() and copying.Copy(address).names() == []
    directory.mkdir()
    with pytest.raises(UserError, match="exists already"), remote.begun(address):
        pass
    directory.rmdir()
    there = copying.Copy(address)
    there._send(tmp_path / "other.txt", "other.txt") if (tmp_path / "other.txt").write_text(
        "x"
    ) else None
    with pytest.raises(UserError, match="belongs to something else"), remote.begun(address):
        pass
    monkeypatch.setattr(copying.Copy, "there", lambda copy: {"search": "1"})
    monkeypatch.setattr(copying.Copy, "names", lambda copy: ["../../out.txt"])
    with pytest.raises(UserError, match="no search writes"), remote.resumed(address):
        pass
    with pytest.raises(UserError, match="holds a search already"), remote.begun(address):
        pass


def test_what_others_put_in_the_place_of_a_copy_is_not_deleted(address, tmp_path):
    with remote.begun(address) as directory:
        begin(directory)
    there = copying.Copy(address)
    there._files.rm(there._root, recursive=True)
    (tmp_path / "other.txt").write_text("x")
    copying.Copy(address)._send(tmp_path / "other.txt", "other.txt")
    with pytest.raises(UserError, match="belongs to something else"), remote.resumed(address):
        pass
    assert there.names() == ["other.txt"]


def test_a_last_copy_that_fails_says_where_everything_is(address, monkeypatch):
    def refused(copy, path, name):
        raise OSError("the network is down")

    with monkeypatch.context() as patch:
        with pytest.raises(UserError, match="the network is down.*All of it is in tuning"):
            with remote.begun(address) as directory:
                begin(directory)
                patch.setattr(copying.Copy, "_send", refused)
    with remote.resumed(address):
        pass
    assert "search.db" in copying.Copy(address).names()


def test_a_connection_that_was_cut_is_made_anew(server, monkeypatch):
    place, folder = server
    monkeypatch.setitem(fsspec.config.conf, "ftp", {"password": "secret"})
    copy = copying.Copy(f"ftp://anna@{place}/cut", interval=1e9)
    with copy:
        begin(copy.directory)
        copy.push()
        add_trial(copy.directory, 1)
        copy._files.ftp.close()
        with pytest.raises(UserError, match="can't be reached or written"):
            copy.push()
    assert trials(folder / "cut").keys() == {"1"}
    assert not list(folder.rglob("*.partial"))


def test_commands_take_addresses(address, capsys, monkeypatch):
    def run(config, resume, quiet, workers):
        if not resume:
            begin(config.directory)
        add_trial(config.directory, len(experiment.ended(config.directory)))
        return 0

    monkeypatch.setattr(session, "_run", run)
    assert main(["search", f"--project={address}", "--quiet"]) == 0
    assert main(["resume", address]) == 0
    assert main(["resume", str(copying.directory_of(address))]) == 0
    capsys.readouterr()
    assert main(["results", address, "--format=csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main(["confirm", address]) == 2
    assert "has to be on this machine" in capsys.readouterr().err
    assert main(["search", "--project=sftp://anna:secret@host/p"]) == 2
    said = capsys.readouterr().err
    assert "sftp://host/p was given with a password" in said and "secret" not in said
    with pytest.raises(UserError, match="a directory is expected"):
        SearchConfig(project=address).directory  # noqa: B018
