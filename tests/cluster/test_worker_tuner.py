"""Workers and the service of a search, in one process: who gets which trial, with what result."""

import errno
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tuner_app import oracles, results
from tuner_app.cluster import apart
from tuner_app.cluster.apart import Apart
from tuner_app.cluster.project_files import ProjectFiles
from tuner_app.cluster.service import Ended, SearchService
from tuner_app.cluster.worker_tuner import WorkerTuner
from tuner_app.errors import UserError
from tuner_app.store import SearchReader
from tuner_app.store.disk_fault import DiskFault
from tuner_app.tuners import PopulationTuner

x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
FIT = {"x": x, "y": 2 * x, "epochs": 3, "validation_data": (x, 2 * x), "verbose": 0}
TRIALS = 5


def build(hp):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    return model


def population_tuner(folder: Path, **options) -> PopulationTuner:
    oracle = oracles.create("random", "val_loss", max_trials=TRIALS, seed=3)
    return PopulationTuner(oracle, build, directory=str(folder), project_name="p", **options)


def scores(folder: Path) -> dict[str, float]:
    return {trial.trial_id: trial.score for trial in results.read(folder / "p").trials}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("alone")
    population_tuner(folder, lanes=2).search(**FIT)
    return scores(folder)


@pytest.fixture
def service(tmp_path) -> SearchService:
    service = SearchService(population_tuner(tmp_path), workers=2, lease=1e9)
    service.begin(FIT["epochs"])
    return service


def worker(service: SearchService, name: str, folder: Path, **options) -> WorkerTuner:
    options = {"lanes": 2, "directory": str(folder), "project_name": "p"} | options
    return WorkerTuner(service, name, build, **options)


class Carried:
    """A service whose calls travel: what is told or asked ahead it has done when that returns.

    Attributes:
        waited: The calls whose answers were waited for at once.
        fetched: Of the answers to what was asked ahead: whether each was taken.
    """

    def __init__(self, service: SearchService):
        self._service = service
        self.waited: list[str] = []
        self.fetched: list[bool] = []

    def __getattr__(self, name: str):
        def call(*arguments):
            self.waited.append(name)
            return getattr(self._service, name)(*arguments)

        return call

    def renew(self, worker: str) -> None:
        self._service.renew(worker)

    def tell(self, name: str, *arguments) -> None:
        getattr(self._service, name)(*arguments)

    def ask(self, name: str, *arguments):
        answer, number = getattr(self._service, name)(*arguments), len(self.fetched)
        self.fetched.append(False)

        def taken():
            self.fetched[number] = True
            return answer

        return taken


class Died(BaseException):
    """The worker's process is gone, in the middle of whatever it did."""


def taken_over(tuner) -> dict[str, int]:
    """Fills, as the tuner searches: the trials it found begun elsewhere, and their epochs."""
    found, original = {}, tuner.saved_elsewhere

    def note(trial_id):
        state = original(trial_id)
        if state is not None:
            found[trial_id] = len(state["runs"][0]["logs"])
        return state

    tuner.saved_elsewhere = note
    return found


def die_after(tuner: WorkerTuner, epochs: int) -> None:
    report, left = tuner._report_epochs, [epochs]

    def reported(reports):
        if left[0] == 0:
            raise Died
        left[0] -= 1
        report(reports)

    tuner._report_epochs = reported


def test_a_workers_search_is_that_of_one_process(service, undisturbed, tmp_path):
    carried = Carried(service)
    worker(carried, "a", tmp_path).search(**FIT)
    # Nobody waits for the end of a trial or of an epoch, and two trials are opened at a time.
    assert set(carried.waited) == {"join", "open", "leave"}
    assert carried.fetched == [True] * -(-TRIALS // 2)
    assert service.unfinished == 0
    assert service.finish("done") == ""
    assert scores(tmp_path) == pytest.approx(undisturbed, rel=1e-6)
    assert (service.tuner.stacked, dict(service.tuner.by_fit)) == (TRIALS, {})
    with SearchReader(tmp_path / "p") as reader:
        for row in reader.trials():
            history = reader.history(row.trial_id)
            assert list(history) == [(0, 0), (0, 1), (0, 2)]
            assert min(at["val_loss"] for at in history.values()) == row.score
    assert not (tmp_path / "p" / "workers").exists()


def test_the_trials_of_a_worker_that_dies_go_on_elsewhere(service, undisturbed, tmp_path):
    first = worker(service, "a", tmp_path, checkpoint_seconds=0)
    die_after(first, 2)  # its trials have done two epochs, of which the checkpoint holds both
    with pytest.raises(Died):
        first.search(**FIT)
    lost = service.lost("a")
    assert len(lost) == 2
    second = worker(service, "b", tmp_path)
    found = taken_over(second)
    second.search(**FIT)
    assert found == dict.fromkeys(lost, 2)
    service.finish("done")
    assert scores(tmp_path) == pytest.approx(undisturbed, rel=1e-6)


def test_a_disk_that_is_full_for_a_worker_is_no_trials_fault(
    service, undisturbed, tmp_path, monkeypatch
):
    first, original = worker(service, "a", tmp_path), WorkerTuner.build_for_stack

    def build_for_stack(tuner, trial, execution):
        if trial.trial_id[-1] == "2":
            raise OSError(errno.ENOSPC, "No space left on device", "/elsewhere")
        return original(tuner, trial, execution)

    monkeypatch.setattr(WorkerTuner, "build_for_stack", build_for_stack)
    with pytest.raises(DiskFault, match="No space left on device") as caught:
        first.search(**FIT)
    # From here it goes to the driver.
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    monkeypatch.undo()
    assert service._lent == service._heard == {}
    rows = service.tuner.store.trials()
    assert len(rows) > 2 and {(row.failures, row.blame) for row in rows} == {(0, 0)}
    worker(service, "b", tmp_path).search(**FIT)
    service.finish("done")
    assert scores(tmp_path) == pytest.approx(undisturbed, rel=1e-6)


def test_nobody_is_sent_away_while_another_may_lose_its_trials(service):
    for name in "ab":
        service.join(name)
    opened = [service.open("a", slot) for slot in range(TRIALS)]
    assert {o.status for o in opened} == {"RUNNING"}
    assert service.open("b", 0).status == "IDLE"
    service.lost("a")
    assert service.open("a", 0).status == "STOPPED"  # which it had asked before it died
    again = service.open("b", 0)
    assert again.status == "RUNNING" and again.row.blame == 1 / TRIALS
    for trial_id in [o.row.trial_id for o in opened]:
        if trial_id != again.row.trial_id:
            service.oracle.give_up(trial_id, "for the test")
    assert service.open("b", 1).status == "STOPPED"


def test_what_a_lost_worker_says_later_is_not_taken(service, undisturbed, tmp_path):
    slow = worker(service, "a", tmp_path)
    slow._attach()
    trial = slow._open_trial()
    service.lease = -1.0  # every word from it is too late
    quick = worker(service, "b", tmp_path)
    assert service.expire() == ["a", "b"]
    service.lease = 1e9
    quick.search(**FIT)
    slow._report_epoch(trial.trial_id, 0, 0, {"val_loss": 1e-9})
    slow._close_trial(trial, {"val_loss": 1e-9})
    service.finish("done")
    assert scores(tmp_path) == pytest.approx(undisturbed, rel=1e-6)


def test_a_trial_that_kills_its_workers_fails_and_the_others_do_not(service, tmp_path):
    deaths, opened = 0, ["of the first worker"]
    while opened and deaths < 20:
        name = f"w{deaths}"
        service.join(name)
        answers = [service.open(name, slot) for slot in range(TRIALS)]
        opened = [answer.row.trial_id for answer in answers if answer.row]
        if "1" in {trial_id[-1:] for trial_id in opened}:
            service.lost(name, why="its machine had no memory left")
            deaths += 1
        else:
            for trial_id in opened:
                service.end(name, trial_id, Ended("COMPLETED", {"val_loss": 1.0}))
    assert 3 <= deaths < 20
    service.leave(name)
    assert service.over
    service.finish("done")
    found = {t.trial_id[-1:]: t for t in results.read(tmp_path / "p").trials}
    assert len(found) == TRIALS
    failed = found.pop("1")
    assert failed.status == "FAILED"
    assert failed.message.endswith("the last time because its machine had no memory left")
    assert {t.status for t in found.values()} == {"COMPLETED"}


@pytest.mark.parametrize("name", ["random", "sobol", "grid"])
def test_any_number_of_workers_is_proposed_the_same_trials(name, tmp_path):
    def proposed(workers: int) -> dict[str, dict]:
        oracle = oracles.create(name, "val_loss", max_trials=12, seed=3)
        options = {"directory": str(tmp_path / name), "project_name": str(workers)}
        service = SearchService(PopulationTuner(oracle, build, **options), workers)
        service.begin(3)
        names = [f"w{i}" for i in range(workers)]
        for worker_name in names:
            service.join(worker_name)
        found, opened = {}, []
        while service.workers_needed:
            for number, worker_name in enumerate(names):
                answer = service.open(worker_name, len(opened) % 3)
                if answer.row:
                    opened.append((worker_name, answer.row.trial_id))
                    found[answer.row.trial_id] = answer.row.hyperparameters
                # Each worker at its own pace, and not in the order of the beginnings.
                if opened and (len(opened) > number or answer.status != "RUNNING"):
                    ended = Ended("COMPLETED", {"val_loss": float(len(found))})
                    service.end(*opened.pop(len(opened) // 2), ended)
        service.finish("done")
        return found

    one = proposed(1)
    assert len(one) >= 10 and len({repr(values) for values in one.values()}) == len(one)
    assert proposed(2) == one
    assert proposed(4) == one


def test_a_run_that_fails_is_tried_again_and_counted(tmp_path):
    def build_some(hp):
        rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
        if rate > 0.02:
            raise ValueError("rate is too high")
        return build(hp)

    oracle = oracles.create("random", "val_loss", max_trials=TRIALS, seed=3)
    tuner = PopulationTuner(oracle, build, directory=str(tmp_path), project_name="p")
    service = SearchService(tuner)
    service.begin(3)
    carried = Carried(service)
    WorkerTuner(
        carried, "a", build_some, lanes=2, directory=str(tmp_path), project_name="p"
    ).search(**FIT)
    assert carried.fetched and all(carried.fetched)  # or a trial would be open for ever
    service.finish("done")
    for trial in results.read(tmp_path / "p").trials:
        high = trial.hyperparameters["rate"] > 0.02
        assert trial.status == ("FAILED" if high else "COMPLETED")
        assert ("rate is too high" in trial.message) == high


def test_a_budget_that_is_spent_ends_the_workers_trials(tmp_path):
    budget = oracles.Budget(max_epochs=4)
    oracle = oracles.create("random", "val_loss", max_trials=9, seed=3, budget=budget)
    service = SearchService(
        PopulationTuner(oracle, build, directory=str(tmp_path), project_name="p", lanes=2)
    )
    service.begin(5)
    worker(service, "a", tmp_path).search(**FIT | {"epochs": 5})
    assert service.over and "4 epochs" in service.ended
    assert service.finish("done") == ""
    found = [(trial.status, trial.epochs) for trial in results.read(tmp_path / "p").trials]
    assert found == [("COMPLETED", 2)] * 2


def test_pruned_trials_are_those_of_one_process(tmp_path):
    def oracle():
        return oracles.create(
            "random", "val_loss", max_trials=14, seed=3, epochs=6, pruner="median"
        )

    fit = FIT | {"epochs": 6}
    options = {"directory": str(tmp_path), "lanes": 2}
    PopulationTuner(oracle(), build, project_name="alone", **options).search(**fit)
    tuner = PopulationTuner(oracle(), build, project_name="p", **options)
    service = SearchService(tuner)
    service.begin(6)
    worker(service, "a", tmp_path).search(**fit)
    assert service.over
    service.finish("done")
    alone, spread = (
        {t.trial_id: (t.status, t.epochs, t.message) for t in results.read(tmp_path / name).trials}
        for name in ("alone", "p")
    )
    assert alone == spread
    assert "PRUNED" in {status for status, *_ in alone.values()}


def test_workers_that_do_not_see_the_directory_have_the_owner_write(
    service, undisturbed, tmp_path, monkeypatch
):
    monkeypatch.setattr(apart, "PIECE", 1000)  # files of several pieces

    def away(name: str, **options) -> WorkerTuner:
        folder = tmp_path / f"host of {name}" / "p"
        folder.mkdir(parents=True)
        place = Apart(folder, service.files, name)
        return worker(service, name, folder.parent, apart=place, **options)

    first = away("a", checkpoint_seconds=0)
    die_after(first, 2)
    with pytest.raises(Died):
        first.search(**FIT)
    first.send_checkpoint()  # which a thread does all ten seconds
    lost = service.lost("a")
    shutil.rmtree(tmp_path / "host of a")
    second = away("b")
    found = taken_over(second)
    second.search(**FIT)
    assert found == dict.fromkeys(lost, 2) and len(found) == 2
    assert not list((tmp_path / "host of b" / "p").glob("trial_*/*"))  # it keeps nothing
    service.finish("done")
    assert scores(tmp_path) == pytest.approx(undisturbed, rel=1e-6)
    model = build(service.oracle.get_space())
    for trial_id, score in undisturbed.items():
        folder = tmp_path / "p" / f"trial_{trial_id}"
        model.load_weights(folder / "checkpoint.weights.h5")
        assert model.evaluate(x, 2 * x, verbose=0) == pytest.approx(score, rel=1e-4)
        assert {path.name for path in folder.iterdir()} >= {"trial.json", "build_config.json"}
        assert not list(folder.glob("*.partial"))


def test_promoted_trials_go_on_with_workers_that_do_not_see_the_directory(tmp_path):
    def tuner(folder: Path, **options) -> PopulationTuner:
        oracle = oracles.create("hyperband", "val_loss", 5, 3, 3, factor=3)
        return PopulationTuner(oracle, build, directory=str(folder), project_name="p", **options)

    tuner(tmp_path / "alone", lanes=2).search(**FIT)
    service = SearchService(tuner(tmp_path), workers=1, lease=1e9)
    service.begin(FIT["epochs"])
    folder = tmp_path / "host" / "p"
    folder.mkdir(parents=True)
    place = Apart(folder, service.files, "a")
    worker(service, "a", folder.parent, apart=place).search(**FIT)
    service.finish("done")
    found = results.read(tmp_path / "p")
    assert any(t.hyperparameters.get("tuner/trial_id") and t.epochs == 2 for t in found.trials)
    assert scores(tmp_path) == pytest.approx(scores(tmp_path / "alone"), rel=1e-6)
    assert not list(folder.glob("trial_*/*")) and not list(tmp_path.rglob("end.*"))


HELD = """
import sys, tempfile
from tuner_app.cluster.apart import working_copy
from tuner_app.config import SearchConfig
from tuner_app.cluster.project_files import ProjectFiles
files = ProjectFiles(sys.argv[1], {}.get)
with working_copy(SearchConfig(project=sys.argv[1] + "/elsewhere"), files, "w") as (config, _):
    print(config.directory.parent, flush=True)
    sys.stdin.read()
"""


def test_a_killed_workers_folder_is_deleted_when_the_next_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    words = [sys.executable, "-c", HELD, str(tmp_path / "p")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    here = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    lives, dies = (subprocess.Popen(words, env=here, **pipes) for _ in range(2))
    with lives, dies:
        kept, left = (Path(process.stdout.readline().strip()) for process in (lives, dies))
        (left / "elsewhere" / "checkpoint.npz").write_bytes(b"large")
        dies.kill()
        dies.wait()
        young = Path(tempfile.mkdtemp(prefix=left.name[:-8]))  # whoever made it may not have come
        for folder in (kept, left):  # to locking it; the others are an hour old
            os.utime(folder, (time.time() - 3600,) * 2)
        apart.delete_abandoned()
        assert kept.is_dir() and young.is_dir() and not left.exists()
        lives.stdin.close()
        lives.wait()
    assert not kept.exists()


def test_only_its_own_files_are_taken_from_a_worker(tmp_path):
    (tmp_path / "search.db").write_text("")
    files = ProjectFiles(tmp_path, {"1": "a"}.get)
    files.put("b", "trial_1/x", 0, b"of a worker that was taken for dead", last=True)
    assert not (tmp_path / "trial_1").exists()
    files.put("a", "trial_1/x", 0, b"", last=True)
    files.delete("b", "trial_1/x")
    assert (tmp_path / "trial_1" / "x").read_bytes() == b""
    odds = "search.db", "trial_1/../search.db", "/etc/x", "trial_1/trial.json", "tensorboard/x"
    for odd in (*odds, "workers", "", "trial_1/..\\x"):
        for take in (lambda n: files.put("a", n, 0, b"x", True), lambda n: files.get(n, 0)):
            with pytest.raises(UserError, match="no file of a worker"):
                take(odd)
    with pytest.raises(UserError, match="no file of a worker"):
        files.delete("a", "search.db")
    (name, content), again = files.mark(), files.mark()
    assert (name, content) == again and (tmp_path / name).read_text() == content
    assert ProjectFiles(tmp_path, {}.get).mark()[1] != content
    (tmp_path / "workers" / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        files.put("a", "workers/a", 0, b"x", last=True)
