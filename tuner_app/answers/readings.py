"""What a comparison of optimizers shows besides its scores: costs, and sensitivity."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tuner_app.answers import judging
from tuner_app.answers.points import OptimizerSpace, defaults
from tuner_app.answers.runs import Ran

NEAR = {"max": 0.02, "min": 0.1}  # what counts as nearly the best: absolute; relative where "min"

Final = Mapping[str, Sequence[Sequence[Ran]]]  # optimizer → repeat → seed


def last(ran: Ran, metric: str) -> float | None:
    """A metric in a run's last epoch; None where it failed."""
    if ran.score is None or not ran.history:
        return None
    value = ran.history[max(ran.history)].get(metric)
    return value if value is not None and math.isfinite(value) else None


def at_the_end(final: Final, metric: str) -> dict[str, dict[str, float | None]]:
    """The last epoch's mean training and held-out number of each optimizer."""
    found = {}
    for name, by_repeat in final.items():
        every = [ran for of in by_repeat for ran in of]
        told = {}
        for key, of in (("train", metric), ("held_out", f"val_{metric}")):
            known = [value for ran in every if (value := last(ran, of)) is not None]
            told[key] = float(np.mean(known)) if known else None
        found[name] = told
    return found


def sensitivity(
    space: OptimizerSpace, points: Sequence, scores: Sequence, direction: str
) -> dict[str, Any]:
    """How an optimizer's scores depend on the learning rate (see `judging.sensitivity`), with
    every point's rate and score."""
    rates = [values[space.rate["name"]] for of in points for values in of]
    flat = [score for of in scores for score in of]
    known = [score for score in flat if math.isfinite(score)]
    near = NEAR[direction] * (1 if direction == "max" or not known else abs(min(known)))
    found = judging.sensitivity(rates, flat, near, direction)
    told = [[r, s if math.isfinite(s) else None] for r, s in zip(rates, flat, strict=True)]
    return found | {"tolerance": near, "points": told}


def time_to_target(
    final: Final, result: Mapping[str, Any], objective: Mapping[str, str], target: float | None
) -> dict[str, Any]:
    """The median number of epochs until a score is reached, and in how many runs it is.

    Args:
        target: The score; None: the mean of the worst tuned optimizer.
    """
    direction = objective["direction"]
    means = [row["mean"] for row in result["ranking"] if row["mean"] is not None]
    if target is None and means:
        target = min(means) if direction == "max" else max(means)
    rows = {}
    for name, by_repeat in final.items():
        reached = []
        for ran in (one for of in by_repeat for one in of):
            curve = [metrics.get(objective["name"], math.nan) for metrics in ran.history.values()]
            reached.append(None if target is None else judging.epochs_to(curve, target, direction))
        # One that never reaches it took longer than all: the median knows.
        ordered = sorted(math.inf if epochs is None else epochs for epochs in reached)
        middle = ordered[len(ordered) // 2]
        rows[name] = {
            "median_epochs": None if math.isinf(middle) else middle,
            "reached": sum(epochs is not None for epochs in reached),
            "runs": len(reached),
        }
    return {"target": target, "optimizers": rows}


def memory(space: Any, one: OptimizerSpace) -> dict[str, float]:
    """Numbers that an optimizer keeps for each weight, and the bytes that they take here."""
    import keras_tuner

    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = {**one.fixed, **defaults(one)}
    model = space.build(hyperparameters)
    weights = sum(math.prod(v.shape) for v in model.trainable_variables)
    model.optimizer.build(model.trainable_variables)
    slots = [v for v in model.optimizer.variables if math.prod(v.shape) > 1]
    size = {v.path: np.dtype(keras.backend.standardize_dtype(v.dtype)).itemsize for v in slots}
    return {
        "weights": weights,
        "slots_a_weight": sum(math.prod(v.shape) for v in slots) / weights,
        "bytes": sum(math.prod(v.shape) * size[v.path] for v in slots),
    }
