"""Problems with their gradients in float64 NumPy, and a run of a Keras optimizer over one."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Problem:
    """A start (a list of arrays) and the gradient of a loss at such a list."""

    name: str
    start: list[np.ndarray]
    gradient: Callable[[list[np.ndarray]], list[np.ndarray]]
    learning_rate: float  # one with which plain gradient descent is stable


def _quadratic():
    """½ (x−c)ᵀ A (x−c) with condition number 1,000 and a rotated A."""
    Q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))
    A, c = Q @ np.diag([1.0, 10.0, 100.0, 1000.0]) @ Q.T, np.array([1.0, -2.0, 3.0, 0.5])
    return Problem("quadratic", [np.zeros(4)], lambda p: [A @ (p[0] - c)], 3e-4)


def _rosenbrock():
    """(1−x)² + 100 (y−x²)²."""

    def gradient(p):
        x, y = p[0]
        return [np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])]

    return Problem("rosenbrock", [np.array([-1.2, 1.0])], gradient, 1e-4)


def _beale():
    """(1.5−x+xy)² + (2.25−x+xy²)² + (2.625−x+xy³)², minimum at (3, ½)."""

    def gradient(p):
        x, y = p[0]
        r = [c - x + x * y**k for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))]
        dx = sum(2 * r[k - 1] * (y**k - 1) for k in (1, 2, 3))
        dy = sum(2 * r[k - 1] * k * x * y ** (k - 1) for k in (1, 2, 3))
        return [np.array([dx, dy])]

    return Problem("beale", [np.array([1.0, 0.8])], gradient, 1e-2)


def _logistic():
    """Logistic regression of three classes: a matrix and a vector of weights."""
    rng = np.random.default_rng(2)
    X, labels = rng.normal(size=(30, 5)), rng.integers(0, 3, 30)
    Y = np.eye(3)[labels]

    def gradient(p):
        z = X @ p[0] + p[1]
        probability = np.exp(z - z.max(1, keepdims=True))
        probability /= probability.sum(1, keepdims=True)
        error = (probability - Y) / len(X)
        return [X.T @ error, error.sum(0)]

    return Problem("logistic", [0.1 * rng.normal(size=(5, 3)), np.full(3, 0.1)], gradient, 0.3)


def _least_squares():
    """Linear regression, ½ mean (Xw + b − y)²."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 1))

    def gradient(p):
        error = (X @ p[0] + p[1] - y) / len(X)
        return [X.T @ error, error.sum(0)]

    return Problem("least_squares", [np.ones((4, 1)), np.ones(1)], gradient, 0.1)


def _booth():
    """(x + 2y − 7)² + (2x + y − 5)², minimum at (1, 3); two scalar variables."""

    def gradient(p):
        x, y = p
        a, b = x + 2 * y - 7, 2 * x + y - 5
        return [2 * a + 4 * b, 4 * a + 2 * b]

    return Problem("booth", [np.array(-1.0), np.array(0.5)], gradient, 0.02)


def _matrix():
    """½ tr (X−C)ᵀ A (X−C) B, 3 × 3: its gradients have full rank."""
    rng = np.random.default_rng(4)
    A, B = np.diag([1.0, 2.0, 5.0]), np.diag([1.0, 3.0, 4.0])
    C, start = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    return Problem("matrix", [start], lambda p: [A @ (p[0] - C) @ B], 0.02)


PROBLEMS = [_quadratic(), _rosenbrock(), _beale(), _logistic(), _least_squares(), _booth()]


@pytest.fixture(scope="session")
def problems():
    """All of them, by name."""
    return {problem.name: problem for problem in [*PROBLEMS, _matrix()]}


@pytest.fixture
def trajectories():
    """Runs one optimizer over several problems at once, each at its own variables.

    Yields after each step, for each problem, its variables as float64 arrays: as they are trained,
    or where the optimizer has them evaluated.
    """

    def run(optimizer, problems, steps, dtype, evaluated=False):
        variables = [
            [keras.Variable(start, dtype=dtype, name=problem.name) for start in problem.start]
            for problem in problems
        ]
        flat = [variable for of_one in variables for variable in of_one]
        optimizer.build(flat)
        # Traced once, for all problems: 100 eager steps would take many times as long.
        step = tf.function(lambda *gradients: optimizer.apply(list(gradients), flat))
        for _ in range(steps):
            points = [[np.asarray(v.numpy(), "float64") for v in of_one] for of_one in variables]
            step(
                *[
                    np.asarray(gradient, dtype)
                    for problem, point in zip(problems, points, strict=True)
                    for gradient in problem.gradient(point)
                ]
            )
            read = optimizer.eval_param if evaluated else (lambda variable: variable)
            yield [[np.asarray(read(v), "float64") for v in of_one] for of_one in variables]

    return run
