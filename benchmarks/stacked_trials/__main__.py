"""Trials an hour, and what else they cost: KerasTuner, Optuna, Ray Tune, and the same stacked.

    python -m benchmarks.stacked_trials                        # everything: about 12 minutes
    python -m benchmarks.stacked_trials --works=mlp --systems=keras_tuner,tensorflow
    python -m benchmarks.stacked_trials.plot                   # draws docs/stacked-trials.svg
    python -m benchmarks.stacked_trials.table                  # prints the README's table

Each system runs in a process of its own, one after another, on the same data, models, epochs and
batch size, all random search; the stacked ones by `tuner_app.RandomSearch`, as a user would. What
is not installed is named and left out. On a machine without TensorFlow all run on JAX.
"""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.stacked_trials.systems import SYSTEMS
from benchmarks.stacked_trials.table import as_text
from benchmarks.stacked_trials.works import WORKS

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results.json"
_PACKAGES = ("keras", "tensorflow", "jax", "keras-tuner", "optuna", "ray")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--trials", type=int, help="stacked trials; by default, as each work says")
    parser.add_argument(
        "--baseline_trials", type=int, default=4, help="the others', with the first"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    results = {**_circumstances(), "works": {}, "left_out": {}}
    began = time.monotonic()
    for work in options.works.split(","):
        rows = results["works"][work] = {}
        for system in options.systems.split(","):
            missing = [name for name in SYSTEMS[system][1] if not _installed(name)]
            if missing:
                results["left_out"][system] = f"{', '.join(missing)} is not installed"
                continue
            stacked = system in ("tensorflow", "jax")
            trials = (options.trials or WORKS[work].trials) if stacked else options.baseline_trials
            if system == "ray":  # two for each of its workers
                trials = max(4, trials)
            rows[system] = _in_process(system, work, trials)
            print(as_text(work, system, rows), flush=True)
            results["seconds"] = time.monotonic() - began
            options.output.write_text(json.dumps(results) + "\n")
    for system, why in results["left_out"].items():
        print(f"left out: {SYSTEMS[system][0]}: {why}")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _in_process(system: str, work: str, trials: int) -> dict:
    backend = system if system in ("tensorflow", "jax") else None
    backend = backend or ("tensorflow" if _installed("tensorflow") else "jax")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    words = [sys.executable, "-m", "benchmarks.stacked_trials.one", system, work, str(trials)]
    done = subprocess.run(
        words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{system} on {work} failed:\n{done.stderr[-3000:]}")
    return {"backend": backend, **json.loads(done.stdout.splitlines()[-1])}


def _circumstances() -> dict:
    return {
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python -m benchmarks.stacked_trials", *sys.argv[1:]]),
        "machine": {
            "cores": os.cpu_count(),
            "processor": _processor(),
            "accelerator": _accelerator(),
            "system": platform.system(),
            "python": platform.python_version(),
            "load_before": os.getloadavg()[0],
        },
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")


def _accelerator() -> str:
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
