"""Functions of two numbers on which optimizers are shown, each with its gradient and minima."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Surface:
    """A function of (x, y), float64 arrays of any one shape.

    Args:
        title: What a picture calls it.
        value: f(x, y).
        gradient: (∂f/∂x, ∂f/∂y).
        start: Where paths begin.
        frame: What a picture shows: (x from, x to, y from, y to).
        minima: All of them; none where f has no lower bound.
        learning_rates: What is tried for an optimizer; one number where no choice makes sense.
    """

    title: str
    value: Callable
    gradient: Callable
    start: tuple[float, float]
    frame: tuple[float, float, float, float]
    minima: tuple[tuple[float, float], ...]
    learning_rates: tuple[float, ...] = tuple(10.0 ** np.arange(-4, -0.4, 0.5))


def _beale_terms(x, y):
    return [(a - x + x * y**n, n) for a, n in ((1.5, 1), (2.25, 2), (2.625, 3))]


def _beale_gradient(x, y):
    terms = _beale_terms(x, y)
    return (
        sum(2 * e * (y**n - 1) for e, n in terms),
        sum(2 * e * n * x * y ** (n - 1) for e, n in terms),
    )


SURFACES = {
    "quadratic": Surface(
        "A quadratic bowl, ten times as steep in y",
        lambda x, y: 0.5 * (x**2 + 10 * y**2),
        lambda x, y: (x, 10 * y),
        start=(-4.2, 1.8),
        frame=(-5, 3, -2.4, 2.4),
        minima=((0, 0),),
    ),
    # H. H. Rosenbrock, "An Automatic Method for Finding the Greatest or Least Value of a Function",
    # 1960
    "rosenbrock": Surface(
        "Rosenbrock's valley",
        lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
        lambda x, y: (-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)),
        start=(-1.2, 2.2),
        frame=(-2, 2, -0.9, 3),
        minima=((1, 1),),
    ),
    # E. M. L. Beale, "On an Iterative Method for Finding a Local Minimum of a Function of More than
    # One Variable", 1958
    "beale": Surface(
        "Beale's function",
        lambda x, y: sum(e**2 for e, _ in _beale_terms(x, y)),
        _beale_gradient,
        start=(0.7, 1.4),
        frame=(-1, 4.5, -2, 2.2),
        minima=((3, 0.5),),
    ),
    # D. M. Himmelblau, "Applied Nonlinear Programming", 1972
    "himmelblau": Surface(
        "Himmelblau's function, with four minima",
        lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
        lambda x, y: (
            4 * x * (x**2 + y - 11) + 2 * (x + y**2 - 7),
            2 * (x**2 + y - 11) + 4 * y * (x + y**2 - 7),
        ),
        start=(-0.2, -1.2),
        frame=(-5.5, 5.5, -5, 5),
        minima=(
            (3, 2),
            (-2.80511808695, 3.13131251825),
            (-3.77931025338, -3.28318599129),
            (3.58442834033, -1.84812652696),
        ),
    ),
    "saddle": Surface(
        "A saddle, begun almost on its ridge",
        lambda x, y: x**2 - y**2,
        lambda x, y: (2 * x, -2 * y),
        start=(-1.6, 0.01),
        frame=(-2, 2, -1.6, 1.6),
        minima=(),
        learning_rates=(0.03,),
    ),
}
