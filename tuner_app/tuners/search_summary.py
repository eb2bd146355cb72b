"""What a search came to, in a few numbers, for its observers."""

from typing import Any

import keras_tuner


def search_summary(oracle: keras_tuner.Oracle, outcome: str, seconds: float) -> dict[str, Any]:
    """What `Observer.search_ended` is told: outcome, seconds, completed, failed, pruned, queued,
    best_trial_id, best_score (the last two None without a completed trial).

    Args:
        outcome: "done", "interrupted" or "failed".
        seconds: Wall-clock seconds of this run.
    """
    statuses = [trial.status for trial in oracle.trials.values()]
    best = next(iter(oracle.get_best_trials(1)), None)
    completed, failed = statuses.count("COMPLETED"), statuses.count("FAILED")
    pruned = statuses.count("STOPPED")  # KerasTuner's word
    return {
        "outcome": outcome,
        "seconds": seconds,
        "completed": completed,
        "failed": failed,
        "pruned": pruned,
        "queued": len(statuses) - completed - failed - pruned,
        "best_trial_id": None if best is None else best.trial_id,
        "best_score": None if best is None else best.score,
    }
