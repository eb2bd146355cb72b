"""Intervals, comparisons and budgets against their definitions and against SciPy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from tuner_app import statistics

DRAW = np.random.default_rng(0)


def test_the_mean_interval_is_students():
    x = DRAW.normal(3, 2, 12)
    found = statistics.mean_interval(x)
    expected = stats.t.interval(0.95, 11, x.mean(), stats.sem(x))
    np.testing.assert_allclose((found.low, found.high), expected, rtol=1e-12)
    assert found.estimate == pytest.approx(x.mean()) and found.count == 12
    assert math.isinf(statistics.mean_interval([1.0]).low)
    with pytest.raises(ValueError, match="finite"):
        statistics.mean_interval([1.0, math.nan])


def test_an_interval_ends_where_the_metric_does():
    share = statistics.range_of("val_first_output_accuracy", [0.98, 0.94])
    found = statistics.mean_interval([0.98, 0.94], possible=share)
    free = statistics.mean_interval([0.98, 0.94])
    assert free.high > 1 and (found.low, found.high) == (free.low, 1.0)
    loss = statistics.range_of("val_loss", [0.98])
    assert loss == statistics.range_of("inaccuracy", [0.9]) == (-math.inf, math.inf)
    assert math.isinf(statistics.mean_interval([0.9], possible=share).high)  # it tells nothing


def test_the_resampled_interval_is_near_the_exact_one_and_knows_its_limits():
    right = np.array([1.0] * 270 + [0.0] * 30)
    exact = stats.binomtest(270, 300).proportion_ci(method="wilson")
    found = statistics.resampled_interval(right)
    np.testing.assert_allclose((found.low, found.high), (exact.low, exact.high), atol=0.01)
    assert statistics.resampled_interval(right) == found  # the same seed, the same numbers
    everything = statistics.resampled_interval(np.ones(100))
    assert everything.high == 1.0 and 0.95 < everything.low < 0.97
    assert math.isinf(statistics.resampled_interval(np.full(9, 2.5)).low)


def test_the_paired_test_is_scipys_and_holds_where_it_would_not():
    a, b = DRAW.normal(0, 1, 9), DRAW.normal(0.5, 1, 9)
    assert statistics.paired_p_value(a, b) == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert statistics.paired_p_value([1.0], [2.0]) == 1.0
    assert statistics.paired_p_value(a, a) == 1.0
    # Ten times the same difference: in the direction of the sign alone, by chance 2 in 1,024.
    assert statistics.paired_p_value(np.full(10, 0.5), np.full(10, 0.25)) == 2 / 1024


def test_holm_is_the_step_down_procedure():
    p = DRAW.uniform(0, 0.2, 8)
    adjusted = statistics.holm(p)
    for level in (0.01, 0.05, 0.1, 0.3):
        rejected = set()
        for k, i in enumerate(np.argsort(p)):  # Holm 1979, as published
            if p[i] > level / (len(p) - k):
                break
            rejected.add(i)
        assert {i for i, q in enumerate(adjusted) if q <= level} == rejected
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]


def test_pairs_use_the_seeds_that_both_have():
    scores = {"a": [3.0, 3.1, math.nan, 2.9], "b": [1.0, 1.2, 9.0, 1.1], "c": [math.nan] * 4}
    found = {(c.first, c.second): c for c in statistics.compare_pairs(scores)}
    both = found["a", "b"]
    assert both.difference.estimate == pytest.approx(np.mean([2.0, 1.9, 1.8]))
    assert both.p_value == pytest.approx(stats.ttest_rel([3.0, 3.1, 2.9], [1.0, 1.2, 1.1]).pvalue)
    assert both.adjusted == pytest.approx(3 * both.p_value) and both.distinguishable
    assert not found["a", "c"].distinguishable


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_expected_best_is_the_mean_over_all_choices(direction):
    scores = DRAW.normal(size=7)
    best = max if direction == "max" else min
    for n in range(1, 8):
        every = [best(chosen) for chosen in itertools.combinations(scores, n)]
        found = statistics.expected_best(scores, n, direction)
        assert found == pytest.approx(np.mean(every))


def test_a_failed_trial_is_the_worst_of_a_budget():
    assert statistics.expected_best([0.5, -math.inf, 0.9], 1) == pytest.approx(
        (0.5 + 0.5 + 0.9) / 3
    )
    with pytest.raises(ValueError, match="at least n=3"):
        statistics.expected_best([0.5, 0.9], 3)


def test_the_budget_curve_rises_and_ends_at_the_best():
    repeats = DRAW.normal(size=(5, 8))
    curve = statistics.best_of_curve(repeats)
    means = [interval.estimate for _, interval in curve]
    assert [n for n, _ in curve] == list(range(1, 9)) and means == sorted(means)
    assert means[-1] == pytest.approx(repeats.max(axis=1).mean())
    assert curve[-1][1] == statistics.mean_interval(repeats.max(axis=1))
