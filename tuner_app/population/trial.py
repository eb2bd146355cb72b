"""One trial as a stack knows it, and what a stack has done."""

from dataclasses import dataclass, field

from tuner_app.population.signature import Description


@dataclass(eq=False)
class Trial:
    """One trial in, or waiting for, a lane.

    Args:
        key, seed, epochs: as given to `admit`; epoch: epochs done.
        description: its signature and numbers.
        values: its initial state on the host, until it has a lane.
        model: its model, until it has a lane: it may become the template of another stack.
    """

    key: object
    description: Description
    values: dict | None
    seed: int
    epochs: int
    epoch: int = 0
    model: object = None


@dataclass
class StackStats:
    """What one stack has done: times in seconds, steps in batches of one lane."""

    traces: int = 0
    trace_seconds: float = 0.0
    check_seconds: float = 0.0
    lane_steps: int = 0
    useful_lane_steps: int = 0
    run_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
