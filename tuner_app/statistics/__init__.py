"""Statistics of scores: intervals, paired comparisons, the best of n. NumPy and SciPy only.

Where a method is approximate its docstring says what for; `benchmarks/verdicts.py` measures how
often each interval holds the truth.
"""

from tuner_app.statistics.best_of import best_of_curve, expected_best
from tuner_app.statistics.comparing import Comparison, compare_pairs, holm, paired_p_value
from tuner_app.statistics.interval import Interval, mean_interval, resampled_interval
from tuner_app.statistics.metric_range import range_of

__all__ = [
    "Comparison",
    "Interval",
    "best_of_curve",
    "compare_pairs",
    "expected_best",
    "holm",
    "mean_interval",
    "paired_p_value",
    "range_of",
    "resampled_interval",
]
