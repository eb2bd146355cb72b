"""One trial as a stack knows it, and what a stack has done."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tuner_app.population.models.building import built
from tuner_app.population.signatures.description import Description
from tuner_app.population.signatures.signature import describe


@dataclass(eq=False)
class Trial:
    """One trial in, or waiting for, a lane.

    Args:
        key, seed, epochs: as given to `admit`; epoch: epochs done.
        description: its signature and numbers.
        values: its initial state on the host, until it has a lane.
        model: its model, if that was built to be trained, until it has a lane.
        build: the function that builds it again.
    """

    key: object
    description: Description
    values: dict | None
    seed: int
    epochs: int
    epoch: int = 0
    model: object = None
    build: Callable | None = None

    def real_model(self):
        """The model with variables of its own, for a template or for plain Keras's steps."""
        if self.model is None:
            self.model = built(self.build, self.seed)
            self.description = describe(self.model)
        return self.model

    def seated(self) -> None:
        """Lets go of all that only a trial without a lane needs."""
        self.model = self.build = self.values = None
        self.description = self.description.without_sites()


@dataclass
class StackStats:
    """What one stack has done: times in seconds, steps in batches of one lane."""

    traces: int = 0
    trace_seconds: float = 0.0
    lane_steps: int = 0
    useful_lane_steps: int = 0
    run_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
