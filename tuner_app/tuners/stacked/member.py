"""A trial that is a member of a population: it knows its next comparison and its best epoch."""

from typing import Any

from tuner_app.population import Readout
from tuner_app.tuners.stacked.stacked_trial import Run, StackedTrial


class Member(StackedTrial):
    """See `StackedTrial`; it has one run.

    Attributes:
        until: It is compared with the others after so many epochs.
        best_epoch, best_logs: The epoch (from 0) of its best weights, and its metrics; None before
            it has any.
    """

    until = 0
    best_epoch: int | None = None
    best_logs: dict[str, float] | None = None

    @property
    def run(self) -> Run:
        """Its only run."""
        return self.runs[0]

    def keep_best(self, run: Run, readout: Readout) -> None:
        """Keeps weights, structure and metrics if the last epoch is the best so far."""
        before, self.best_weights = self.best_weights, None
        super().keep_best(run, readout)
        if self.best_weights is None:
            self.best_weights = before
        else:
            self.structure = readout.structure(run.key)
            self.best_epoch, self.best_logs = run.epoch - 1, run.logs[-1]

    def state(self, lane_state) -> dict[str, Any]:
        """Where the member stands, for `stack_checkpoint`."""
        names = ("until", "best_epoch", "best_logs")
        return super().state(lane_state) | {name: getattr(self, name) for name in names}

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave; the run is admitted by the search."""
        super().go_on_from(state)
        self.until = state["until"]
        self.best_epoch, self.best_logs = state["best_epoch"], state["best_logs"]
