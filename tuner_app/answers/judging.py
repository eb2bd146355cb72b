"""From scores to a verdict on optimizers. No training here: numbers in, a document out.

Each repeat is a tuning of its own: new points, new seeds, its best point run again with fresh
seeds. So the spread over the repeats has both kinds of luck in it, that of the search and that of
the run, and two optimizers that are the same differ by no more than it. With a single repeat the
spread is that of the seeds alone, and a verdict is about the two tuned configurations, not the
optimizers.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuner_app.statistics import (
    Comparison,
    Interval,
    best_of_curve,
    compare_pairs,
    expected_best,
    mean_interval,
    range_of,
)

Scores = Mapping[str, Sequence[Sequence[float]]]  # optimizer → repeat → point or seed


def judged(
    tuned: Scores, final: Scores, direction: str, untuned: bool = False, metric: str = ""
) -> dict[str, Any]:
    """The ranking of optimizers, every pair compared, and the verdict.

    Args:
        tuned: The score of each point of each repeat, NaN where it failed.
        final: The score of each fresh seed of the best point of each repeat.
        direction: "max" or "min".
        untuned: The final runs are those of default settings, which nobody chose.
        metric: What the scores are; an interval ends where it does (see `range_of`).

    Returns:
        ranking (name, mean, low, high, observations; best first), comparisons, best,
        indistinguishable (from the best), verdict, unit ("repeats" or "seeds", what the intervals
        are over) and budget (name to [n, mean, low, high] rows: the expected best of n points).
    """
    repeats = min(len(of) for of in final.values())
    unit = "repeats" if repeats > 1 else "seeds"
    seen = {
        name: [float(np.mean(one)) for one in of] if repeats > 1 else list(map(float, of[0]))
        for name, of in final.items()
    }
    sign = -1 if direction == "max" else 1
    rows = [_row(name, values, metric) for name, values in seen.items()]
    rows.sort(key=lambda row: math.inf if row["mean"] is None else sign * row["mean"])
    pairs = compare_pairs({row["name"]: seen[row["name"]] for row in rows})
    best = rows[0]["name"] if rows[0]["mean"] is not None else None
    tied = [pair.second for pair in pairs if pair.first == best and not pair.distinguishable]
    return {
        "ranking": rows,
        "comparisons": [_pair(pair) for pair in pairs],
        "best": best,
        "indistinguishable": tied,
        "verdict": _verdict(rows, best, tied, unit, repeats, untuned),
        "unit": unit,
        "budget": {name: _budget(of, direction, metric) for name, of in tuned.items()},
    }


def _row(name: str, values: Sequence[float], metric: str) -> dict[str, Any]:
    known = [value for value in values if math.isfinite(value)]
    found = mean_interval(known, possible=range_of(metric, known)) if known else None
    return {
        "name": name,
        "mean": found and found.estimate,
        "low": found and _finite(found.low),
        "high": found and _finite(found.high),
        "observations": [_finite(value) for value in values],
        "failed": len(values) - len(known),
    }


def _pair(pair: Comparison) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "difference": _finite(pair.difference.estimate),
        "low": _finite(pair.difference.low),
        "high": _finite(pair.difference.high),
        "p_value": pair.p_value,
        "adjusted": pair.adjusted,
        "distinguishable": pair.distinguishable,
    }


def _verdict(
    rows: Sequence[Mapping[str, Any]],
    best: str | None,
    tied: Sequence[str],
    unit: str,
    repeats: int,
    untuned: bool,
) -> str:
    if best is None:
        return "No run of any optimizer ended well, so there is no verdict."
    others = [row["name"] for row in rows[1:]]
    worse = [name for name in others if name not in tied]
    if not others:
        said = f"{best} alone was tried."
    elif not worse:
        said = f"{_listed([best, *tied])} are indistinguishable."
    elif not tied:
        said = f"{best} is better than {_listed(worse)}."
    else:
        said = (
            f"{_listed([best, *tied])} are indistinguishable; {best} is better than "
            f"{_listed(worse)}."
        )
    if untuned:
        said += " That is of their default settings."
    elif unit == "seeds":
        said += " That is of these tuned configurations: one tuning each does not show its luck."
    elif repeats < 4 and worse == [] and others:
        said += f" With {repeats} repeats only a large difference would have shown."
    return said


def _listed(names: Sequence[str]) -> str:
    """Names as a sentence has them.

    >>> _listed(["a", "b", "c"])
    'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _budget(repeats: Sequence[Sequence[float]], direction: str, metric: str) -> list[list[Any]]:
    """Rows of n, and the expected best of n points with its interval; none if a repeat has no
    score at all."""
    worst = -math.inf if direction == "max" else math.inf
    whole = [[s if math.isfinite(s) else worst for s in repeat] for repeat in repeats]
    if not all(any(math.isfinite(s) for s in repeat) for repeat in whole):
        return []
    if len(whole) == 1:
        return [
            [n, expected_best(whole[0], n, direction), None, None]
            for n in range(1, len(whole[0]) + 1)
        ]
    possible = range_of(metric, (s for of in repeats for s in of if math.isfinite(s)))
    curve: list[tuple[int, Interval]] = best_of_curve(whole, direction, possible)
    return [[n, found.estimate, found.low, found.high] for n, found in curve]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# Sensitivity, and time to a target.


def sensitivity(
    rates: Sequence[float], scores: Sequence[float], tolerance: float, direction: str
) -> dict[str, Any]:
    """How much of the range of learning rates does nearly as well as the best of it.

    Args:
        rates: Of all points.
        scores: Theirs, NaN where one failed.
        tolerance: How far from the best score counts as near.

    Returns:
        best_rate; low and high, the learning rates that near scores were found between; decades
        between them; share, the part of all points that is near.

    >>> found = sensitivity([0.001, 0.01, 0.1], [0.5, 0.90, 0.89], 0.02, "max")
    >>> found["low"], found["high"], found["decades"], round(found["share"], 2)
    (0.01, 0.1, 1.0, 0.67)
    """
    sign = 1 if direction == "max" else -1
    known = [(r, sign * s) for r, s in zip(rates, scores, strict=True) if math.isfinite(s)]
    if not known:
        return {"best_rate": None, "low": None, "high": None, "decades": 0.0, "share": 0.0}
    best_rate, best = max(known, key=lambda pair: pair[1])
    near = [rate for rate, score in known if score >= best - tolerance]
    return {
        "best_rate": best_rate,
        "low": min(near),
        "high": max(near),
        "decades": math.log10(max(near) / min(near)),
        "share": len(near) / len(rates),
    }


def epochs_to(curve: Sequence[float], target: float, direction: str) -> int | None:
    """The first epoch, from 1, at which a curve reaches a target; None where it does not.

    >>> epochs_to([0.5, 0.9, 0.95], 0.9, "max"), epochs_to([0.5, 0.4], 0.3, "min")
    (2, None)
    """
    for epoch, value in enumerate(curve, start=1):
        if math.isfinite(value) and (value >= target if direction == "max" else value <= target):
            return epoch
    return None
