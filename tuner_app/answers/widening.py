"""Ranges that turn out too narrow for an optimizer: found by pilots, and made wider."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tuner_app.answers.points import OptimizerSpace
from tuner_app.results.report.domains import place

MOST = 3  # pilots with wider ranges
WIDER = 10.0  # times, on a logarithmic scale, beyond an end that the best points sit on
EDGE = 0.1  # the outer part of a range, on its own scale, in which the best point is at an end
SIDE = 1 / 3  # the part in which the next best must be too, where only chance would put the best
NEXT = 2  # so many of them

Spaces = Mapping[str, OptimizerSpace]
BestFirst = Mapping[str, Sequence[Mapping[str, Any]]]  # optimizer → points, those that failed not


def widened(
    spaces: Spaces, pilot: Callable[[int, Spaces], BestFirst], say: Callable[[str], None]
) -> tuple[dict[str, OptimizerSpace], dict[str, dict[str, int]]]:
    """The spaces with wider ranges where the best points of a pilot lie at an end.

    Args:
        spaces: By optimizer.
        pilot: Tries points of some of them; it is called again, with the wider ones, `MOST` times
            at most.
        say: Is given lines for a person.

    Returns:
        The spaces, and by optimizer and hyperparameter how often its range was widened.
    """
    spaces, times = dict(spaces), {name: {} for name in spaces}
    open_ones = list(spaces)
    for attempt in range(MOST + 1):
        best_first = pilot(attempt, {name: spaces[name] for name in open_ones})
        found = {name: ends(spaces[name], best_first[name]) for name in open_ones}
        found = {name: wider for name, wider in found.items() if wider}
        open_ones = list(found) if attempt < MOST else []
        if not open_ones:
            break
        for name in open_ones:
            spaces[name] = _with(spaces[name], found[name])
            for hyperparameter in found[name]:
                times[name][hyperparameter] = times[name].get(hyperparameter, 0) + 1
        told = ", ".join(one for wider in found.values() for one in wider)
        say(f"The best points lie at an end of {told}: widened.")
    return spaces, times


def ends(space: OptimizerSpace, best_first: Sequence[Mapping[str, Any]]) -> dict[str, dict]:
    """The wider domain of each hyperparameter at an end of whose range the best points are.

    A learning rate always matters, so there the best point tells. Of other numbers one in five
    best points would be at an end by chance: there the next two must be on the same side.
    """
    found = {}
    for domain in space.domains:
        if domain["kind"] != "float" or not best_first:
            continue
        places = [place(domain, values[domain["name"]]) for values in best_first[: NEXT + 1]]
        if domain is space.rate:
            places = places[:1]
        elif len(places) <= NEXT:
            continue
        low = places[0] <= EDGE and all(where <= SIDE for where in places)
        high = places[0] >= 1 - EDGE and all(where >= 1 - SIDE for where in places)
        wide = wider(domain, low, high)
        if wide != domain:
            found[domain["name"]] = wide
    return found


def wider(domain: Mapping[str, Any], low: bool, high: bool) -> dict[str, Any]:
    """The domain with a lower low end, or a higher high end.

    On a logarithmic scale by a factor of ten. On a linear one by half of the range, but never below
    0 where nothing was; and what is a share, such as a momentum, comes ten times nearer to 1.

    >>> wider({"low": 0.8, "high": 0.98, "scale": "linear"}, False, True)
    {'low': 0.8, 'high': 0.998, 'scale': 'linear'}
    """
    below, above, found = domain["low"], domain["high"], dict(domain)
    if domain["scale"] == "log":
        found["low"] = below / WIDER if low else below
        found["high"] = above * WIDER if high else above
        return found
    half = (above - below) / 2
    if low:
        found["low"] = max(below - half, 0.0 if below >= 0 else -math.inf)
    if high:
        share = below >= 0 and above <= 1
        found["high"] = round(1 - (1 - above) / WIDER, 12) if share else above + half
    return found


def _with(space: OptimizerSpace, wide: Mapping[str, dict]) -> OptimizerSpace:
    domains = tuple(wide.get(domain["name"], domain) for domain in space.domains)
    return dataclasses.replace(space, domains=domains)
