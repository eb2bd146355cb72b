"""A search's hyperparameters as a reader sees them: each one's kind, range, scale and condition."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

KINDS = {"Float": "float", "Int": "int", "Choice": "choice", "Boolean": "choice"}


def domains(space: Iterable[Mapping]) -> list[dict[str, Any]]:
    """What each hyperparameter may be, in the space's order.

    Args:
        space: KerasTuner's configuration of each hyperparameter.

    Returns:
        Dictionaries with name; kind ("float", "int", "choice" or "fixed"); low, high, and scale
        ("log" or "linear") of numbers; values of choices; and conditions, pairs of another
        hyperparameter and the values of it that make this one active. A name that stands in several
        scopes is described once, by the widest range.

    >>> space = [{"class_name": "Float", "config": {"name": "rate", "conditions": [],
    ...           "min_value": 0.001, "max_value": 0.1, "sampling": "log"}}]
    >>> found = domains(space)[0]
    >>> found["kind"], found["scale"], found["low"], found["high"]
    ('float', 'log', 0.001, 0.1)
    """
    found: dict[str, dict[str, Any]] = {}
    for item in space:
        config = item["config"]
        described = _described(item["class_name"], config)
        earlier = found.setdefault(config["name"], described)
        if earlier is not described:
            _widen(earlier, described)
    return list(found.values())


def _described(kind: str, config: Mapping) -> dict[str, Any]:
    conditions = [
        [condition["config"]["name"], list(condition["config"]["values"])]
        for condition in config.get("conditions") or []
        if "values" in condition.get("config", {})
    ]
    described = {
        "name": config["name"],
        "kind": KINDS.get(kind, "fixed"),
        "conditions": conditions,
    }
    if kind in ("Float", "Int"):
        low, high = config["min_value"], config["max_value"]
        logarithmic = config.get("sampling") in ("log", "reverse_log") and low > 0
        described |= {"low": low, "high": high, "scale": "log" if logarithmic else "linear"}
    elif kind == "Choice":
        described["values"] = list(config["values"])
    elif kind == "Boolean":
        described["values"] = [False, True]
    return described


def _widen(one: dict[str, Any], other: Mapping) -> None:
    if one["kind"] != other["kind"]:
        return
    if "low" in one:
        one["low"], one["high"] = min(one["low"], other["low"]), max(one["high"], other["high"])
    elif "values" in one:
        one["values"] += [value for value in other["values"] if value not in one["values"]]
    if one["conditions"] != other["conditions"]:
        one["conditions"] = []  # active in more than one scope: the trials say where


def place(domain: Mapping, value: float) -> float:
    """Where a number lies in its range, on its own scale: 0 at the low end, 1 at the high one.

    >>> place({"low": 0.001, "high": 0.1, "scale": "log"}, 0.01)
    0.5
    """
    low, high = domain["low"], domain["high"]
    if high <= low:
        return 0.5
    if domain["scale"] == "log":
        if value <= 0:
            return 0.0
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)
