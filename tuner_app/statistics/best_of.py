"""What a tuning budget buys: the expected best score of n trials, with its interval."""

import math
from collections.abc import Sequence

import numpy as np

from tuner_app.statistics.interval import Interval, mean_interval


def expected_best(scores: Sequence[float], n: int, direction: str = "max") -> float:
    """The mean, over all choices of n of these trials, of the best score among them.

    With the i-th smallest of N scores, the best of n is it with probability C(i-1, n-1) / C(N, n).
    This is Dodge et al.'s expected validation performance without its bias: theirs draws with
    replacement, which takes too low a value where n is near N (Tang et al.).

    Args:
        scores: One a trial, at least n. What failed counts as the worst: give it as -inf (inf for
            "min") and it is replaced by the worst finite score.
        n: Trials in the budget.

    >>> expected_best([1.0, 2.0, 3.0], 2)  # of the pairs: 2, 3 and 3
    2.6666666666666665

    References: J. Dodge et al., "Show your work: improved reporting of experimental results", 2019;
    R. Tang et al., "Showing your work doesn't always work", 2020.
    """
    x = np.asarray(scores, "float64") * (1 if direction == "max" else -1)
    finite = x[np.isfinite(x)]
    if not finite.size or not 1 <= n <= x.size:
        raise ValueError(f"Expected at least n={n} scores, one of them finite; got {len(x)}.")
    x = np.sort(np.where(np.isfinite(x), x, finite.min()))
    # From the largest down: C(i-1, n-1) / C(N, n) by the ratio of one to the next.
    weights = np.zeros(x.size)
    weight = n / x.size
    for i in range(x.size, n - 1, -1):
        weights[i - 1] = weight
        weight *= (i - n) / (i - 1) if i > 1 else 0.0
    return float(weights @ x) * (1 if direction == "max" else -1)


def best_of_curve(
    repeats: Sequence[Sequence[float]],
    direction: str = "max",
    possible: tuple[float, float] = (-math.inf, math.inf),
) -> list[tuple[int, Interval]]:
    """The expected best of n trials for every n, with Student's t interval over the repeats.

    Args:
        repeats: Independent repetitions of the tuning, of the same number of trials each.
        possible: As in `mean_interval`.

    Returns:
        Pairs of n and the interval.

    >>> [(n, round(found.estimate, 2)) for n, found in best_of_curve([[1, 2], [3, 2], [2, 2]])]
    [(1, 2.0), (2, 2.33)]
    """
    length = min(map(len, repeats))
    return [
        (n, mean_interval([expected_best(r, n, direction) for r in repeats], possible=possible))
        for n in range(1, length + 1)
    ]
