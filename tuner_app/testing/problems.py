"""Small problems that every optimizer should get better at, with their gradients in float64 NumPy.

>>> [problem.name for problem in PROBLEMS]
['quadratic', 'rosenbrock', 'beale', 'logistic', 'ill-conditioned']
>>> valley = PROBLEMS[1]
>>> float(round(valley.loss(valley.start), 2))
24.2
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problem:
    """A loss of a list of arrays.

    Attributes:
        start: where to begin, float64 arrays.
        loss: their loss, a number.
        gradient: their gradients, in the same order.
        least: the least loss there is.
    """

    name: str
    start: tuple[np.ndarray, ...]
    loss: Callable[[list[np.ndarray]], float]
    gradient: Callable[[list[np.ndarray]], list[np.ndarray]]
    least: float = 0.0


def _quadratic(name: str, eigenvalues: list[float]) -> Problem:
    """½ (x−c)ᵀ A (x−c), with A's eigenvectors along no axis."""
    n = len(eigenvalues)
    Q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(n, n)))
    A, c = Q @ np.diag(eigenvalues) @ Q.T, np.array([1.0, -2.0, 3.0, 0.5])
    return Problem(
        name,
        (np.zeros(n),),
        lambda p: 0.5 * (p[0] - c) @ A @ (p[0] - c),
        lambda p: [A @ (p[0] - c)],
    )


def _rosenbrock() -> Problem:
    """(1−x)² + 100 (y−x²)², a bent valley (Rosenbrock 1960)."""

    def gradient(p):
        x, y = p[0]
        return [np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])]

    return Problem(
        "rosenbrock",
        (np.array([-1.2, 1.0]),),
        lambda p: (1 - p[0][0]) ** 2 + 100 * (p[0][1] - p[0][0] ** 2) ** 2,
        gradient,
    )


def _beale() -> Problem:
    """Σ (cₖ − x + x yᵏ)² for k = 1, 2, 3: flat, with steep walls (Beale 1958)."""
    constants = ((1, 1.5), (2, 2.25), (3, 2.625))

    def loss(p):
        x, y = p[0]
        return sum((c - x + x * y**k) ** 2 for k, c in constants)

    def gradient(p):
        x, y = p[0]
        r = [(k, c - x + x * y**k) for k, c in constants]
        dx = sum(2 * rk * (y**k - 1) for k, rk in r)
        return [np.array([dx, sum(2 * rk * k * x * y ** (k - 1) for k, rk in r)])]

    return Problem("beale", (np.array([1.0, 0.8]),), loss, gradient)


def _logistic() -> Problem:
    """Logistic regression of three classes, a matrix and a vector, from two clusters too near."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 60)
    X = rng.normal(size=(60, 4)) + 1.5 * np.eye(4)[labels]
    Y = np.eye(3)[labels]

    def probability(p):
        z = X @ p[0] + p[1]
        z = np.exp(z - z.max(1, keepdims=True))
        return z / z.sum(1, keepdims=True)

    def gradient(p):
        error = (probability(p) - Y) / len(X)
        return [X.T @ error, error.sum(0)]

    def loss(p):
        return float(-np.mean(np.log(np.maximum((probability(p) * Y).sum(1), 1e-300))))

    start = (0.1 * rng.normal(size=(4, 3)), np.full(3, 0.1))
    # The least is that of Newton's steps; the loss is convex. A ridge keeps them defined where
    # the loss is flat, along (1, 1, 1).
    point, E = np.concatenate([np.ravel(a) for a in start]), np.c_[X, np.ones(60)]
    for _ in range(30):
        p = [point[:12].reshape(4, 3), point[12:]]
        q = probability(p)
        H = sum(
            np.kron(np.outer(e, e), np.diag(row) - np.outer(row, row))
            for e, row in zip(E, q, strict=True)
        )
        g = np.concatenate([np.ravel(a) for a in gradient(p)])
        point = point - np.linalg.solve(H / 60 + 1e-9 * np.eye(15), g)
    return Problem("logistic", start, loss, gradient, loss([point[:12].reshape(4, 3), point[12:]]))


PROBLEMS = (
    _quadratic("quadratic", [1.0, 2.0, 5.0, 10.0]),
    _rosenbrock(),
    _beale(),
    _logistic(),
    _quadratic("ill-conditioned", [1.0, 10.0, 100.0, 1000.0]),
)
