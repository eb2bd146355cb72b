"""Ten test functions as search spaces, one of integers, one with conditional dimensions.

A trial's value after `e` of its `EPOCHS` epochs is the function's, and an offset that is gone at
the end: a smooth function of the point, of the size that the function varies by. So early values
tell of late ones, the better the later, as with a training.

Equations and minima: Surjanovic and Bingham, Virtual Library of Simulation Experiments, 2013.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

EPOCHS = 27
_ROOM = 4000  # random points, from whose values a function's size is taken


@dataclass(frozen=True)
class Function:
    """A function to minimize.

    Args:
        dimensions: Name, low, high of each.
        formula: Of an array (..., dimensions).
        least: Its value at the minimum.
        integers: Only whole numbers.
        conditional: A first choice says how many of the dimensions there are; the others are at
            their middle.
    """

    name: str
    dimensions: list[tuple[str, float, float]]
    formula: Callable[[np.ndarray], np.ndarray]
    least: float
    integers: bool = False
    conditional: bool = False

    def declare(self, hp) -> None:
        if self.conditional:
            counts = list(range(1, len(self.dimensions) + 1))
            hp.Choice("count", counts, ordered=False)
        for place, (name, low, high) in enumerate(self.dimensions):
            if not self.conditional or place == 0:
                self._one(hp, name, low, high)
                continue
            with hp.conditional_scope("count", counts[place:]):
                self._one(hp, name, low, high)

    def _one(self, hp, name: str, low: float, high: float) -> None:
        if self.integers:
            hp.Int(name, int(low), int(high))
        else:
            hp.Float(name, low, high)

    def curve(self, values: dict) -> np.ndarray:
        """(EPOCHS,) values of a trial, each above the minimum by so much."""
        low, high = np.array([d[1:] for d in self.dimensions]).T
        middle = (low + high) / 2
        x = np.array([values.get(d[0], m) for d, m in zip(self.dimensions, middle, strict=True)])
        u = (x - low) / (high - low)
        offset = 0.5 + 0.5 * np.sin(7 * u.sum() + 11 * u[0])
        left = (EPOCHS / np.arange(1, EPOCHS + 1) - 1) / (EPOCHS - 1)
        return float(self.formula(x)) - self.least + self.size * offset * left

    @cached_property
    def size(self) -> float:
        low, high = np.array([d[1:] for d in self.dimensions]).T
        points = np.random.default_rng(0).uniform(low, high, (_ROOM, len(low)))
        return float(np.std(self.formula(points)))


def _box(count: int, low: float, high: float) -> list[tuple[str, float, float]]:
    return [(f"x{i}", low, high) for i in range(count)]


def branin(x):
    a, b = x[..., 0], x[..., 1]
    bent = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
    return bent**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10


_HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_A3 = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
_P3 = 1e-4 * np.array(
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
)
_A6 = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def _hartmann(a, p):
    def formula(x):
        return -(_HEIGHTS * np.exp(-(a * (x[..., None, :] - p) ** 2).sum(-1))).sum(-1)

    return formula


def rosenbrock(x):
    return (100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1 - x[..., :-1]) ** 2).sum(-1)


def ackley(x):
    far = np.exp(-0.2 * np.sqrt((x**2).mean(-1)))
    return 20 + np.e - 20 * far - np.exp(np.cos(2 * np.pi * x).mean(-1))


def rastrigin(x):
    return (x**2 - 10 * np.cos(2 * np.pi * x) + 10).sum(-1)


def levy(x):
    w = 1 + (x - 1) / 4
    inner = (w[..., :-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[..., :-1] + 1) ** 2)
    last = (w[..., -1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[..., -1]) ** 2)
    return np.sin(np.pi * w[..., 0]) ** 2 + inner.sum(-1) + last


def michalewicz(x):
    i = np.arange(1, x.shape[-1] + 1)
    return -(np.sin(x) * np.sin(i * x**2 / np.pi) ** 20).sum(-1)


def styblinski_tang(x):
    return 0.5 * (x**4 - 16 * x**2 + 5 * x).sum(-1)


def griewank(x):
    i = np.sqrt(np.arange(1, x.shape[-1] + 1))
    return (x**2).sum(-1) / 4000 - np.cos(x / i).prod(-1) + 1


FUNCTIONS = [
    Function("Branin", [("x0", -5, 10), ("x1", 0, 15)], branin, 0.397887),
    Function("Hartmann 3", _box(3, 0, 1), _hartmann(_A3, _P3), -3.86278),
    Function("Hartmann 6", _box(6, 0, 1), _hartmann(_A6, _P6), -3.32237),
    Function("Rosenbrock 4", _box(4, -5, 10), rosenbrock, 0.0),
    Function("Ackley 5", _box(5, -20, 33), ackley, 0.0),
    Function("Rastrigin 3 of integers", _box(3, -20, 30), rastrigin, 0.0, integers=True),
    Function("Levy 4", _box(4, -10, 10), levy, 0.0),
    Function("Michalewicz 5", _box(5, 0, np.pi), michalewicz, -4.687658),
    Function(
        "Styblinski–Tang, conditional",
        _box(4, -5, 5),
        styblinski_tang,
        -4 * 39.16616570377142,
        conditional=True,
    ),
    Function("Griewank 5", _box(5, -60, 90), griewank, 0.0),
]
