"""What a second worker on a second core brings: the same search on Ray by 1 worker with 1 core, and
by 2 workers with 2.

    python benchmarks/workers.py                      # about six minutes
    python benchmarks/workers.py --rounds=3 --trials=96

One after the other, in turn, with everything of a search (its owner and Ray, too) pinned to these
cores. The time is from the beginning of the first trial to the end of the last one, so with
compiling and without the imports of the processes.

Each worker traces, compiles and checks the program for itself, which takes as long with two as with
one; so the speed-up grows with the work. The default is a search of about a minute, since nobody
starts two workers for less; with --trials=96 it is of twenty seconds, a quarter of them compiling.
Each line tells when the first trial had ended, which is after the compiling and a stack of eight.

Found on 2026-11-22 (load 1.2 to 2.3) with 384 trials: 1.77 and 1.72 times as fast; on the day
before, while a worker still waited for an answer to each report, 1.69 and 1.65; before Ray's
workers had the search's own priority and imported ahead 1.61, 1.64 and 1.72, 1.69 with 768 trials
and 1.56 with 96. Two searches that have nothing to do with each other, one on each of these cores,
train at 1.9 times the rate of one: no more is to be had there.

Where the processor time of 384 trials goes (load 7 to 8, so the time itself says little): by one
worker 76.8 s, of which the worker 67.6, the owner 6.8, the driver 0.7 and Ray's other processes
1.7; by two 83.1 s, of which the workers 73.7 (the second one compiles, too, and they share a
cache), the owner 6.9, the driver 0.7 and Ray's others 1.8. So 1.85 is the most, where no core ever
waits.

A worker waited for the owner's answers for 3.0 s of 36.9 (192 trials, load 5), the longer since the
epochs of both end together, and the owner serves one after the other. Since then reports are told
and not waited for, and the next trial is opened while one is built: 0.4 s of 31.8 (load 3). The
second worker begins 0.1 to 0.4 s after the first, and what ends first is idle for 0 to 1.1 s.

Of the compiling two fifths are XLA's; its own cache would spare them from the second search on
(TF_XLA_FLAGS=--tf_xla_persistent_cache_directory=DIR
--tf_xla_persistent_cache_device_types=CPU: a search of 8 trials took 3.3 s instead of 5.0), but it
is not switched on here: what it keeps is code for one kind of processor.

Needs Linux with user name spaces, where Ray sees loopback alone, and an otherwise idle machine:
prints its load.
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
INSIDE = "WORKERS_INSIDE"
ALONE = ["--map-root-user", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]


def build(hp):
    """The search's models: of one structure, large enough that training is most of the work."""
    import keras

    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    for _ in range(2):
        model.add(keras.layers.Dense(256, activation="relu"))
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=["accuracy"])
    return model


def seconds_of(workers: int, folder: Path, trials: int, epochs: int) -> tuple[float, float]:
    """The time of one search, by so many workers on so many cores, and until a trial had ended."""
    project = folder / "p"
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:workers]))
    done = subprocess.run(
        [
            *("taskset", "-c", cores, sys.executable, "-m", "tuner_app", "search", "--quiet"),
            *(f"--project={project}", f"--space={__file__}:build", f"--max_trials={trials}"),
            *(f"--epochs={epochs}", "--patience=0", "--lanes=8", "--keep_best=1"),
            *("--engine=ray", f"--num_workers={workers}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    with sqlite3.connect(project / "search.db") as database:
        asked = (
            "SELECT MIN(begun), MIN(ended), MAX(ended), SUM(outcome = 'COMPLETED') FROM attempts"
        )
        begun, first, ended, completed = database.execute(asked).fetchone()
    assert completed == trials, completed
    shutil.rmtree(project)
    return ended - begun, first - begun


def inside(options: argparse.Namespace) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.environ |= {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    found: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for workers in found:
                took, first = seconds_of(workers, Path(folder), options.trials, options.epochs)
                found[workers].append(took)
                told = f"{workers} on {workers}: {took:.1f} s, the first trial after {first:.1f} s"
                print(f"{told} (load {os.getloadavg()[0]:.1f})", flush=True)
    ratios = [one / two for one, two in zip(found[1], found[2], strict=True)]
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(
        f"speed-up {median(ratios):.2f} ({each}); {options.trials} trials, {options.epochs} epochs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=384)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    if os.environ.get(INSIDE):
        inside(options)
        return
    # Without the surroundings' proxies, which know nothing of this loopback.
    kept = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": tempfile.mkdtemp(), INSIDE: "1"}
    again = [sys.executable, str(Path(__file__).absolute()), *sys.argv[1:]]
    os.execvpe("unshare", ["unshare", *ALONE, *again], kept)


if __name__ == "__main__":
    main()
