"""What a run of a trial returned, as metrics and the epoch they come from."""

import math

from keras_tuner.src.engine import objective as objective_module
from keras_tuner.src.engine import tuner_utils


def best_of(results: object, objective: objective_module.Objective) -> tuple[dict, int]:
    """The metrics of the best epoch, and that epoch (from 0).

    Args:
        results: A number, a dict of metrics, a Keras `History`, or a list of these (one an
            execution), whose metrics and epochs are then averaged, as in KerasTuner.
        objective: Decides which epoch is best. An epoch whose objective is NaN or infinite is none;
            KerasTuner lets a NaN in the first epoch hide all that follow.

    >>> best_of([0.5, 0.7], objective_module.Objective("val_loss", "min"))
    ({'val_loss': 0.6}, 0)
    """
    if isinstance(results, list):
        runs = [best_of(run, objective) for run in results]
        metrics = tuner_utils.average_metrics_dicts([metrics for metrics, _ in runs])
        averages = {name: float(value) for name, value in metrics.items()}
        return averages, int(sum(epoch for _, epoch in runs) / len(runs))
    if not hasattr(results, "history"):
        return dict(tuner_utils.convert_to_metrics_dict(results, objective)), 0
    names = list(results.history)
    epochs = [
        dict(zip(names, values, strict=True))
        for values in zip(*results.history.values(), strict=True)
    ]
    if not epochs:
        raise ValueError("The training ran no epoch, so there is nothing to score.")
    best, best_value = 0, math.nan
    for epoch, metrics in enumerate(epochs):
        value = objective.get_value(metrics)
        metrics[objective.name] = value  # of several objectives: their sum
        if math.isfinite(value) and (
            math.isnan(best_value) or objective.better_than(value, best_value)
        ):
            best, best_value = epoch, value
    first = results.epoch[0] if getattr(results, "epoch", None) else 0
    return epochs[best], first + best
