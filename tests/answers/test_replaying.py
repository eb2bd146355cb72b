"""Confirmed are the values as they changed: each run is what plain Keras makes of the same line."""

import keras_tuner
import numpy as np

from tuner_app import data
from tuner_app.answers import runs
from tuner_app.answers.confirming import from_first_epoch
from tuner_app.config import SearchConfig
from tuner_app.optimizers import EvaluateAtPoint
from tuner_app.population import replay
from tuner_app.results.lineage import Stretch
from tuner_app.store import TrialRow

SPACE = """
import keras

def build(hp):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5)),
            keras.layers.Dense(10),
        ]
    )
    rate = hp.Float("rate", 0.001, 1.0, sampling="log")
    if hp.Boolean("cosine"):
        rate = keras.optimizers.schedules.CosineDecay(rate, 200)
    else:
        rate = keras.optimizers.schedules.ExponentialDecay(rate, 100, 0.5)
    model.compile(
        keras.optimizers.SGD(rate, momentum=hp.Float("momentum", 0.0, 0.9)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
"""


def stretch(first, end, trial_id, dropout, rate, momentum, cosine):
    values = {"dropout": dropout, "rate": rate, "cosine": cosine, "momentum": momentum}
    return Stretch(first, end, trial_id, values)


LINES = {
    # Other numbers; another schedule too, after a number of epochs that the first's does not
    # divide; and a line without a copy, which ends early.
    "a": [stretch(0, 2, "0", 0.1, 0.02, 0.5, False), stretch(2, 4, "a", 0.4, 0.005, 0.9, False)],
    "b": [stretch(0, 3, "1", 0.1, 0.1, 0.2, False), stretch(3, 4, "b", 0.2, 0.05, 0.1, True)],
    "c": [stretch(0, 2, "c", 0.3, 0.05, 0.8, True)],
}


def test_a_line_is_trained_as_plain_keras_trains_it(tmp_path):
    (tmp_path / "space.py").write_text(SPACE)
    config = SearchConfig(space=f"{tmp_path}/space.py:build", epochs=4, lanes="2")
    dataset = data.load("digits", seed=0)
    objective = {"name": "val_loss", "direction": "min"}
    wanted = [
        runs.Wanted(name, line[-1].values, seed, line)
        for name, line in LINES.items()
        for seed in ((11, 12) if name == "a" else (13,))
    ]
    found = runs.run(config, dataset, wanted, objective, tmp_path / "runs")
    space = runs.search_spaces.load(config.space, dataset.spec, config.optimizers, 120)

    def build(values):
        hyperparameters = keras_tuner.HyperParameters()
        hyperparameters.values = dict(values)
        return space.build(hyperparameters)

    for one, ran in zip(wanted[1:], found[1:], strict=True):
        assert (ran.name, ran.seed, ran.mode, ran.epochs) == (
            one.name,
            one.seed,
            "stacked",
            one.line[-1].end,
        )
        _, metrics = replay.fit(
            build,
            [(s.first, s.end, s.values) for s in one.line],
            *dataset.train.arrays(),
            seed=one.seed,
            batch_size=config.batch_size,
            validation_data=dataset.validation.arrays(),
            callbacks=[EvaluateAtPoint()],
            verbose=0,
        )
        curve = [ran.history[0, epoch]["val_loss"] for epoch in range(ran.epochs)]
        np.testing.assert_allclose(curve, metrics["val_loss"], rtol=1e-3)
        assert ran.score == min(curve)


def test_a_promoted_trial_is_confirmed_from_its_first_epoch_on():
    values = {"rate": 0.1, "tuner/epochs": 9, "tuner/initial_epoch": 3, "tuner/trial_id": "2"}
    row = TrialRow("5", 5, "COMPLETED", 1, values, 0.5)
    assert from_first_epoch(row) == {"rate": 0.1, "tuner/epochs": 9, "tuner/initial_epoch": 0}
    assert from_first_epoch(TrialRow("6", 6, "COMPLETED", 1, {"rate": 0.1}, 0.5)) == {"rate": 0.1}
