"""What it gains that lanes with different optimizers share a program, over a program a type.

    python -m benchmarks.stacked_trials.mixed                        # both backends, 3 rounds
    python -m benchmarks.stacked_trials.mixed --backends=jax --rounds=1 --trials=60

The search over six optimizer types, with all types in one program and with one program a type, in
turns, each in a process of its own. Prints for each the seconds of the whole search, of its tracing
and compiling, and of the rest.

Found on 2026-11-21 by `--rounds=1` on 2 cores (load 1.2 to 1.8): on TensorFlow 15.2 s in one
program and 23.9 s in six, of which 2.7 and 6.5 s went into tracing and compiling; on JAX 15.8 and
24.2 s, of which 0.5 and 1.9 s.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = "types"
WAYS = {"shared": "one program", "apart": "a program a type"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", default="tensorflow,jax")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--once", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(_search(options.once, options.trials)))
        return
    for backend in options.backends.split(","):
        found = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way in WAYS:
                found[way].append(_in_process(backend, way, options.trials))
                print(_line(backend, way, found[way][-1]), flush=True)
        for way in WAYS:
            middle = {name: statistics.median(one[name] for one in found[way]) for name in _NAMES}
            print(_line(backend, f"{way}, median", middle), flush=True)


_NAMES = ("seconds", "compiling", "rest", "stacks")


def _line(backend: str, way: str, one: dict) -> str:
    load = f", load {one['load']:.1f}" if "load" in one else ""
    return (
        f"{backend}, {way}: {one['seconds']:.1f} s, of which {one['compiling']:.1f} s tracing and "
        f"compiling, {one['rest']:.1f} s the rest; {one['stacks']:.0f} programs{load}"
    )


def _in_process(backend: str, way: str, trials: int) -> dict:
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": str(ROOT),
    }
    words = [sys.executable, "-m", "benchmarks.stacked_trials.mixed"]
    words += [f"--once={way}", f"--trials={trials}"]
    done = subprocess.run(
        words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{way} on {backend} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _search(way: str, trials: int) -> dict:
    from benchmarks.stacked_trials.systems import stacked
    from benchmarks.stacked_trials.works import WORKS
    from tuner_app.population.lanes import stack

    if way == "apart":
        stack.mixable = lambda model: False
    record = stacked(WORKS[WORK], trials)
    seconds, compiling = record.seconds_a_trial * trials, record.compiling * trials
    return {
        "seconds": seconds,
        "compiling": compiling,
        "rest": seconds - compiling,
        "stacks": record.notes["stacks"],
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()
