"""Intervals for a mean over seeds, and for a score over examples."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        estimate: The value from all observations.
        low, high: The interval; infinite where a single observation says nothing of the spread.
        count: Observations.
        confidence: How often such intervals hold the truth.
    """

    estimate: float
    low: float
    high: float
    count: int
    confidence: float = CONFIDENCE

    def __str__(self) -> str:
        if not math.isfinite(self.low):
            return f"{self.estimate:.4f} (one run: no interval)"
        return f"{self.estimate:.4f} ({self.low:.4f} to {self.high:.4f})"


def mean_interval(
    values: Sequence[float],
    confidence: float = CONFIDENCE,
    possible: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Student's t interval for the mean of independent values that are about normal.

    Args:
        values: One observation a seed, finite.
        possible: What the mean is known to lie in (see `range_of`). The interval ends there, and
            holds the truth as often.

    >>> print(mean_interval([0.97, 0.98, 0.96, 0.97]))
    0.9700 (0.9570 to 0.9830)
    >>> print(mean_interval([0.98, 0.94], possible=(0.0, 1.0)))
    0.9600 (0.7059 to 1.0000)

    Reference: Student (W. S. Gosset), "The probable error of a mean", 1908.
    """
    from scipy import stats

    x = np.asarray(values, "float64")
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        raise ValueError(f"Expected finite numbers, at least one; got {values!r}.")
    mean = float(x.mean())
    if x.size == 1:
        return Interval(mean, -math.inf, math.inf, 1, confidence)
    half = stats.t.ppf(0.5 + confidence / 2, x.size - 1) * x.std(ddof=1) / math.sqrt(x.size)
    low, high = max(mean - float(half), possible[0]), min(mean + float(half), possible[1])
    return Interval(mean, low, high, x.size, confidence)


def resampled_interval(
    values: np.ndarray,
    statistic: Callable[..., np.ndarray] = np.mean,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = 5000,
    seed: int = 0,
) -> Interval:
    """The bootstrap interval of a statistic over examples, bias-corrected and accelerated (BCa).

    Where all examples are equal (every one is classified rightly) no resample differs, and the
    bootstrap knows nothing. For values of 0 and 1, Wilson's score interval stands in.

    Args:
        values: Shape (examples,): one number an example.
        statistic: Takes an array and `axis`.

    >>> right = np.array([1.0] * 90 + [0.0] * 10)
    >>> found = resampled_interval(right)
    >>> round(found.estimate, 2), 0.82 < found.low < 0.86, 0.94 < found.high < 0.96
    (0.9, True, True)

    References: B. Efron, "Better bootstrap confidence intervals", 1987; E. B. Wilson, "Probable
    inference, the law of succession, and statistical inference", 1927.
    """
    from scipy import stats

    x = np.asarray(values, "float64")
    estimate = float(statistic(x, axis=0))
    if x.size == 1 or np.ptp(x) == 0:
        if not np.isin(x, (0.0, 1.0)).all():
            return Interval(estimate, -math.inf, math.inf, x.size, confidence)
        found = stats.binomtest(int(x.sum()), x.size).proportion_ci(confidence, method="wilson")
        return Interval(estimate, float(found.low), float(found.high), x.size, confidence)
    found = stats.bootstrap(
        (x,),
        statistic,
        confidence_level=confidence,
        n_resamples=resamples,
        batch=max(1, 2_000_000 // x.size),  # resampled numbers in memory at once
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(estimate, float(found.low), float(found.high), x.size, confidence)
