"""Wider ranges, for hyperparameters whose best trials are at an end of theirs."""

import math

import keras_tuner

from tuner_app.results.edges import Edge, edges

_SHARE_LINEAR, _SHARE_LOG = 0.5, 0.25  # of the range, on its own scale, that is added at an end


def widened(
    hyperparameters: keras_tuner.HyperParameters, best: list[dict]
) -> tuple[keras_tuner.HyperParameters, list[Edge]]:
    """The space with wider ranges where at least half of the `best` values are at an end.

    What is never below 0 stays so, and what is never above 1 (a rate, a share): these are bounds
    by nature.

    >>> hp = keras_tuner.HyperParameters()
    >>> rate = hp.Float("rate", 1e-4, 1e-2, sampling="log")
    >>> wider, found = widened(hp, [{"rate": 1e-2}, {"rate": 0.009}, {"rate": 0.0095}])
    >>> round(wider.space[0].max_value, 4), [edge.end for edge in found]
    (0.0316, ['upper'])
    """
    config = hyperparameters.get_config()
    taken = []
    for edge in edges(config["space"], best):
        for entry in config["space"]:
            settings = entry["config"]
            key = "min_value" if edge.end == "lower" else "max_value"
            if settings["name"] == edge.name and settings.get(key) == edge.bound:
                bound = _beyond(settings, edge.end, whole=entry["class_name"] == "Int")
                if bound != edge.bound:
                    settings["default"] = settings.get("default") or settings["min_value"]
                    settings[key] = bound
                    taken.append(edge)
    if not taken:
        return hyperparameters, []
    return keras_tuner.HyperParameters.from_config({"space": config["space"], "values": {}}), taken


def _beyond(settings: dict, end: str, whole: bool) -> float:
    """The new bound at one end; the old one where it is a bound by nature."""
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
