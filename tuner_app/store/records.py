"""What one trial came to, as every reader sees it: results, the live view, TensorBoard, reports."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a search.

    Attributes:
        trial_id: KerasTuner's id, a zero-padded number.
        status: COMPLETED, FAILED, PRUNED (ended early by a pruner: no score, but its epochs are
            kept), or RUNNING, IDLE (waits to be run) or INVALID.
        score: The objective's best value, None unless the trial is COMPLETED.
        hyperparameters: Name to value, the active ones only.
        best_epoch: The epoch (from 0) that the score comes from, None without a score.
        epochs: Epochs run so far, over all executions.
        seconds: Wall-clock seconds spent on it (its share of the stack's, when stacked).
        message: Why it failed, was retried or was trained in another way; "" otherwise.
        mode: How it was trained: "fit" (one by one) or "stacked".
    """

    trial_id: str
    status: str
    score: float | None = None
    hyperparameters: dict = field(default_factory=dict)
    best_epoch: int | None = None
    epochs: int = 0
    seconds: float = 0.0
    message: str = ""
    mode: str = "fit"
