"""Why the loss matters: the line of least squares and that of least absolute errors."""

import numpy as np

from tuner_app.pictures import drawing

OUTLIERS = 5


def points(seed: int = 3, size: int = 40):
    """(x, y), float64 of shape (size,): a line with noise, whose last `OUTLIERS` are wrong."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 10, size))
    y = 1 + 0.8 * x + rng.normal(0, 0.5, size)
    y[-OUTLIERS:] -= rng.uniform(7, 10, OUTLIERS)
    return x, y


def least_squares(x, y) -> np.ndarray:
    """(intercept, slope) with the least mean squared error."""
    return np.linalg.lstsq(np.stack([np.ones_like(x), x], 1), y, rcond=None)[0]


def least_absolute(x, y) -> np.ndarray:
    """(intercept, slope) with the least mean absolute error, exactly, as a linear program.

    Least Σ (uᵢ + vᵢ) with uᵢ − vᵢ = yᵢ − a − b xᵢ and u, v ≥ 0 (H. M. Wagner, "Linear Programming
    Techniques for Regression Analysis", 1959).
    """
    from scipy.optimize import linprog

    n = len(x)
    equal = np.concatenate([np.ones((n, 1)), x[:, None], np.eye(n), -np.eye(n)], axis=1)
    cost = np.concatenate([[0, 0], np.ones(2 * n)])
    bounds = [(None, None)] * 2 + [(0, None)] * (2 * n)
    return linprog(cost, A_eq=equal, b_eq=y, bounds=bounds).x[:2]


def draw(output):
    """Writes the picture."""
    x, y = points()
    with drawing.figure(output) as (_, axes):
        axes.plot(x[:-OUTLIERS], y[:-OUTLIERS], "o", color="#777777", alpha=0.75, markersize=8)
        axes.plot(
            x[-OUTLIERS:], y[-OUTLIERS:], "X", color=drawing.INK, markersize=10, linestyle="none"
        )
        axes.annotate(
            f"{OUTLIERS} outliers", (x[-OUTLIERS], y[-OUTLIERS:].min()), xytext=(-14, -2),
            textcoords="offset points", ha="right", fontweight="bold",
        )  # fmt: skip
        ends = np.array([0, 10])
        for i, (name, fit) in enumerate(
            [
                ("mean squared error: pulled down", least_squares(x, y)),
                ("mean absolute error: stays with most", least_absolute(x, y)),
            ]
        ):
            look = drawing.style(i) | {"linestyle": ("dashed", "solid")[i]}
            axes.plot(ends, fit[0] + fit[1] * ends, label=name, **look)
        axes.grid()
        axes.set(xlabel="x", ylabel="y", xlim=(-0.2, 10.3))
        axes.set_title("Five outliers among forty points: which loss, which line")
        axes.legend(loc="upper left")
