"""Optuna's pruners: which trials are ended before their time, judged at each epoch.

>>> type(pruner("median", epochs=40)).__name__
'MedianPruner'
"""

import math

import optuna

from tuner_app.errors import unknown
from tuner_app.oracles.halving import SuccessiveHalving
from tuner_app.oracles.quiet_optuna import quiet_optuna

PRUNERS = {
    "none": "no trial is pruned",
    "median": "worse than the median of earlier trials at the same epoch",
    "asha": "not among the best third, rounded up, at a rung (asynchronous successive halving)",
    "hyperband": "as asha, in several brackets that begin to prune at different epochs",
    "wilcoxon": "worse than the best trial, by a signed-rank test over the epochs so far",
    "patient": "as median, but only without a better value for a tenth of the epochs",
}
_FACTOR = 3  # of a rung's trials to the next rung's


def kept_of(name: str) -> float:
    """Of so many trials that come to its first rung together a pruner keeps one; infinite where it
    has no rungs."""
    return _FACTOR if name in ("asha", "hyperband") else math.inf


def pruner(name: str, epochs: int) -> optuna.pruners.BasePruner:
    """The pruner of a name.

    `asha` (Li et al., 2020) has its first rung at a ninth of `epochs`, and `hyperband` (Li et al.,
    2018) its earliest; a step is an epoch, counted from 1.

    Args:
        epochs: The most epochs that a trial trains.

    Raises:
        UserError: an unknown name.
    """
    if name not in PRUNERS:
        raise unknown("pruner", name, PRUNERS)
    first = max(1, epochs // _FACTOR**2)
    with quiet_optuna():
        if name == "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first)
        if name == "asha":
            return SuccessiveHalving(first, _FACTOR)
        if name == "hyperband":
            return optuna.pruners.HyperbandPruner(
                min_resource=first, max_resource=epochs, reduction_factor=_FACTOR
            )
        if name == "wilcoxon":
            return optuna.pruners.WilcoxonPruner(n_startup_steps=first)
        if name == "patient":
            median = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first)
            return optuna.pruners.PatientPruner(median, patience=max(1, epochs // 10))
        return optuna.pruners.NopPruner()
