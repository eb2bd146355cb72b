"""Best against seconds, measured: real trainings, ours stacked, KerasTuner's one after another.

    python -m benchmarks.search_quality.seconds --seeds=3       # a quarter of an hour, at most

The model of `space.py` on digits for 27 epochs; validation loss. Each search is a process of its
own; the clocks, of the wall and of the processor, start when it begins to search, and are read
whenever a trial has ended. The systems take turns, since a machine is not always equally quick.
Adds "seconds" to results.json, and draws the picture anew.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.search_quality.functions import EPOCHS

HERE = Path(__file__).parent
KEY = "seconds"
SYSTEMS = {
    "random": "ours: random, stacked",
    "kt random": "KerasTuner: random",
    "auto": "ours: auto, stacked",
    "kt bayesian": "KerasTuner: Bayesian",
    "tpe": "ours: TPE, stacked",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=15, help="of KerasTuner's searches")
    parser.add_argument("--stacked", type=int, default=100, help="trials of ours")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # system, seed, trials
    arguments = parser.parse_args()
    if arguments.one:
        system, seed, trials = arguments.one
        print(json.dumps(_search(system, int(seed), int(trials))))
        return
    until, found = time.monotonic() + 60 * arguments.minutes, {name: [] for name in SYSTEMS}
    for seed in range(arguments.seeds):
        for system in arguments.systems.split(","):
            trials = arguments.trials if system.startswith("kt") else arguments.stacked
            done = _in_process(system, seed, trials, until - time.monotonic())
            if done:
                found[system].append(done)
                wall, processor, _ = found[system][-1][-1]
                each = f"{wall / trials:.3f} s a trial, {processor / trials:.3f} of the processor"
                print(f"seed {seed}, {SYSTEMS[system]}: {each}", flush=True)
    from benchmarks.search_quality import plot

    path = HERE / "results.json"
    results = json.loads(path.read_text()) | {KEY: found}
    path.write_text(json.dumps(results) + "\n")
    plot.draw(results, HERE.parents[1] / "docs" / "search-quality.svg")
    print(told(found))


def told(found: dict[str, list]) -> str:
    """For each system: seconds a trial, and seconds until it has what KerasTuner's searches have in
    the end (the median of all of theirs).

    >>> theirs, ours = [[[2.0, 3.0, 0.5], [4.0, 6.0, 0.3]]], [[[1.0, 1.0, 0.4], [1.5, 1.2, 0.2]]]
    >>> print(told({"kt random": theirs, "auto": ours}))
    KerasTuner: random: 2.000 s a trial (3.000 of the processor), best 0.3; 0.3 after 4.0 s, 1 of 1
    ours: auto, stacked: 0.750 s a trial (0.600 of the processor), best 0.2; 0.3 after 1.5 s, 1 of 1
    """
    ends = [min(row[2] for row in one) for s, runs in found.items() if "kt" in s for one in runs]
    aim, lines = float(np.median(ends)), []
    for system, runs in found.items():
        if not runs:
            continue
        rates = np.median([[one[-1][0] / len(one), one[-1][1] / len(one)] for one in runs], axis=0)
        best = np.median([min(row[2] for row in one) for one in runs])
        reached = [next((row[0] for row in one if row[2] <= aim), np.inf) for one in runs]
        done = [seconds for seconds in reached if np.isfinite(seconds)]
        after = f"{np.median(done):.1f} s" if done else "no time"
        lines.append(
            f"{SYSTEMS[system]}: {rates[0]:.3f} s a trial ({rates[1]:.3f} of the processor), best "
            f"{best:.3g}; {aim:.3g} after {after}, {len(done)} of {len(runs)}"
        )
    return "\n".join(lines)


def _in_process(system: str, seed: int, trials: int, limit: float) -> list | None:
    """What a process of its own measured; None: there was no time for it."""
    command = [sys.executable, "-m", "benchmarks.search_quality.seconds"]
    try:
        done = subprocess.run(
            [*command, "--one", system, str(seed), str(trials)],
            capture_output=True,
            text=True,
            timeout=max(0.0, limit),
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    except subprocess.TimeoutExpired:
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _search(system: str, seed: int, trials: int) -> list[list[float]]:
    """Wall seconds, processor seconds and the score of each trial that ended."""
    with tempfile.TemporaryDirectory() as folder:
        tuner, fit = (_theirs if system.startswith("kt") else _ours)(system, seed, trials, folder)
        rows, end_trial = [], tuner.oracle.end_trial
        clocks = time.perf_counter(), time.process_time()

        def end(trial, *rest):
            end_trial(trial, *rest)
            trial = tuner.oracle.trials[trial.trial_id]
            passed = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
            if trial.score is not None and np.isfinite(trial.score):
                rows.append([*(round(float(s), 3) for s in passed), float(f"{trial.score:.4g}")])

        tuner.oracle.end_trial = end
        tuner.search(**fit)
    return rows


def _ours(system: str, seed: int, trials: int, folder: str):
    from tuner_app import SearchConfig
    from tuner_app.preparation import prepare

    prepared = prepare(
        SearchConfig(
            dataset="digits",
            space=f"{HERE / 'space.py'}:Space",
            project=f"{folder}/ours",
            objective="val_loss",
            oracle=system,
            max_trials=trials,
            epochs=EPOCHS,
            patience=0,
            seed=seed,
        )
    )
    return prepared.tuner, prepared.fit


def _theirs(system: str, seed: int, trials: int, folder: str):
    import keras_tuner

    from benchmarks.search_quality.space import Space
    from tuner_app import SearchConfig, data

    dataset = data.load("digits", seed=seed)
    kinds = {
        "kt random": keras_tuner.RandomSearch,
        "kt bayesian": keras_tuner.BayesianOptimization,
    }
    tuner = kinds[system](
        Space(dataset.spec),
        objective="val_loss",
        max_trials=trials,
        seed=seed + 1,  # 0 is no seed to KerasTuner
        directory=folder,
        project_name="theirs",
    )
    x, y = dataset.train.arrays()
    tuner.oracle.verbose = 0
    return tuner, {
        "x": x,
        "y": y,
        "validation_data": dataset.validation.arrays(),
        "batch_size": SearchConfig().batch_size,
        "epochs": EPOCHS,
        "verbose": 0,
    }


if __name__ == "__main__":
    main()
