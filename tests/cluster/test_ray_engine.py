"""The search on real Ray, in name spaces of its own: it sees loopback and its own processes."""

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tuner_app import environment, experiment, results
from tuner_app.cli import session, summary
from tuner_app.cli.main import main
from tuner_app.cluster import ray_engine
from tuner_app.cluster.ray_actors import MOST_TOLD, Channel
from tuner_app.cluster.ray_connection import connected
from tuner_app.cluster.ray_engine import Driver, OwnerDied
from tuner_app.cluster.workers import Workers
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.store import SearchReader

SCRIPT = Path(__file__).with_name("search_on_ray.py")
ALONE = ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc"]


def test_a_killed_workers_trials_run_elsewhere_with_one_machines_results(tmp_path):
    spec = importlib.util.spec_from_file_location("search_on_ray", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    data, x = tmp_path / "data.csv", np.random.default_rng(0).standard_normal((60, 3))
    rows = np.column_stack([x, x.sum(axis=1)])
    np.savetxt(data, rows, "%.6f", delimiter=",", header="a,b,c,y", comments="")
    words = [*ALONE, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    done = subprocess.run(
        [*words, sys.executable, SCRIPT, tmp_path / "ray", data],
        capture_output=True,
        text=True,
        timeout=900,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(SCRIPT.parents[2])}
        | {"HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    assert "failure: ''; told of 4 ends" in done.stdout
    assert "Worker w0 died with 2 trials, which run again elsewhere." in done.stdout
    alone = script.search_config(str(tmp_path / "local"), str(data))
    experiment.run_search(alone, say=lambda line: None)
    on_ray, local = (
        {t.trial_id: t for t in results.read(tmp_path / name).trials} for name in ("ray", "local")
    )
    assert on_ray.keys() == local.keys() and len(local) == 4
    for trial_id, trial in local.items():
        assert on_ray[trial_id].status == trial.status == "COMPLETED"
        assert on_ray[trial_id].hyperparameters == trial.hyperparameters
        assert on_ray[trial_id].score == pytest.approx(trial.score, rel=1e-5)
        with SearchReader(tmp_path / "ray") as reader:
            assert len(reader.history(trial_id)) == script.EPOCHS
    assert not (tmp_path / "ray" / "workers").exists()


def test_a_ray_of_our_own_is_on_loopback_with_a_token_and_leaves_sigterm_to_us(monkeypatch):
    given = {}

    def init(**options):
        given.update(options, token=os.environ["RAY_AUTH_TOKEN"])
        given["niceness"] = os.environ["RAY_worker_niceness"]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if options["address"] != "local":
            raise ConnectionError("nobody there")

    exceptions = SimpleNamespace(RayError=Gone)
    stand_in = SimpleNamespace(init=init, shutdown=lambda: None, exceptions=exceptions)
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    own = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE", "RAY_worker_niceness"
    for name in own:
        monkeypatch.delenv(name, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    with connected(Workers(2)) as ray:
        assert ray is stand_in and signal.getsignal(signal.SIGTERM) is before
    assert given["include_dashboard"] is False  # whoever reaches one runs code: CVE-2023-48022
    assert given["_node_ip_address"] == "127.0.0.1" and len(given["token"]) == 64
    assert given["niceness"] == "0"
    assert "RAY_AUTH_TOKEN" not in os.environ
    monkeypatch.setenv("RAY_AUTH_TOKEN", "the cluster's")
    with pytest.raises(UserError, match="No Ray cluster answers at 'auto' .nobody there"):
        with connected(Workers(2, "auto")):
            pass
    assert given["token"] == os.environ["RAY_AUTH_TOKEN"] == "the cluster's"


def test_the_driver_imports_no_tensorflow(monkeypatch, tmp_path):
    def imported(*names):
        raise AssertionError(names)

    def run(config, workers, observers, **told):
        return SimpleNamespace(failure="")

    monkeypatch.setattr(environment, "import_quietly", imported)
    monkeypatch.setattr(ray_engine, "run_search", run)
    monkeypatch.setattr(summary, "summary", lambda outcome: "done")
    config = SearchConfig(project=str(tmp_path / "p"))
    assert session.run_search(config, quiet=True, workers=Workers(2)) == 0


class Gone(Exception):
    """Ray's word for a process that died."""


class NoRay:
    """What the driver asks of Ray; each reference is a function of what `get` gives or raises."""

    exceptions = SimpleNamespace(RayError=Gone, RayTaskError=ZeroDivisionError)

    def __init__(self, **resources):
        self.killed, self.resources = [], resources or {"CPU": 4}

    def cluster_resources(self):
        return self.resources

    def get(self, reference):
        return reference()

    def wait(self, references, timeout):
        return references, []

    def kill(self, actor):
        self.killed.append(actor)


class DriverWithoutRay(Driver):
    """Its workers do what `lives` says, one after another; its owner lives for some calls."""

    def __init__(self, tmp_path, lives, calls=10**6):
        config = SearchConfig(project=str(tmp_path / "p"))
        super().__init__(NoRay(), config, Workers(1, "auto"), [], say=lambda line: None)
        self.lives, self.calls, self.needed = iter(lives), calls, 1

    def _owner(self):
        answers = {
            "begin": (),
            "new_events": [],
            "account": ({}, ""),
            "call": ["a trial"],
            "finish": "",
        }

        def answered(name):
            self.calls -= 1
            if self.calls < 0:
                raise Gone
            return self.needed if name == "workers_needed" else answers[name]

        def remote(name):
            return SimpleNamespace(remote=lambda *arguments: lambda: answered(name))

        return SimpleNamespace(**{name: remote(name) for name in (*answers, "workers_needed")})

    def _start_worker(self):
        self._started += 1
        life = next(self.lives)

        def lived():
            if life == "dies":
                raise Gone
            if isinstance(life, Exception):
                raise life
            self.needed = 0
            return "2 lanes"

        self._working[lived] = f"w{self._started}", f"actor {self._started}"


def test_what_is_told_is_not_waited_for_and_its_error_comes_with_a_later_call(monkeypatch):
    got = []

    def get(references):
        for reference in references if isinstance(references, list) else [references]:
            got.append(reference)
            if reference[0] == "report" and reference[1] == "full":
                error = Gone()
                error.cause = OSError("the owner's disk is full")
                raise error
        return references

    stand_in = SimpleNamespace(get=get, exceptions=SimpleNamespace(RayTaskError=Gone))
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    call = SimpleNamespace(remote=lambda *words: words)
    channel = Channel(SimpleNamespace(call=call))
    for i in range(MOST_TOLD - 1):
        channel.tell("report", i)
    assert got == []
    channel.renew("w0")  # from another thread
    assert got == [("renew", "w0")]
    channel.tell("report", "the last")
    assert len(got) == 1 + MOST_TOLD  # as many are under way, and no more
    channel.tell("report", "full")
    with pytest.raises(OSError, match="disk is full"):
        channel.open("w0", 0)
    channel.open("w0", 0)


def test_workers_that_die_are_replaced_until_one_is_through(tmp_path):
    driver = DriverWithoutRay(tmp_path, ["dies", "dies", "is through"])
    assert driver.run() == ""
    assert (driver.deaths, driver.how_stacked) == (2, "2 lanes")
    assert driver.ray.killed[:3] == ["actor 1", "actor 2", "actor 3"]


def test_a_search_whose_workers_all_die_is_given_up_in_a_line(tmp_path):
    driver = DriverWithoutRay(tmp_path, ["dies"] * 100)
    with pytest.raises(UserError, match="4 workers died in a row.* What has finished is kept"):
        driver.run()


def test_a_worker_that_ray_killed_for_memory_is_told_of(tmp_path):
    from ray.exceptions import OutOfMemoryError, RayError

    said, lost = [], []
    driver = DriverWithoutRay(tmp_path, [OutOfMemoryError("Node x: 7.2GB / 7.5GB")] * 100)
    driver.ray.exceptions = SimpleNamespace(RayError=(RayError, Gone), RayTaskError=KeyError)
    driver.say, ask = said.append, driver._ask_owner

    def asked(name, *arguments):
        lost.extend([arguments] if arguments[:1] == ("lost",) else [])
        return ask(name, *arguments)

    driver._ask_owner = asked
    with pytest.raises(UserError, match="its machine had no memory left: take fewer --lanes"):
        driver.run()
    assert "Worker w1 died (because its machine had no memory left) with 1 trial, which" in said[0]
    assert lost[0] == ("lost", "w1", "its machine had no memory left")


def test_what_ray_could_not_begin_is_told(tmp_path):
    death = Gone("The actor died because of an error raised in its creation task, ...\nNo module x")
    assert "begin the process that owns a search (No module x)" in str(
        OwnerDied(str(tmp_path), Workers(1), death)
    )


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
def test_a_dead_owner_is_told_of_with_the_words_that_go_on(calls, tmp_path):
    driver = DriverWithoutRay(tmp_path, ["dies"] * 100, calls)
    with pytest.raises(UserError, match="owned the search died") as caught:
        driver.run()
    words = f"tuner-app resume {tmp_path / 'p'} --engine=ray --num_workers=1 --ray_address=auto"
    assert str(caught.value).endswith(words)
    assert set(driver.ray.killed) >= {actor for _, actor in driver._working.values()}


def test_workers_without_room_are_told_of(tmp_path):
    def told(workers, **resources):
        driver = DriverWithoutRay(tmp_path, [])
        driver.ray, driver.workers = NoRay(**resources), workers
        return driver._told_of_room()

    assert told(Workers(4), CPU=8) == told(Workers(2, gpus=0.5), CPU=2.0, GPU=1.0) == []
    assert told(Workers(4), CPU=2) == ["This machine has room for 2 of the 4 workers."]
    with pytest.raises(UserError, match="Ray finds 0 GPUs on this machine"):
        told(Workers(1, gpus=1), CPU=2)
    (line,) = told(Workers(4), CPU=4, GPU=2.0)
    assert line.startswith("Ray finds 2 GPUs") and line.endswith("without --gpus_per_worker.")
    (line,) = told(Workers(3, "auto", gpus=1), CPU=64, GPU=2)
    assert line.startswith("There is room for 2 of the 3 workers now")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--num_workers=2"], "without --engine=ray"),
        (["--engine=ray", "--num_workers=0"], "num_workers is 0"),
        (["--engine=ray", "--gpus_per_worker=-1"], "gpus_per_worker is -1"),
        (["--engine=dask"], "dask"),
    ],
)
def test_bad_input_is_refused(words, said, tmp_path, capsys):
    assert main(["search", f"--project={tmp_path / 'p'}", *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
