"""`auto`: its Gaussian process by other means, and what the search proposes by it."""

import keras_tuner
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from tuner_app import oracles
from tuner_app.oracles.anisotropic import AnisotropicProcess, fit, log_expected_improvement
from tuner_app.oracles.auto import warped
from tuner_app.oracles.cube import Cube
from tuner_app.oracles.dimensions import SearchSpace

SCORE = keras_tuner.Objective("score", "min")


def scored(number: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Points of three columns, the last of which does not matter, and normalized scores."""
    x = np.random.default_rng(3).random((number, 3))
    y = np.sin(5 * x[:, 0]) + x[:, 1] ** 2
    return x, (y - y.mean()) / y.std()


def covariance(x: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Of the scores, in units of the kernel's variance, by scikit-learn's kernel."""
    return Matern(np.exp(logs[:-1]), nu=2.5)(x) + np.exp(logs[-1]) * np.eye(len(x))


def test_mean_and_deviation_are_scikit_learns():
    x, y = scored()
    logs = np.log([0.4, 0.9, 3.0, 1e-3])
    variance = y @ np.linalg.solve(covariance(x, logs), y) / len(y)
    kernel = ConstantKernel(variance) * Matern(np.exp(logs[:-1]), nu=2.5)
    theirs = GaussianProcessRegressor(kernel, alpha=variance * 1e-3, optimizer=None).fit(x, y)
    points = np.random.default_rng(4).random((50, 3))
    mean, deviation = AnisotropicProcess(x, y, np.arange(3), logs).predict(points)
    expected = theirs.predict(points, return_std=True)
    assert mean == pytest.approx(expected[0], rel=1e-8, abs=1e-9)
    assert deviation == pytest.approx(expected[1], rel=1e-6)


def test_what_is_fitted_is_the_likeliest_under_the_priors():
    x, y = scored()

    def posterior(logs: np.ndarray) -> float:
        kernel = covariance(x, logs)
        kernel *= y @ np.linalg.solve(kernel, y) / len(y)
        expected = np.log([0.5 * np.sqrt(3)] * 3 + [1e-5])
        prior = -0.5 * (((logs - expected) / [1, 1, 1, 2]) ** 2).sum()
        return multivariate_normal.logpdf(y, cov=kernel) + prior

    found = fit(x, y, np.arange(3))
    moves = 0.05 * np.random.default_rng(0).standard_normal((60, 4))
    inside = [move for move in moves if found[3] + move[3] > np.log(1e-6)]  # the noise's bound
    assert len(inside) > 20
    assert all(posterior(found + move) < posterior(found) for move in inside)
    assert found[2] > found[:2].max() + 1


def test_the_expected_improvement_is_its_integral():
    for z in (3.0, 0.0, -4.0, -6.0, -30.0):
        # Of phi(z), which is taken out: how much a standard normal variable is below z.
        rest = quad(lambda far, z=z: far * np.exp(z * far - far**2 / 2), 0, 40)[0]
        expected = np.log(rest) - z**2 / 2 - np.log(2 * np.pi) / 2
        found = log_expected_improvement(np.array([-2 * z]), np.array([2.0]), 0.0)
        assert found[0] == pytest.approx(expected + np.log(2), rel=1e-4)


def test_scores_better_than_the_median_keep_their_distances():
    scores = np.array([1.0, 2.0, 4.0, 5.0, 1e3, 1e9, np.inf])
    found = warped(scores)
    assert np.diff(found[:4]) / (found[3] - found[0]) == pytest.approx([0.25, 0.5, 0.25])
    assert found.mean() == pytest.approx(0) and found.std() == pytest.approx(1)


def every_kind(hp) -> None:
    hp.Float("a", 0.0, 1.0)
    hp.Float("b", 1e-4, 1.0, sampling="log")
    hp.Float("c", 0.0, 0.5, step=0.05)
    hp.Int("d", 1, 10)
    hp.Int("e", 1, 1000, sampling="log")
    hp.Int("f", 2, 32, step=2, sampling="log")
    hp.Choice("kind", ["x", "y", "z"])
    with hp.conditional_scope("kind", ["y", "z"]):
        hp.Boolean("g")
        with hp.conditional_scope("g", [True]):
            hp.Float("h", 1.0, 2.0)
    hp.Fixed("i", 3)


def test_places_are_points_that_the_space_has():
    hp = keras_tuner.HyperParameters()
    every_kind(hp)
    space = SearchSpace(hp)
    cube = Cube(space)
    random = np.random.default_rng(0)
    places = cube.settled(random.random((200, len(cube.labels))))
    assert cube.places(cube.values(places)) == pytest.approx(places, nan_ok=True)
    moved = cube.settled(cube.near(random, places, 200, 0.02))
    for place in (*places, *moved):
        by_label = dict(zip(cube.labels, cube.values(place[None])[0], strict=True))

        def value(dimension, by_label=by_label):
            inner = by_label.pop(dimension.label)
            return dimension.external(dimension.distribution.to_external_repr(inner))

        values = space.values(value)
        assert ("g" in values) == (values["kind"] != "x")
        assert ("h" in values) == values.get("g", False)
        assert np.isnan(list(by_label.values())).all()  # what is inactive has no value
    assert np.isfinite(cube.columns(places)).all()


def run(made, trials: int, score, lanes: int = 1) -> list[dict]:
    """The values of so many trials, of which `lanes` are open at once."""
    opened = []
    for number in range(trials):
        if len(opened) == lanes:
            end(made, opened.pop(0), score)
        opened.append(made.create_trial(f"slot{number}"))
    for trial in opened:
        end(made, trial, score)
    return [made.trials[i].hyperparameters.values for i in made.start_order]


def end(made, trial, score) -> None:
    made.update_trial(trial.trial_id, {"score": score(trial.hyperparameters.values)})
    trial.status = "COMPLETED"
    made.end_trial(trial)


def bowl(values: dict) -> float:
    """Least at a = 0.3, d = 7, kind y, g, h = 1.4."""
    off = {"x": 0.5, "y": 0.0, "z": 0.3}[values["kind"]] + 0.2 * (not values.get("g", False))
    off += (values["a"] - 0.3) ** 2 + 0.01 * (values["d"] - 7) ** 2
    return off + (values.get("h", 1.0) - 1.4) ** 2


@pytest.mark.parametrize("lanes", [1, 4])
def test_finds_the_least_of_a_bowl_with_conditions(lanes):
    made = oracles.create("auto", SCORE, None, 0, explore="sobol")
    every_kind(made.hyperparameters)
    found = run(made, 40, bowl, lanes)
    best = min(found, key=bowl)
    assert (best["kind"], best["g"], best["d"]) == ("y", True, 7)
    assert bowl(best) < 1e-3 < min(bowl(values) for values in found[:10])
    assert len({tuple(sorted(values.items())) for values in found}) == 40


def test_tpe_takes_over():
    def made(name, **options):
        found = oracles.create(name, SCORE, None, 2, options=options)
        every_kind(found.hyperparameters)
        return run(found, 20, bowl)

    assert made("auto", few=10) == made("tpe")
    assert made("auto", few=11)[:10] == made("tpe")[:10]
    assert made("auto", few=11)[10] != made("tpe")[10]


def test_a_pruned_trial_tells_where_not_to_go():
    made = oracles.create("auto", SCORE, None, 0, epochs=9, pruner="asha", explore="sobol")
    made.hyperparameters.Float("a", 0.0, 1.0)
    proposed = []
    for number in range(30):
        trial = made.create_trial("tuner0")
        a = trial.hyperparameters.values["a"]
        score = (a - 0.3) ** 2
        for epoch in range(8):
            made.hear([(trial.trial_id, 0, epoch, {"score": score + 0.1 / (1 + epoch)})])
            if made.verdict(trial.trial_id):
                trial.status, trial.message = "STOPPED", made.verdict(trial.trial_id)
                made.end_trial(trial)
                break
        else:
            end(made, trial, lambda values, score=score: score)
        proposed.append((number, a, trial.status))
    assert sum(status == "STOPPED" for _, _, status in proposed) > 5
    late = [abs(a - 0.3) for number, a, _ in proposed if number >= 20]
    assert np.median(late) < 0.02


def test_several_objectives_are_tpes():
    objective = [keras_tuner.Objective("loss", "min"), keras_tuner.Objective("speed", "max")]
    found = []
    for name in ("auto", "tpe"):
        made = oracles.create(name, objective, None, 0)
        made.hyperparameters.Float("a", 0.0, 1.0)
        for _ in range(14):
            trial = made.create_trial("tuner0")
            a = trial.hyperparameters.values["a"]
            made.update_trial(trial.trial_id, {"loss": a, "speed": a, "multi_objective": 0.0})
            trial.status = "COMPLETED"
            made.end_trial(trial)
        found.append([made.trials[i].hyperparameters.values["a"] for i in made.start_order])
    assert found[0] == found[1]
