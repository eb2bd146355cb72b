"""Ranges that were too narrow: hyperparameters whose best trials sit at an end of their range.

>>> rate = {"class_name": "Float", "config": {
...     "name": "rate", "min_value": 1e-4, "max_value": 1e-1, "sampling": "log", "step": None}}
>>> edges([rate], [{"rate": 0.09}, {"rate": 0.1}, {"rate": 0.02}])
[Edge(name='rate', end='upper', bound=0.1, trials=2, of=3, natural=False)]
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner_app.results.search_results import ranked
from tuner_app.store import SearchReader, TrialRecord

_NEAR = 0.05  # of the range, on its own scale
_LEAST = 3  # trials, below which nothing is said
_SELDOM = 0.05  # a probability
_SHARE_LINEAR, _SHARE_LOG = 0.5, 0.25  # of a range, on its own scale, that is added at an end


@dataclass(frozen=True)
class Edge:
    """An end of a range where the best trials are.

    Attributes:
        name: The hyperparameter's.
        end: "lower" or "upper".
        bound: Its value.
        trials, of: So many of the best trials that have the hyperparameter are near it.
        natural: Whether it is a bound by nature, such as 0 for what is never negative.
    """

    name: str
    end: str
    bound: float
    trials: int
    of: int
    natural: bool = False

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.trials} of the {self.of} best trials are at its {self.end} end, "
            f"{self.bound:g}"
        )


def edges(space: Sequence[dict], best: Sequence[dict[str, Any]]) -> list[Edge]:
    """The ends of ranges near which at least half of the best trials are, and more than chance
    would put there: of the numbers 1 and 2 each is an end, and half of any trials have it.

    Args:
        space: KerasTuner's configuration of each hyperparameter.
        best: The values of the best trials.
    """
    found = []
    for entry in space:
        config = entry["config"]
        values = [v[config["name"]] for v in best if config["name"] in v]
        if entry["class_name"] not in ("Float", "Int"):
            continue
        low, high = config["min_value"], config["max_value"]
        values = [v for v in values if low <= v <= high]  # a name may have several ranges
        if len(values) < _LEAST or low == high:
            continue
        places = [_place(value, config) for value in values]
        near = _NEAR if not config.get("step") else 1e-9  # with steps: the end itself
        for end, bound, distances in (
            ("lower", low, places),
            ("upper", high, [1 - place for place in places]),
        ):
            at = sum(distance <= near for distance in distances)
            if 2 * at >= len(values) and _by_chance(at, len(values), entry) < _SELDOM:
                natural = beyond(config, end, whole=entry["class_name"] == "Int") == bound
                found.append(Edge(config["name"], end, bound, at, len(values), natural))
    return found


def edges_of(directory: str | Path, trials: Sequence[TrialRecord] | None = None) -> list[Edge]:
    """The edges of a search, by the best tenth of its completed trials, or ten if that is more,
    but a third at most.

    Args:
        trials: The search's, best first, where somebody has read them already.
    """
    with SearchReader(directory) as reader:
        if trials is None:
            goal = reader.fact("objective", {"direction": "min"})
            trials = ranked(reader.records(), goal["direction"])
        best = [trial for trial in trials if trial.status == "COMPLETED"]
        if len(best) < 2 * _LEAST:
            return []
        space = reader.latest_space()
    number = max(_LEAST, min(10, len(best) // 3), len(best) // 10)
    return edges(space, [trial.hyperparameters for trial in best[:number]])


def _by_chance(at: int, of: int, entry: dict) -> float:
    """How likely so many of so many trials would be near an end, were they drawn evenly.

    >>> space = {"class_name": "Int", "config": {"min_value": 1, "max_value": 2}}
    >>> _by_chance(5, 10, space) > 0.5, _by_chance(10, 10, space) < 0.01
    (True, True)
    """
    config, share = entry["config"], _NEAR
    step = config.get("step") or (1 if entry["class_name"] == "Int" else None)
    if step:
        share = max(share, 1 / (1 + round((config["max_value"] - config["min_value"]) / step)))
    return sum(math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(at, of + 1))


def _place(value: float, config: dict) -> float:
    """Where a value is in its range, from 0 to 1, on the range's own scale."""
    low, high = config["min_value"], config["max_value"]
    if config["sampling"] == "log":
        return math.log(value / low) / math.log(high / low)
    if config["sampling"] == "reverse_log":
        return 1 - math.log((high + low - value) / low) / math.log(high / low)
    return (value - low) / (high - low)


def beyond(settings: dict, end: str, whole: bool) -> float:
    """The bound that a wider range has at one end; the old one where it is a bound by nature.

    >>> share = {"min_value": 0.0, "max_value": 0.8, "sampling": "linear"}
    >>> beyond(share, "upper", whole=False), beyond(share, "lower", whole=False)
    (1.0, 0)
    """
    low, high, step = settings["min_value"], settings["max_value"], settings.get("step")
    sign = 1 if end == "upper" else -1
    old = high if end == "upper" else low
    if settings["sampling"] == "reverse_log":
        return old
    if settings["sampling"] == "log":
        found = old * (step or (high / low) ** _SHARE_LOG) ** sign
    else:
        steps = max(1, math.ceil(_SHARE_LINEAR * (high - low) / (step or 1)))
        found = old + sign * (step * steps if step else _SHARE_LINEAR * (high - low))
    least, most = (1 if whole else 0) if low >= 0 else -math.inf, math.inf
    if not whole and low >= 0 and high <= 1:
        most = 1.0
    if not least <= found <= most:
        found = max(least, min(most, found)) if not step else old
    if whole:
        return int(round(found)) if step is None or settings["sampling"] == "linear" else int(found)
    return found
