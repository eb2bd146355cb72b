"""What a population tells: of one trial's epoch, and of itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochReport:
    """One trial's epoch.

    Args:
        key: the trial, as given to `admit`.
        epoch: how many epochs it has done, 1 after the first.
        logs: as in Keras's `History`, metric name to value, validation's with "val_".
        done: whether that was its last; it then waits to be read and retired.
        scheduled_rate: its learning rate now, where that follows a schedule.
    """

    key: object
    epoch: int
    logs: dict[str, float]
    done: bool
    scheduled_rate: float | None = None


@dataclass(frozen=True)
class PopulationStats:
    """What a population has done so far.

    Args:
        stacks: compiled signatures alive.
        lanes: lanes in them, used or not.
        traces: how often a training step was traced.
        trace_seconds, run_seconds: wall time tracing, and running (compilation included).
        lane_steps: batches computed, all lanes; useful_share: the part that trained a trial.
        notes: what is worth telling a user, each once.
    """

    stacks: int
    lanes: int
    traces: int
    trace_seconds: float
    run_seconds: float
    lane_steps: int
    useful_share: float
    notes: tuple[str, ...]
