"""A search that is killed again and again, and what must hold each time it is opened again.

Run by test_kill.py; by hand: python tests/tuners/killed_search.py DIRECTORY ROUNDS SEED

The processes that are killed are forks of this one, so that Keras is imported once. Prints what
happened as JSON, or fails with an AssertionError.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import keras_tuner

from tuner_app import oracles
from tuner_app.errors import UserError
from tuner_app.store import SearchReader, holds_search
from tuner_app.tuners import SequentialTuner

TRIALS_A_ROUND = 8  # more than a round gets done, so that every kill meets a running search
ENDED = ("COMPLETED", "FAILED")


class KilledTuner(SequentialTuner):
    """Takes about 10 ms a trial and writes down, before each run, which trial it is."""

    def run_trial(self, trial):
        with open(os.path.join(self.directory, "runs.txt"), "a") as runs:
            runs.write(f"{trial.trial_id}\n")
        x = trial.hyperparameters.Float("x", 0.0, 1.0)
        for epoch in range(5):
            time.sleep(0.002)
            self._report_epoch(trial.trial_id, 0, epoch, {"score": x + 4 - epoch})
        return {"score": x}


def search(directory: Path, number: int, name: str = "search") -> None:
    oracle = oracles.create("random", keras_tuner.Objective("score", "min"), number, seed=0)
    oracle.hyperparameters.Float("x", 0.0, 1.0)
    # Kills come from outside here, and often: no trial is to blame.
    KilledTuner(oracle, directory=str(directory), project_name=name, max_deaths=10**6).search()


def ran(directory: Path) -> list[str]:
    path = directory / "runs.txt"
    return path.read_text().split() if path.exists() else []


def trials(directory: Path, name: str = "search") -> dict:
    if not holds_search(directory / name):
        return {}  # killed before it began
    try:
        with SearchReader(directory / name) as reader:
            found = reader.trials()
    except UserError as error:
        assert "holds no search" in str(error)  # killed while it made the database
        return {}
    assert len({trial.trial_id for trial in found}) == len(found)
    assert len({trial.number for trial in found}) == len(found)
    return {trial.trial_id: trial for trial in found}


def one_round(directory: Path, number: int, delay: float) -> bool:
    """Searches in another process, which is killed after `delay` seconds. Whether it was."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            search(directory, number)
            status = 0
        finally:
            os._exit(status)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the search itself failed"
    return os.WIFSIGNALED(status)


def main(directory: Path, rounds: int, seed: int) -> dict:
    draw = random.Random(seed)
    kills = mid_trial = 0
    number = TRIALS_A_ROUND * rounds
    before: dict = {}
    for _ in range(rounds):
        runs_before = len(ran(directory))
        kills += one_round(directory, number, draw.uniform(0.0, 0.12))
        after = trials(directory)
        mid_trial += any(trial.status == "RUNNING" for trial in after.values())
        for trial_id, trial in before.items():
            # No trial is lost, no id stands for another trial, what ended stays as it was.
            assert after[trial_id].hyperparameters == trial.hyperparameters
            if trial.status in ENDED:
                assert after[trial_id] == trial
                assert trial_id not in ran(directory)[runs_before:], "a completed trial ran again"
        before = after
    search(directory, number)
    search(directory, number, "undisturbed")
    answers = [
        [(trial.trial_id, trial.hyperparameters, trial.score) for trial in found.values()]
        for found in (trials(directory), trials(directory, "undisturbed"))
    ]
    assert answers[0] == answers[1]
    assert all(trial.status == "COMPLETED" for trial in trials(directory).values())
    with SearchReader(directory / "search") as reader:
        assert all(len(reader.history(trial_id)) == 5 for trial_id in trials(directory))
    return {
        "kills": kills,
        "while a trial ran": mid_trial,
        "trials": len(answers[0]),
        "runs": len(ran(directory)) - number,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
