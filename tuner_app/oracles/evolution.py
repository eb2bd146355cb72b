"""The two decisions of population-based training: who takes over whose weights, and what then
changes (Jaderberg et al., "Population based training of neural networks", 2017).

>>> scores = {"a": 0.9, "b": 0.5, "c": 0.7, "d": 0.1}
>>> exploited(scores, quantile=0.25, direction="max", random=np.random.default_rng(0))
{'d': 'a'}
"""

import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from keras_tuner.engine.hyperparameters import Boolean, Choice, HyperParameter, Int

from tuner_app.oracles.dimensions import Dimension, SearchSpace, distribution


def exploited(
    scores: Mapping[str, float | None],
    *,
    quantile: float,
    direction: str,
    random: np.random.Generator,
) -> dict[str, str]:
    """Truncation selection: each of the worst members, and whose state it takes over.

    The source is drawn evenly from the best share. A member without a finite score is replaced even
    where it is not among the worst share, and is never a source.

    Args:
        scores: Each member's last value of the objective; None or NaN where it has diverged.
        quantile: The share of the members that is replaced, and the share that is copied; at least
            one of each, of two members or more.
        direction: "min" or "max".
    """
    sign = -1 if direction == "max" else 1
    sound = [m for m, score in scores.items() if score is not None and math.isfinite(score)]
    best_first = sorted(sound, key=lambda member: sign * scores[member])
    lost = [member for member in scores if member not in sound]
    number = max(1, int(quantile * len(scores) + 1e-9))
    best = best_first[:number]
    worst = [m for m in [*best_first, *lost][-number:] if m not in best]
    replaced = [m for m in scores if m in lost or m in worst]
    if not best:
        return {}
    return {member: best[random.integers(len(best))] for member in replaced}


def explored(
    space: SearchSpace,
    values: Mapping[str, Any],
    *,
    kept: Collection[str],
    factors: Sequence[float],
    resample: float,
    seed: Sequence[int],
) -> dict[str, Any]:
    """New values near others: each number is drawn anew with the probability `resample`, and else
    multiplied by one of the `factors`, within its range.

    A number with a step moves by one step at least, an ordered choice to a neighbour; what has no
    order changes by being drawn anew only. What becomes active by a change is drawn, and what
    becomes inactive is left out. Each name has random numbers of its own, so what happens to one
    does not depend on which others are kept.

    Args:
        kept: Names that keep their values.
        seed: Whole numbers from 0 that decide everything.
    """

    def choose(dimension: Dimension) -> Any:
        hp = dimension.definition
        random = np.random.default_rng([*seed, zlib.crc32(dimension.label.encode())])
        anew, place, factor = random.random(), random.random(), random.integers(len(factors))
        if hp.name not in values:
            return hp.prob_to_value(place)
        if hp.name in kept:
            return values[hp.name]
        if anew < resample:
            return hp.prob_to_value(place)
        return perturbed(hp, values[hp.name], factors[factor])

    return space.values(choose)


def perturbed(hp: HyperParameter, value: Any, factor: float) -> Any:
    """A value times a factor, within its range and on its steps.

    >>> from keras_tuner.engine.hyperparameters import Float
    >>> rate = Float("rate", 0.001, 0.1, sampling="log")
    >>> [round(perturbed(rate, 0.01, 1.2), 6), perturbed(rate, 0.09, 1.2)]
    [0.012, 0.1]
    >>> dropout = Float("dropout", 0.0, 0.5, step=0.1)
    >>> [round(perturbed(dropout, v, f), 6) for v, f in ((0.2, 1.2), (0.2, 0.8), (0.0, 0.8))]
    [0.3, 0.1, 0.0]
    """
    if isinstance(hp, Choice) and hp.ordered:
        return _neighbour(list(hp.values), value, factor)
    if isinstance(hp, (Choice, Boolean)):
        return value
    if hp.step is not None:
        options = Dimension(hp, hp.name, distribution(hp)).options()
        near = min(options, key=lambda option: abs(option - value * factor))
        here = min(options, key=lambda option: abs(option - value))
        return near if near != here else _neighbour(options, here, factor)
    found = min(max(value * factor, hp.min_value), hp.max_value)
    if isinstance(hp, Int):
        whole = round(found)
        if whole == value:
            whole = value + (1 if factor > 1 else -1)
        return int(min(max(whole, hp.min_value), hp.max_value))
    return float(found)


def _neighbour(options: list, value: Any, factor: float) -> Any:
    place = options.index(value) + (1 if factor > 1 else -1)
    return options[min(max(place, 0), len(options) - 1)]
