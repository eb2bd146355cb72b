"""Searches on two hosts that Ray joins, disturbed by chance: by hand, not part of the test suite.

    python tests/cluster/two_hosts.py --repetitions=10
    python tests/cluster/two_hosts.py --what=owner,driver --repetitions=4 --seed=3
    python tests/cluster/two_hosts.py --what=join --repetitions=1 --epochs=600

Each host is a network of its own with processes, /tmp/ray and an address of its own, joined to the
other by a cable that is virtual; the project directory is on a disk that both see. What happens at
a random moment of a search of 100 trials:

    node     the second host dies, and all its processes; the first one finishes
    join     the second host only comes now, and trains the rest together with the first (its
             worker begins half a minute later, so the search needs epochs enough)
    owner    the process that owns the search is killed; `resume` finishes
    driver   the command that the user started is killed; its actors end, `resume` finishes
    own      the same where the command had started Ray by itself: nothing of Ray is left either
    address  a worker is killed; the project is at an address (ftp://, a server in this script's
             hosts), and the second host sees nothing of the first one's disk. Another machine
             then brings the search from the address

Afterwards 100 trials are COMPLETED, each with the values and epochs that one process gets. Needs
Linux with user name spaces, and Ray.
"""

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[2]
INSIDE = "TWO_HOSTS_INSIDE"
HEAD, OTHER, PORT = "10.77.0.1", "10.77.0.2", 6379
ALONE = ["--map-root-user", "--net", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child"]
TRIALS = 100
RAY = Path(sys.executable).with_name("ray")
WHAT = ("node", "join", "owner", "driver", "own", "address")
ACCOUNT = "anna", "no secret"

OTHER_HOST = f"""
[ -z "$HIDDEN" ] || mount -t tmpfs tmpfs "$HIDDEN"
mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray
until ip link show far >/dev/null 2>&1; do sleep 0.1; done
ip link set lo up; ip addr add {OTHER}/24 dev far; ip link set far up
until bash -c 'true </dev/tcp/{HEAD}/{PORT}' 2>/dev/null; do sleep 0.2; done
exec {RAY} start --address={HEAD}:{PORT} --node-ip-address={OTHER} --num-cpus=1 --block
"""


def tool(*command: str) -> None:
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet)


def tuner_app(*arguments: str, said: Path, cwd: Path | None = None) -> subprocess.Popen:
    command = [sys.executable, "-m", "tuner_app", *arguments]
    with open(said, "w") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=cwd)


@contextlib.contextmanager
def other_host(said: Path, hidden: Path | str = "") -> Iterator[subprocess.Popen]:
    """The second host, until it is killed or the block ends; what it prints goes into `said`. In
    the place of a `hidden` folder it has an empty one."""
    tool("ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
    with open(said, "w") as out:
        host = subprocess.Popen(
            ["unshare", *ALONE[1:], "sh", "-c", OTHER_HOST],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HIDDEN": str(hidden)},
        )
    try:
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{host.pid}/ns/net") == own:
            time.sleep(0.05)
        tool("ip", "link", "set", "far", "netns", str(host.pid))
        tool("ip", "addr", "add", f"{HEAD}/24", "dev", "near")
        tool("ip", "link", "set", "near", "up")
        yield host
    finally:
        host.kill()
        host.wait()
        # The cable goes with the host, some time later.
        subprocess.run(["ip", "link", "del", "near"], stderr=subprocess.DEVNULL, check=False)


@contextlib.contextmanager
def at_an_address(folder: Path) -> Iterator[str]:
    """The address of a project on a server for files, in a folder that only the server knows."""
    (folder / "far").mkdir()
    account = ["--username", ACCOUNT[0], "--password", ACCOUNT[1], "--write"]
    place = ["--interface", HEAD, "--port", "2121", "--directory", str(folder / "far")]
    with open(folder / "server.txt", "w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "pyftpdlib", *account, *place],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"ftp://{ACCOUNT[0]}@{HEAD}:2121/p"
    finally:
        server.kill()
        server.wait()


def brought(address: str, folder: Path) -> Path:
    """The project directory on a machine that has only the address."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    said = folder / "brought.txt"
    assert tuner_app("results", address, said=said, cwd=elsewhere).wait(300) == 0, said.read_text()
    (project,) = (elsewhere / "tuning").iterdir()
    assert len(list(project.glob("trial_*/checkpoint.weights.h5"))) == TRIALS
    assert list(project.glob("tensorboard/**/*tfevents*"))
    return project


def ray_start_head() -> None:
    tool("ip", "addr", "add", f"{HEAD}/32", "dev", "lo")  # it is there before the cable is
    place = f"--node-ip-address={HEAD}", f"--port={PORT}"
    tool(str(RAY), "start", "--head", *place, "--num-cpus=1", "--include-dashboard=false")


def nodes() -> int:
    """How many hosts the cluster has now."""
    from ray._raylet import GcsClient  # `ray status` would take a process and seconds each time

    found = GcsClient(address=f"{HEAD}:{PORT}").get_all_node_info(timeout=30)
    return sum(node.state == 0 for node in found.values())


def wait_for(condition, seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {seconds:g} seconds")
        time.sleep(0.1)


def processes(*names: str) -> list[int]:
    """Those whose command line has one of the names in it, but this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if int(entry.name) != os.getpid() and any(name in line for name in names):
                found.append(int(entry.name))
    return found


def ended(project: Path) -> int:
    from tuner_app.store import SearchReader, holds_search

    if not holds_search(project):
        return 0
    with SearchReader(project) as reader:
        return sum(row.status == "COMPLETED" for row in reader.trials())


def found(project: Path) -> dict:
    from tuner_app.store import SearchReader

    with SearchReader(project) as reader:
        rows = reader.trials()
        return {r.trial_id: (r.hyperparameters, r.status, reader.history(r.trial_id)) for r in rows}


def compare(project: Path, expected: dict) -> None:
    import numpy as np

    trials = found(project)
    assert trials.keys() == expected.keys(), sorted(trials.keys() ^ expected.keys())
    for trial_id, (values, status, history) in expected.items():
        assert trials[trial_id][:2] == (values, status), (trial_id, trials[trial_id][:2])
        assert trials[trial_id][2].keys() == history.keys(), trial_id
        for at, metrics in history.items():
            for name, value in metrics.items():
                np.testing.assert_allclose(trials[trial_id][2][at][name], value, 1e-4, 1e-6)


def disturbed(what: str, folder: Path, draw: random.Random, epochs: int) -> str:
    """One search, disturbed. Returns what is to be said of it."""
    from tuner_app.remote import copying

    project, said = folder / "p", folder / "said.txt"
    engine = ["--engine=ray", "--num_workers=2"]
    engine += [f"--ray_address={HEAD}:{PORT}"] if what != "own" else []
    others = set(processes("ray"))
    target, began = draw.randrange(1, 20 if what == "join" else TRIALS - 10), time.monotonic()
    with contextlib.ExitStack() as hosts:
        second, place, here = None, str(project), None
        if what == "address":
            place, here = hosts.enter_context(at_an_address(folder)), folder / "here"
            here.mkdir()
            project = here / copying.directory_of(place)
        if what not in ("join", "own"):
            second = hosts.enter_context(other_host(folder / "other.txt", here or ""))

            def joined() -> bool:
                assert second.poll() is None, (folder / "other.txt").read_text()
                return nodes() == 2

            wait_for(joined, 300, "two nodes")
        process = tuner_app(
            *("search", *words(folder.parent, epochs), f"--project={place}", *engine),
            *(["--keep_best=0"] if what == "address" else []),  # the last one counts: all
            said=said,
            cwd=here,
        )

        def under_way() -> bool:
            assert process.poll() is None, said.read_text()
            return ended(project) >= target

        wait_for(under_way, 600, f"{target} trials")
        time.sleep(draw.uniform(0, 1))
        at = ended(project)
        if what == "join":
            hosts.enter_context(other_host(folder / "other.txt"))
        elif what == "node":
            second.kill()
        elif what == "address":
            os.kill(draw.choice(processes("ray::Worker")), signal.SIGKILL)
        else:
            victim = processes("ray::Owner")[0] if what == "owner" else process.pid
            os.kill(victim, signal.SIGKILL)
        status = process.wait(900)
        text = said.read_text()
        assert "Traceback" not in text, text
        if what in ("owner", "driver", "own"):
            assert status == (2 if what == "owner" else -9), f"{status}: {text}"
            assert what != "owner" or "owned the search died" in text, text
            kept, cleared = found(project), time.monotonic()
            names = ("ray",) if what == "own" else ("ray::Owner", "ray::Worker")
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: not set(processes(*names)) - others, 180, "no process left")
            left = [Path(f"/proc/{pid}/cmdline") for pid in set(processes(*names)) - others]
            assert not left, [path.read_text().replace("\0", " ") for path in left]
            cleared = time.monotonic() - cleared
            process = tuner_app("resume", str(project), *engine, said=said)
            status, text = process.wait(900), said.read_text()
            again = found(project)
            for trial_id, trial in kept.items():
                assert trial[1] != "COMPLETED" or again[trial_id] == trial, trial_id
        assert status == 0 and "Traceback" not in text, f"{status}: {text}"
        if what == "address":
            shutil.rmtree(here)
            project = brought(place, folder)
            project.rename(folder / "p")
            project = folder / "p"
    seconds = time.monotonic() - began
    deaths = len(re.findall(r"Worker w\d+ died", text))
    died = f"{deaths} worker died, {shares(text)}, "
    extra = {"node": died, "address": died, "join": f"{shares(text)}, "}.get(what, "")
    if what in ("owner", "driver", "own"):
        extra = f"processes gone after {cleared:.1f} s, "
    return (
        f"{what} at {at:3} of {TRIALS} trials: {extra}{ended(project)} completed, {seconds:.0f} s"
    )


def shares(text: str) -> str:
    """What the search's summary says of its workers."""
    return re.search("Device: *(.*)", text)[1]


def words(folder: Path, epochs: int) -> list[str]:
    """What is searched: a small model, so that the search is about who trains what."""
    import numpy as np

    data = folder / "data.csv"
    if not data.exists():
        x = np.random.default_rng(0).standard_normal((60, 3))
        rows = np.column_stack([x, x.sum(axis=1)])
        np.savetxt(data, rows, "%.6f", delimiter=",", header="a,b,c,y", comments="")
    return [
        *(f"--dataset=csv:{data}?target=y", f"--space={ROOT / 'tests/faults/space.py'}:build"),
        *(f"--max_trials={TRIALS}", f"--epochs={epochs}", "--batch_size=8", "--patience=0"),
        *("--lanes=4", "--keep_best=3"),
    ]


def inside(options: argparse.Namespace) -> None:
    sys.path.insert(0, str(ROOT))
    os.environ |= {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.environ["FSSPEC_FTP_PASSWORD"] = ACCOUNT[1]
    tool("ip", "link", "set", "lo", "up")
    draw, began = random.Random(options.seed), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="two-hosts-"))
    process = tuner_app(
        *("search", *words(folder, options.epochs), f"--project={folder / 'one'}"),
        said=folder / "one.txt",
    )
    assert process.wait(600) == 0, (folder / "one.txt").read_text()
    expected = found(folder / "one")
    print(f"one process: {len(expected)} trials, {time.monotonic() - began:.0f} s", flush=True)
    if set(options.what) != {"own"}:
        ray_start_head()
    done = 0
    for i in range(options.repetitions):
        if time.monotonic() - began > options.seconds:
            break
        what = options.what[i % len(options.what)]
        here = folder / str(i)
        here.mkdir()
        line = disturbed(what, here, draw, options.epochs)
        compare(here / "p", expected)
        load = os.getloadavg()[0]
        print(f"{i + 1:3} {line}, equal to one process's; load {load:.1f}", flush=True)
        done += 1
    print(f"{done} repetitions, all with {TRIALS} trials completed and equal results")
    shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--what", type=lambda text: text.split(","), default=["node"])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1500.0, help="then none begins")
    options = parser.parse_args()
    if unknown := set(options.what) - set(WHAT):
        parser.error(f"{unknown.pop()!r} is none of {', '.join(WHAT)}")
    if os.environ.get(INSIDE):
        inside(options)
        return
    alone(INSIDE, __file__)


def alone(mark: str, script: str) -> NoReturn:
    """Runs the script again, with `mark` in its environment, in name spaces of its own."""
    # Without the surroundings' proxies, which know nothing of these addresses.
    kept = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": tempfile.mkdtemp(), mark: "1"}
    # The shell is process 1, which has to reap: a dead process that is not is alive to Ray.
    again = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, str(Path(script).absolute())]
    os.execvpe("unshare", ["unshare", *ALONE, *again, *sys.argv[1:]], kept)


if __name__ == "__main__":
    main()
