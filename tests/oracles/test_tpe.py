"""TPE in arrays: Optuna's proposals, and densities that SciPy's distributions agree with."""

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import stats

from tuner_app.oracles.parzen import Parzen
from tuner_app.oracles.quiet_optuna import quiet_optuna
from tuner_app.oracles.tpe import TPESampler


def of_every_kind(trial) -> float:
    """Every kind of dimension, one of them conditional; some trials are pruned, some fail."""
    a = trial.suggest_float("a", 0.0, 1.0)
    b = trial.suggest_float("b", 1e-4, 1.0, log=True)
    c = trial.suggest_int("c", 1, 10)
    d = trial.suggest_int("d", 1, 1000, log=True)
    e = trial.suggest_float("e", 0.0, 0.5, step=0.05)
    kind = trial.suggest_categorical("kind", ["x", "y", "z"])
    loss = (a - 0.3) ** 2 + b + abs(c - 4) / 10 + abs(math.log(d / 30)) / 5 + e + (kind == "z") / 3
    if kind == "y":
        loss += (trial.suggest_float("f", 0.0, 1.0, step=0.1) - 0.2) ** 2
    if trial.number % 7 == 3:
        trial.report(loss, trial.number % 3)
        raise optuna.TrialPruned
    return math.nan if trial.number % 11 == 3 else loss


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_proposals_are_optunas(direction):
    found = []
    for kind in (optuna.samplers.TPESampler, TPESampler):
        with quiet_optuna():
            study = optuna.create_study(sampler=kind(seed=5), direction=direction)
            optuna.logging.set_verbosity(optuna.logging.ERROR)  # of trials without a number
            study.optimize(of_every_kind, n_trials=120)
        found.append([trial.params for trial in study.trials])
    for theirs, ours in zip(*found, strict=True):
        assert ours.pop("kind") == theirs.pop("kind")
        assert ours == pytest.approx(theirs, rel=1e-11)


def test_a_mixture_is_made_of_cut_normal_distributions():
    space = {
        "a": FloatDistribution(0.0, 2.0),
        "b": FloatDistribution(1e-3, 1.0, log=True),
        "c": IntDistribution(1, 7),
        "kind": CategoricalDistribution(["x", "y"]),
    }
    observed = np.array([[0.1, 0.2, 2.0, 0], [1.9, 0.01, 2.0, 1], [0.4, 0.5, 7.0, 1]])
    parameters = TPESampler(seed=0)._parzen_estimator_parameters
    mixture = Parzen(observed, space, parameters)
    # Kernels: the three and the prior, all of one weight; its mean is the middle of the range, its
    # width all of it. Below that the width is the farther neighbour's distance, but for the lowest
    # and the highest the only neighbour's, and at least a fifth (1 / (1 + kernels)) of the range.
    log = np.log(observed[:, 1])
    whole, middle = np.log(1e3), np.log(1e-3) / 2
    kernels = {
        "a": ([0.1, 1.9, 0.4, 1.0], [0.4, 1.5, 1.5, 2.0], 0.0, 2.0),
        "b": ([*log, middle], [np.log(20), np.log(20), whole / 5, whole], -whole, 0.0),
        "c": ([2.0, 2.0, 7.0, 4.0], [7 / 5, 5.0, 5.0, 7.0], 0.5, 7.5),
    }
    points = np.array([[0.3, 0.3, 3.0, 1], [2.0, 0.002, 7.0, 0], [1.0, 0.9, 2.0, 1]])
    likely = np.ones((3, 4)) / 4
    for column, (name, (means, widths, low, high)) in enumerate(kernels.items()):
        x = np.log(points[:, 1]) if name == "b" else points[:, column]
        for kernel, (mean, width) in enumerate(zip(means, widths, strict=True)):
            cut = stats.truncnorm((low - mean) / width, (high - mean) / width, mean, width)
            likely[:, kernel] *= cut.cdf(x + 0.5) - cut.cdf(x - 0.5) if name == "c" else cut.pdf(x)
    shares = np.array([[1.25, 0.25], [0.25, 1.25], [0.25, 1.25], [0.25, 0.25]])
    shares /= shares.sum(axis=1, keepdims=True)
    likely *= shares[:, points[:, 3].astype(int)].T
    assert np.exp(mixture.log_density(points)) == pytest.approx(likely.sum(axis=1), rel=1e-9)
    drawn = mixture.sample(np.random.RandomState(0), 4000)
    a = [
        stats.truncnorm((0 - m) / w, (2 - m) / w, m, w)
        for m, w in zip(*kernels["a"][:2], strict=True)
    ]
    distance = stats.kstest(drawn[:, 0], lambda x: np.mean([cut.cdf(x) for cut in a], axis=0))
    assert distance.pvalue > 0.001
    assert set(drawn[:, 2]) == set(range(1, 8))
