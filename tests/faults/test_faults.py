"""Real processes, disturbed: nothing that ended is lost, and the message says what happened."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tuner_app.store import SearchReader
from tuner_app.store.disk_fault import DiskFault, disk_fault

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Commands:
    """`tuner-app` in forks of one process that has imported Keras; see commands.py."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, HERE / "commands.py"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert json.loads(self.process.stdout.readline()) == "ready"
        x = np.random.default_rng(0).standard_normal((40, 3))
        rows = np.column_stack([x, x.sum(axis=1)])
        self.data = folder / "data.csv"
        np.savetxt(self.data, rows, "%.6f", delimiter=",", header="a,b,c,y", comments="")

    def ask(self, **request) -> int:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def begin(self, *words: str, said: str = "said.txt", **options) -> int:
        return self.ask(words=list(words), said=str(self.folder / said), **options)

    def run(self, *words: str, **options) -> tuple[int, str]:
        """Exit status, and what was printed."""
        status = self.ask(pid=self.begin(*words, **options))
        said = (self.folder / "said.txt").read_text()
        assert "Traceback" not in said
        return status, said

    def search(self, project: Path, space: str = "build") -> list[str]:
        return [
            *("search", f"--project={project}", f"--dataset=csv:{self.data}?target=y"),
            *(f"--space={HERE / 'space.py'}:{space}", "--max_trials=4", "--epochs=3", "--lanes=2"),
            *("--patience=0", "--keep_best=1"),
        ]


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    found = Commands(tmp_path_factory.mktemp("faults"))
    yield found
    found.process.communicate()


def scores(project: Path) -> dict[str, tuple[str, float | None]]:
    with SearchReader(project) as reader:
        return {row.trial_id: (row.status, row.score) for row in reader.trials()}


def test_a_disk_that_fills_data_that_change_and_a_folder_that_may_not_be_written(
    commands, tmp_path
):
    project, resume = tmp_path / "p", ("resume", str(tmp_path / "p"))
    status, said = commands.run(*commands.search(project), limit=120_000)
    assert status == 2
    line = said.strip().splitlines()[-1]
    assert line.startswith(f"tuner-app: Can't write to {project} (")
    assert line.endswith(f"see to the disk, then go on with: tuner-app resume {project}")
    assert not [row for row in scores(project).values() if row[0] == "FAILED"]

    content = commands.data.read_bytes()
    commands.data.write_bytes(content.replace(b"1", b"2", 1))
    status, said = commands.run(*resume)
    assert status == 2 and "has changed since the search" in said
    commands.data.write_bytes(content)

    project.chmod(0o555)
    try:
        status, said = commands.run(*resume)
        assert status == 2
        assert said.splitlines()[-1].startswith(f"tuner-app: Can't write to {project} (")
        assert said.splitlines()[-1].endswith(f"then go on with: tuner-app resume {project}")
    finally:
        project.chmod(0o755)

    # Two at once: one goes on to the end, the other is told who is at work, or finds nothing left.
    pids = [commands.begin(*resume, said=f"{i}.txt") for i in range(2)]
    statuses = sorted(commands.ask(pid=pid) for pid in pids)
    texts = [(commands.folder / f"{i}.txt").read_text() for i in range(2)]
    assert statuses == [0, 0] or (
        statuses == [0, 2] and any("in use by another search (pid " in text for text in texts)
    )
    assert [status for status, _ in scores(project).values()] == ["COMPLETED"] * 4


def test_a_trial_that_kills_its_process_again_and_again_is_failed(commands, tmp_path):
    project, deaths = tmp_path / "p", 0
    words = commands.search(project, "deadly")
    while (status := commands.run(*words)[0]) == -9:
        deaths += 1
        assert deaths < 30
        words = ["resume", str(project)]
    found = scores(project)
    failed = [trial_id for trial_id, (status, _) in found.items() if status == "FAILED"]
    assert status == 0 and len(found) == 4 and 1 <= len(failed) < 4
    assert deaths >= 3 * len(failed)
    with SearchReader(project) as reader:
        for trial_id, (status, _) in found.items():
            row = reader.trial(trial_id)
            assert (row.hyperparameters["rate"] > 0.017) == (status == "FAILED")
            assert status == "COMPLETED" or row.message.startswith("The process died 3 times")


def test_a_full_disk_is_known_in_whatever_words_it_is_told():
    hdf5 = RuntimeError("Can't decrement id ref count (errno = 28, error message = 'No space')")
    assert "No space left on device" in str(disk_fault(hdf5, "/p"))
    try:
        try:
            raise PermissionError(13, "Permission denied", "/p/trial_0/checkpoint.weights.h5")
        except OSError as cause:
            raise ValueError("could not save") from cause
    except ValueError as error:
        assert "Permission denied" in str(disk_fault(error, "/p"))
        assert disk_fault(error, "/elsewhere") is None


def test_a_trial_that_the_disk_refused_is_proposed_again(tmp_path, monkeypatch):
    from tuner_app import oracles
    from tuner_app.store import SearchStore

    def session(folder, trials: int) -> dict:
        """Opens so many trials, of which the one before the last is open at the end."""
        opened = {}
        with SearchStore(folder) as store:
            oracle = oracles.create("random", "val_loss", max_trials=9, seed=0)
            oracle.hyperparameters.Float("rate", 0.0, 1.0)
            oracle.attach(store)
            if store.fact("begun"):
                oracle.reload()
            store.set_fact("begun", True)
            oracle.save()
            try:
                for number in range(trials):
                    trial = oracle.create_trial(f"slot{number}")
                    opened[trial.trial_id] = trial.hyperparameters.values["rate"]
            finally:  # as a search does, when the disk has room for that
                for trial_id in store.open_attempts():
                    oracle.put_back(trial_id)
        return opened

    expected = session(tmp_path / "undisturbed", 4)
    session(tmp_path / "p", 2)
    plain = SearchStore._execute

    def full(store, statement, *parameters):
        trials = store._connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0]
        if statement == "COMMIT" and trials == 3:
            raise DiskFault(store.directory, "database or disk is full")
        return plain(store, statement, *parameters)

    with monkeypatch.context() as patch:
        patch.setattr(SearchStore, "_execute", full)
        with pytest.raises(DiskFault):
            session(tmp_path / "p", 4)
    assert session(tmp_path / "p", 4) == expected


def test_a_clock_that_jumps_changes_no_result_and_no_duration(tmp_path, monkeypatch):
    from tuner_app.store import SearchStore, TrialRow

    jumps = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + (-1) ** next(jumps) * 3e8)
    with SearchStore(tmp_path) as store:
        store.set_fact("objective", {"name": "score", "direction": "min"})
        space = store.space_number([])
        for number in range(4):
            store.save_trial(TrialRow(str(number), number, "RUNNING", space, {}))
            store.begin_attempt(str(number))
            store.report_epochs([(str(number), 0, 0, {"score": 1.0}, 2.5)])
            store.end_attempt(str(number), "COMPLETED")
        assert [row.seconds for row in store.trials()] == [2.5] * 4
        assert [row.trial_id for row in store.trials()] == ["0", "1", "2", "3"]
