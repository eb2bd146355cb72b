"""A trial that a worker trains by `fit`, and another one goes on with after its death."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from tuner_app import oracles
from tuner_app.cluster.apart import Apart
from tuner_app.cluster.service import SearchService
from tuner_app.cluster.worker_tuner import WorkerTuner
from tuner_app.store import SearchReader
from tuner_app.tuners import PopulationTuner

x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
FIT = {"x": x, "y": 2 * x, "epochs": 4, "validation_data": (x, 2 * x), "verbose": 0}


class Own(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


def build(hp):
    """Each epoch is worse than the one before: the weights to be kept are those of the first."""
    model = Own([keras.Input((1,)), keras.layers.Dense(1)])
    rate = hp.Float("rate", 4.0, 4.5)
    model.compile(keras.optimizers.SGD(rate), "mse", jit_compile=False)
    return model


def tuner(folder: Path) -> PopulationTuner:
    oracle = oracles.create("random", "val_loss", max_trials=1, seed=3)
    return PopulationTuner(oracle, build, directory=str(folder), project_name="p", lanes=1)


class Died(BaseException):
    """The worker's process is gone."""


def test_a_trial_by_fit_goes_on_with_a_worker_on_another_machine(tmp_path):
    tuner(tmp_path / "alone").search(**FIT)
    service = SearchService(tuner(tmp_path), workers=2, lease=1e9)
    service.begin(FIT["epochs"])

    def away(name: str) -> WorkerTuner:
        folder = tmp_path / f"host of {name}" / "p"
        folder.mkdir(parents=True)
        options = {"directory": str(folder.parent), "project_name": "p", "lanes": 1}
        place = Apart(folder, service.files, name)
        return WorkerTuner(service, name, build, apart=place, checkpoint_seconds=0, **options)

    first = away("a")
    report = first._report_epochs

    def dies_in_the_third(reports):
        if reports[0][2] == 2:
            raise Died
        report(reports)

    first._report_epochs = dies_in_the_third
    with pytest.raises(Died):
        first.search(**FIT)
    first.send_checkpoint()  # which a thread does all ten seconds
    assert service.lost("a") == ["0"]
    shutil.rmtree(tmp_path / "host of a")
    away("b").search(**FIT)
    service.finish("done")
    found = []
    for folder in (tmp_path / "p", tmp_path / "alone" / "p"):
        with SearchReader(folder) as reader:
            (row,) = reader.trials()
            found.append((row, reader.history("0")))
        model = build(oracles.create("random", "val_loss", 1).get_space())
        model.load_weights(folder / "trial_0" / "checkpoint.weights.h5")
        assert model.evaluate(x, 2 * x, verbose=0) == pytest.approx(row.score, rel=1e-5)
    (row, history), (alone, expected) = found
    assert alone.best_epoch == 0 and row.score == alone.score and history == expected
    reason = "trained by fit: Own has its own train_step"
    assert alone.message == reason
    assert row.message == f"{reason}; interrupted, and gone on with after epoch 2"
