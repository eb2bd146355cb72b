"""Learning curves for a report: the objective's of every trial, all metrics of a telling few."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuner_app.store.reader import History

MOST_POINTS = 200  # of one curve: more than a chart has pixels for
PRUNED_SHOWN = 3


def curve(history: History, metric: str) -> list[float | None]:
    """One metric of a trial's first execution, epoch by epoch, five digits each.

    >>> curve({(0, 0): {"loss": 0.123456}, (0, 1): {"loss": math.nan}}, "loss")
    [0.12346, None]
    """
    values = [metrics.get(metric) for (run, _), metrics in history.items() if run == 0]
    return [_short(value) for value in _thinned(values)]


def told_apart(
    trials: Sequence[Mapping[str, Any]], histories: Mapping[str, History]
) -> list[dict[str, Any]]:
    """The curves worth a name: best, median and worst of the completed, and some that were pruned.

    Args:
        trials: Best first, those without a score last, as in the report.
        histories: By trial id.

    Returns:
        Dictionaries with label, trial_id and metrics (name to its curve).
    """
    completed = [trial for trial in trials if trial["rank"] is not None and not trial["pruned"]]
    chosen: dict[str, str] = {}
    if completed:
        chosen[completed[0]["trial_id"]] = "best"
        chosen.setdefault(completed[len(completed) // 2]["trial_id"], "median")
        chosen.setdefault(completed[-1]["trial_id"], "worst")
    for trial in [trial for trial in trials if trial["pruned"]][:PRUNED_SHOWN]:
        chosen.setdefault(trial["trial_id"], "pruned")
    return [
        {"label": label, "trial_id": trial_id, "metrics": _all_metrics(histories[trial_id])}
        for trial_id, label in chosen.items()
    ]


def _all_metrics(history: History) -> dict[str, list[float | None]]:
    names = dict.fromkeys(name for metrics in history.values() for name in metrics)
    return {name: curve(history, name) for name in names}


def _thinned(values: Sequence) -> Iterable:
    step = -(-len(values) // MOST_POINTS) or 1
    return values[::step]


def _short(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.5g}")
