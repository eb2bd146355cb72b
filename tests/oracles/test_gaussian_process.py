"""The Gaussian process against scikit-learn's, and what the oracle makes of it."""

import random

import keras_tuner
import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from tuner_app.oracles import BayesianOracle
from tuner_app.oracles.gaussian_process import GaussianProcess, likeliest_length

RNG = np.random.default_rng(0)
X = RNG.random((30, 3))
Y = 5 + np.sin(5 * X[:, 0]) + (X[:, 1] - 0.3) ** 2 + 0.01 * RNG.standard_normal(30)
AT = RNG.random((20, 3))


def sklearns(x, y, length):
    kernel = Matern(length, length_scale_bounds="fixed", nu=2.5)
    found = GaussianProcessRegressor(kernel, alpha=1e-4, normalize_y=True).fit(x, y)
    return found.predict(AT, return_std=True)


def test_mean_and_deviation_are_sklearns():
    mean, deviation = GaussianProcess(X, Y, 1e-4, 0.7).predict(AT)
    expected = sklearns(X, Y, 0.7)
    np.testing.assert_allclose(mean, expected[0], rtol=1e-8)
    np.testing.assert_allclose(deviation, expected[1], rtol=1e-5)


def test_expected_scores_are_those_of_a_fit_with_them():
    process = GaussianProcess(X, Y, 1e-4, 0.7)
    scores = process.predict(AT[:4])[0]
    process.watch(AT)
    for point in AT[:4]:
        process.expect(point)
    mean, deviation = process.predict(AT)
    np.testing.assert_allclose(process.watched(), (mean, deviation), rtol=1e-6)
    scale = np.std([*Y, *scores]) / np.std(Y)  # the other fit normalizes with the new scores too
    expected = sklearns(np.vstack([X, AT[:4]]), np.array([*Y, *scores]), 0.7)
    np.testing.assert_allclose(deviation, expected[1] / scale, rtol=1e-5)
    np.testing.assert_allclose(mean, GaussianProcess(X, Y, 1e-4, 0.7).predict(AT)[0], rtol=1e-12)


def test_the_length_is_sklearns_likeliest():
    fitted = GaussianProcessRegressor(Matern(nu=2.5), alpha=1e-4, normalize_y=True).fit(X, Y)
    assert likeliest_length(X, Y, 1e-4) == pytest.approx(fitted.kernel_.length_scale, rel=0.15)


def bowl(hp):
    return (hp.get("x") - 0.3) ** 2 + (hp.get("y") - 0.8) ** 2


def oracle_of(**space):
    oracle = BayesianOracle(
        objective=keras_tuner.Objective("score", "min"), max_trials=200, seed=0, beta=1.0
    )
    for name, (low, high, step) in space.items():
        oracle.hyperparameters.Float(name, low, high, step=step)
    return oracle


def ended(oracle, trial, score):
    oracle.update_trial(trial.trial_id, {"score": score})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


def test_it_finds_a_minimum_that_random_points_miss():
    oracle = oracle_of(x=(0.0, 1.0, None), y=(0.0, 1.0, None))
    for _ in range(8):  # five at a time
        trials = [oracle.create_trial(f"slot{slot}") for slot in range(5)]
        for trial in trials:
            ended(oracle, trial, bowl(trial.hyperparameters))
    # The nearest of 40 random points is 0.08 away in the mean: (1 / 40 / pi) ** 0.5.
    assert oracle.get_best_trials(1)[0].score < 0.02**2


def test_many_open_trials_of_a_discrete_space_are_all_different():
    oracle, draw = oracle_of(x=(0.0, 1.0, 0.1), y=(0.0, 1.0, 0.1)), random.Random(0)
    points = set()
    for slots in (11, 60, 50):
        trials = [oracle.create_trial(f"slot{slot}") for slot in range(slots)]
        running = [trial for trial in trials if trial.status == "RUNNING"]
        points |= {tuple(trial.hyperparameters.values.values()) for trial in running}
        for trial in running:
            ended(oracle, trial, bowl(trial.hyperparameters) + 0.001 * draw.random())
    assert len(points) == 100 == len(oracle.trials)  # ten values of each; the last ask ended it
