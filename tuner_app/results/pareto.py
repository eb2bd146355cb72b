"""The trials that no other beats in every objective."""

import math
from collections.abc import Mapping


def pareto(values: Mapping[str, Mapping[str, float]], directions: Mapping[str, str]) -> list[str]:
    """The trials of the Pareto front, in the order given.

    A trial is beaten by one that is at least as good in every objective and better in one.

    Args:
        values: Trial id to objective to value.
        directions: Objective to "min" or "max".

    >>> both = {"accuracy": "max", "seconds": "min"}
    >>> pareto({"0": {"accuracy": 0.9, "seconds": 5}, "1": {"accuracy": 0.8, "seconds": 6},
    ...         "2": {"accuracy": 0.7, "seconds": 1}}, both)
    ['0', '2']
    """
    signs = {name: 1 if direction == "max" else -1 for name, direction in directions.items()}
    points = {
        trial_id: tuple(sign * found[name] for name, sign in signs.items())
        for trial_id, found in values.items()
    }

    def beats(other: tuple, point: tuple) -> bool:
        return other != point and all(a >= b for a, b in zip(other, point, strict=True))

    # What beats a point comes before it in this order, and so does one of the front that does.
    numbers = {i: point for i, point in points.items() if not any(map(math.isnan, point))}
    front = points.keys() - numbers.keys()  # NaN is not beaten
    best: set[tuple] = set()
    for trial_id, point in sorted(numbers.items(), key=lambda one: one[1], reverse=True):
        if not any(beats(other, point) for other in best):
            front.add(trial_id)
            best.add(point)
    return [trial_id for trial_id in points if trial_id in front]


def objective_values(metrics: Mapping, names: list[str]) -> dict[str, float]:
    """The objectives of a trial in the epoch that was scored, from KerasTuner's record of it."""
    found = {}
    for name in names:
        last = metrics["metrics"][name]["observations"][-1]["value"]
        found[name] = sum(last) / len(last)
    return found
