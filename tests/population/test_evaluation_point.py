"""Lanes are evaluated where their optimizers' rules say, beside others that stay where they are."""

import keras
import numpy as np
import pytest

from tuner_app.optimizers import Adam, Nesterov, evaluation_point
from tuner_app.population import Population

RNG = np.random.default_rng(0)
X = RNG.standard_normal((32, 3)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5]], "float32")


def build(kind, rate):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(kind(learning_rate=rate), "mse")
    return model


def test_each_lane_is_evaluated_at_its_own_rules_point():
    trials = [(Nesterov, 0.05), (Adam, 0.1), (Nesterov, 0.1)]
    losses = {}
    for at_point in (True, False):
        population = Population(
            (X, Y),
            (X, Y),
            batch_size=16,
            shuffle=False,
            lanes=3,
            at_point=at_point,
            jit_compile=False,
        )
        for key, (kind, rate) in enumerate(trials):
            model = build(kind, rate)
            model.layers[0].kernel.assign(np.full((3, 1), 0.3))
            population.admit(key, model, seed=key, epochs=1)
        for report in population.run_epoch():
            losses[at_point, report.key] = report.logs["val_loss"]
    for key, (kind, rate) in enumerate(trials):
        model = build(kind, rate)
        model.layers[0].kernel.assign(np.full((3, 1), 0.3))
        model.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
        trained = model.evaluate(X, Y, verbose=0)
        with evaluation_point(model):
            there = model.evaluate(X, Y, verbose=0)
        assert losses[False, key] == pytest.approx(trained, rel=1e-5)
        assert losses[True, key] == pytest.approx(there, rel=1e-5)
        assert (trained != pytest.approx(there, rel=1e-3)) == (kind is Nesterov)
