"""What a search finds for the same number of trials: ten functions, three tabulated trainings.

    python -m benchmarks.search_quality --seeds=20 --trials=40 --minutes=30

Writes results.json and docs/search-quality.svg, and prints the table. What is done is kept in
--runs and not done again, so that a run that ended at its --minutes goes on where it was.
KerasTuner's Bayesian oracle takes nearly all of the time: half an hour for 20 seeds, the others
together ten minutes. A run of some --systems leaves what is known of the others as it is.
"""

import argparse
import json
import os
import time
import zlib
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # else small matrices take all cores
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.search_quality import summary
from benchmarks.search_quality.functions import EPOCHS, FUNCTIONS
from benchmarks.search_quality.systems import SYSTEMS, search
from benchmarks.search_quality.tables import TITLES, Table

HERE = Path(__file__).parent


def tasks() -> dict:
    """Every task by its name."""
    every = [*FUNCTIONS, *(Table(key) for key in TITLES)]
    return {task.name: task for task in every}


def best_so_far(found: list[tuple[float, int, float]], trials: int) -> list[float]:
    """The best score after the epochs of 1, 2, ... whole trials; infinite before the first."""
    best = [float("inf")] * trials
    for spent, _, score in found:
        place = -(-spent // EPOCHS) - 1
        for later in range(place, trials):
            best[later] = min(best[later], score)
    return best


def measure(arguments, runs: dict, until: float) -> None:
    """Does what is not done yet, seed by seed, until the time is over."""
    chosen = tasks()
    if arguments.tasks:
        chosen = {name: chosen[name] for name in arguments.tasks.split(",")}
    for seed in range(arguments.seeds):
        for name, task in chosen.items():
            # Far apart: KerasTuner draws its n-th value by seed + n, so that searches of seeds that
            # follow one another try the same values.
            mixed = np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1)
            for system in arguments.systems.split(","):
                kept = runs.setdefault(f"{name}|{system}", {})
                if str(seed) in kept:
                    continue
                if time.monotonic() > until:
                    return
                found = search(system, task, int(mixed[0] >> 2), arguments.trials)
                curve = best_so_far(found, arguments.trials)
                kept[str(seed)] = [float(f"{value:.5g}") for value in curve]
        Path(arguments.runs).write_text(json.dumps(runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--tasks", default="", help="names, with commas; default: all")
    parser.add_argument("--runs", default="search_quality_runs.json")
    arguments = parser.parse_args()
    path = Path(arguments.runs)
    runs = json.loads(path.read_text()) if path.exists() else {}
    measure(arguments, runs, time.monotonic() + 60 * arguments.minutes)
    path.write_text(json.dumps(runs))
    summary.write(runs, arguments.trials)


if __name__ == "__main__":
    main()
