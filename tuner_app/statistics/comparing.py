"""Whether one configuration is better than another, from runs with the same seeds."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuner_app.statistics.interval import Interval, mean_interval

LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """Two configurations over the same seeds.

    Attributes:
        first, second: Their names.
        difference: Of the means, first minus second, with its interval.
        p_value: Of the paired test.
        adjusted: The same after Holm's correction for all comparisons made together.
    """

    first: str
    second: str
    difference: Interval
    p_value: float
    adjusted: float

    @property
    def distinguishable(self) -> bool:
        """Whether the difference is more than chance, at the level of 5% for all together."""
        return self.adjusted < LEVEL


def paired_p_value(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided p-value of Student's paired t test that the means are equal.

    Differences that are all 0 give 1. Differences that are all the same give the t test nothing to
    judge by, so the sign test decides: 2 / 2^n, which the sign alone would give.

    >>> round(paired_p_value([0.98, 0.97, 0.99, 0.98], [0.95, 0.96, 0.95, 0.96]), 4)
    0.0305
    >>> paired_p_value([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    1.0
    """
    from scipy import stats

    difference = np.subtract(first, second, dtype="float64")
    if difference.size < 2 or not difference.any():
        return 1.0
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():
        return 2.0 / 2**difference.size
    return float(stats.ttest_1samp(difference, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for having looked at all of them, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]

    Reference: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [0.0] * len(order), 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def compare_pairs(scores: Mapping[str, Sequence[float]]) -> list[Comparison]:
    """Every two configurations compared over the seeds that they share.

    All pairs are corrected for together (Holm), so that the winner may be looked at as well as any
    other, although the same scores chose it.

    Args:
        scores: Name to scores, in the order of the seeds; NaN where a run failed.

    >>> found = compare_pairs({"a": [3.0, 3.1, 2.9, 3.0], "b": [1.0, 1.1, 1.0, 0.9]})
    >>> found[0].first, found[0].second, found[0].distinguishable
    ('a', 'b', True)
    """
    pairs = list(itertools.combinations(scores, 2))
    differences, p_values = [], []
    for first, second in pairs:
        a, b = np.asarray(scores[first], "float64"), np.asarray(scores[second], "float64")
        both = np.isfinite(a) & np.isfinite(b)
        if both.any():
            differences.append(mean_interval(a[both] - b[both]))
            p_values.append(paired_p_value(a[both], b[both]))
        else:
            differences.append(Interval(math.nan, -math.inf, math.inf, 0))
            p_values.append(1.0)
    return [
        Comparison(first, second, difference, p_value, adjusted)
        for (first, second), difference, p_value, adjusted in zip(
            pairs, differences, p_values, holm(p_values), strict=True
        )
    ]
