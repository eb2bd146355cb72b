"""Searches whose trials cost nothing: what a trial gives is a function of its values."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def quick_tuner(tmp_path: Path):
    """Makes a tuner over x in [0, 1] and a choice of units, whose trials are a function's calls.

    `quick_tuner(outcome, oracle="random", max_trials=5, seed=0, **arguments)`: `outcome(x, run)`
    gives the score (`run` counts the runs from 0) or raises; two epochs are reported for each.
    """
    from tuner_app import oracles
    from tuner_app.tuners import SequentialTuner

    class QuickTuner(SequentialTuner):
        runs = 0

        def _populate_initial_space(self):
            super()._populate_initial_space()
            hp = self.oracle.get_space()
            declare(hp)
            self.oracle.update_space(hp)

        def run_trial(self, trial, epochs=2):
            x = declare(trial.hyperparameters)
            run, self.runs = self.runs, self.runs + 1
            score = self.outcome(x, run)
            for epoch in range(epochs):
                metrics = {"loss": score + epoch, "score": score + epochs - 1 - epoch}
                self._report_epoch(trial.trial_id, 0, epoch, metrics)
            return {"score": score}

    def make(
        outcome: Callable[[float, int], float] = lambda x, run: (x - 0.3) ** 2,
        oracle: str = "random",
        max_trials: int | None = 5,
        seed: int | None = 0,
        objective: str = "score",
        name: str = "search",
        space: str = "usual",
        options: dict | None = None,
        **arguments,
    ) -> QuickTuner:
        import keras_tuner

        chosen = oracles.create(
            oracle,
            keras_tuner.Objective(objective, "min"),
            max_trials,
            seed,
            **(options or {}),
        )
        chosen.hyperparameters.Fixed("space", space)
        if space == "wider":
            chosen.hyperparameters.Float("x", 0.0, 2.0)
        tuner = QuickTuner(chosen, directory=tmp_path, project_name=name, **arguments)
        tuner.outcome = outcome
        return tuner

    def declare(hp) -> float:
        units = hp.Choice("units", [8, 16, 32])
        assert units in (8, 16, 32)
        return hp.Float("x", 0.0, 1.0)

    return make
