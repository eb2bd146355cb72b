"""Wider ranges, for hyperparameters whose best trials are at an end of theirs."""

import keras_tuner

from tuner_app.results.edges import Edge, beyond, edges


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
                bound = beyond(settings, edge.end, whole=entry["class_name"] == "Int")
                if bound != edge.bound:
                    settings["default"] = settings.get("default") or settings["min_value"]
                    settings[key] = bound
                    taken.append(edge)
    if not taken:
        return hyperparameters, []
    return keras_tuner.HyperParameters.from_config({"space": config["space"], "values": {}}), taken
