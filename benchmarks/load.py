"""How a search bears load: many finished trials in a project directory, many reports a second.

    python benchmarks/load.py --trials=10000 --workers=8 --seconds=5

Prints what it takes to propose and record a trial of eight hyperparameters after a thousand
others; seconds for `results`, for what a resume does before it trains (of a search that was killed
after its last trial), for a resume of a search that has ended by itself, and for `report`, on a
directory with so many finished trials of ten epochs; and how many epoch reports a second a
`SearchService` takes through its gRPC channel from workers in processes of their own, and how many
of them are missing in the database afterwards.

Besides the seconds that pass it prints the processor's, which on a busy machine say more.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent import futures
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

EPOCHS, AT_ONCE = 10, 8


def filled(folder: Path, trials: int) -> Path:
    """A project directory as a search of so many trials leaves it."""
    from tuner_app import SearchConfig
    from tuner_app.preparation import prepare

    config = SearchConfig(space="linear", project=str(folder / "p"), max_trials=trials, epochs=10)
    tuner = prepare(config).tuner
    tuner._attach()
    tuner.store.set_fact("epochs", EPOCHS)
    clock = time.process_time()
    for number in range(trials):
        if number and number % (trials // 5) == 0:
            each = 1e3 * (time.process_time() - clock) / (trials // 5)
            told = f"up to trial {number:,}: {each:.1f} ms of the processor each, "
            print(f"{told}{memory():,.0f} MB", file=sys.stderr, flush=True)
            clock = time.process_time()
        trial = tuner._open_trial()
        logs = [
            {"loss": 1 / (e + 1), "val_loss": 1.5 / (e + 1), "accuracy": 0.5, "val_accuracy": a}
            for e, a in ((e, (number * 7919 % trials) / trials) for e in range(EPOCHS))
        ]
        tuner._report_epochs((trial.trial_id, 0, e, log) for e, log in enumerate(logs))
        tuner._close_trial(trial, logs[-1], best_epoch=EPOCHS - 1, mode="stacked")
    tuner.close()
    return folder / "p"


def overhead(folder: Path, name: str, trials: int) -> tuple[float, float]:
    """Milliseconds to propose and to record a trial after so many: passed, and the processor's."""
    import keras_tuner

    from tuner_app import oracles
    from tuner_app.store import SearchStore

    oracle = oracles.create(name, keras_tuner.Objective("score", "min"), None, 0)
    hp = oracle.hyperparameters
    for number in range(4):
        hp.Float(f"rate{number}", 1e-4, 1.0, sampling="log")
    hp.Int("units", 8, 256, step=8)
    hp.Int("layers", 1, 3)
    hp.Choice("activation", ["relu", "gelu", "tanh"])
    hp.Float("dropout", 0.0, 0.5)
    passed, worked = [], []
    with SearchStore(folder / name) as store:
        oracle.attach(store)
        for _ in range(trials + 100):
            clocks = time.perf_counter(), time.process_time()
            trial = oracle.create_trial("slot0")
            score = trial.hyperparameters.values["rate0"]
            oracle.update_trial(trial.trial_id, {"score": score})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
            passed.append(time.perf_counter() - clocks[0])
            worked.append(time.process_time() - clocks[1])
    return 1e3 * statistics.median(passed[-100:]), 1e3 * statistics.median(worked[-100:])


def children() -> float:
    """Seconds that the processor worked for processes that were waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def memory() -> float:
    """Megabytes of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def seconds_of(words: list[str]) -> float:
    # As a user has it: with what Python compiled of our modules kept.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tuner_app", *words],
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def served(folder: Path, workers: int, seconds: float) -> tuple[float, int]:
    """Reports a second from so many processes, and how many were lost."""
    from tuner_app import SearchConfig
    from tuner_app.cluster.channel import serve
    from tuner_app.cluster.service import SearchService
    from tuner_app.preparation import prepare

    config = SearchConfig(space="linear", project=str(folder / "s"), max_trials=10**6)
    tuner = prepare(config).tuner
    address = "127.0.0.1:47391"
    with futures.ThreadPoolExecutor(max_workers=1) as thread:
        service = thread.submit(lambda: SearchService(tuner, workers)).result()
        thread.submit(service.begin, None).result()
        server = serve(service, address, thread)
        words = [sys.executable, __file__, f"--worker={address}", f"--seconds={seconds}"]
        processes = [
            subprocess.Popen(
                [*words, f"--name=w{i}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for i in range(workers)
        ]
        for process in processes:  # all have joined before the first report
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
        server.stop(grace=1).wait()
        found = thread.submit(
            lambda: sum(len(tuner.store.history(row.trial_id)) for row in tuner.store.trials())
        ).result()
        thread.submit(service.finish, "interrupted").result()
    sent = sum(t["sent"] for t in told)
    took = max(t["ended"] for t in told) - min(t["began"] for t in told)
    return sent / took, sent - found


def work(address: str, name: str, seconds: float) -> None:
    """A worker that trains nothing, and reports: eight trials at a time, as a stack of lanes."""
    from tuner_app.cluster.channel import Channel

    service = Channel(address)
    service.join(name)
    trials = [service.open(name, slot).row.trial_id for slot in range(AT_ONCE)]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.time()
    until, epoch = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        logs = {"loss": 1.0, "val_loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.5}
        service.report(name, [(i, 0, epoch, logs, 1.0) for i in trials])
        epoch += 1
    print(json.dumps({"sent": epoch * len(trials), "began": began, "ended": time.time()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--worker", default="")
    parser.add_argument("--name", default="")
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker, arguments.name, arguments.seconds)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("random", "sobol", "tpe"):
            passed, worked = overhead(folder, name, 1000)
            print(f"{name:8} {passed:6.1f} ms a trial after 1,000 ({worked:.1f} of the processor)")
        rate, lost = served(folder, arguments.workers, arguments.seconds)
        print(f"epoch reports from {arguments.workers} workers: {rate:,.0f} a second, {lost} lost")
        began = time.monotonic()
        with contextlib.redirect_stdout(io.StringIO()):
            project = filled(folder, arguments.trials)
        print(f"{arguments.trials:,} trials: written in {time.monotonic() - began:.1f} s")
        killed = shutil.copytree(project, folder / "killed")
        for told, words in (
            ("results", ["results", str(project)]),
            ("resume, killed", ["resume", str(project), "--quiet"]),
            ("resume, killed", ["resume", str(killed), "--quiet"]),
            ("resume, finished", ["resume", str(project), "--quiet"]),
            ("report", ["report", str(project)]),
        ):
            before = children()
            spent = seconds_of(words)
            worked = children() - before
            print(f"{told:16} {spent:6.1f} s ({worked:.1f} of the processor)", flush=True)


if __name__ == "__main__":
    main()
