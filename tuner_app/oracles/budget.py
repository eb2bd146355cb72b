"""When a search has had enough: its time, its epochs, a good value, or a long standstill.

>>> budget = Budget(target=0.9, max_epochs=100)
>>> spent = Spent(budget, "max")
>>> spent.epoch(0.5), spent.reason
(None, '')
>>> spent.epoch(0.93), spent.reason
(None, 'the target of 0.9 was reached')
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from tuner_app.errors import UserError

OUT_OF_TIME = "the time limit"  # how the one reason begins after which a resume goes on


@dataclass(frozen=True)
class Budget:
    """What a search may cost, and when it is done; None: no such limit.

    Attributes:
        seconds: Wall-clock time of one process; a resume has as much again.
        max_epochs: Of all trials together, resumes included.
        target: A value of the objective that is good enough.
        patience: So many trials ended, one after another, without a better best.
    """

    seconds: float | None = None
    max_epochs: int | None = None
    target: float | None = None
    patience: int | None = None

    def __post_init__(self):
        for name in ("seconds", "max_epochs", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"Expected a budget's {name} above 0; received {value!r}.")
        if self.target is not None and not math.isfinite(self.target):
            raise UserError(f"Expected a finite target; received {self.target!r}.")


class Spent:
    """How much of a budget is spent.

    Args:
        direction: "min" or "max", of the objective.
        clock: Gives seconds.

    Attributes:
        reason: Why the search is over; "" while it is not. Time counts from the first question.
    """

    def __init__(self, budget: Budget, direction: str, clock: Callable[[], float] = time.monotonic):
        self._budget, self._clock = budget, clock
        self._sign = 1 if direction == "max" else -1
        self._began: float | None = None
        self._epochs = 0
        self._best, self._since_best = -math.inf, 0
        self._reached = False

    @property
    def reason(self) -> str:
        budget = self._budget
        if self.reached:
            return self.reached
        if budget.max_epochs is not None and self._epochs >= budget.max_epochs:
            return f"all {budget.max_epochs:,} epochs are spent"
        if budget.patience is not None and self._since_best >= budget.patience:
            return f"{budget.patience:,} trials in a row brought nothing better"
        if budget.seconds is not None:
            now = self._clock()
            self._began = now if self._began is None else self._began
            if now - self._began >= budget.seconds:
                return f"{OUT_OF_TIME} of {budget.seconds:g} seconds is over"
        return ""

    @property
    def reached(self) -> str:
        """That the target was reached, in words; "" where it was not, or there is none."""
        return f"the target of {self._budget.target:g} was reached" if self._reached else ""

    @property
    def limited(self) -> bool:
        """Whether there is anything by which the search may be over early."""
        return self._budget != Budget()

    def epoch(self, value: float | None) -> None:
        """A trial trained an epoch, and the objective had this value after it."""
        self._epochs += 1
        if value is not None and self._budget.target is not None:
            self._reached |= self._sign * value >= self._sign * self._budget.target

    def epochs(self, number: int) -> None:
        """An earlier process trained so many."""
        self._epochs += number

    def trial(self, score: float | None) -> None:
        """A trial ended, with a score or without."""
        self._since_best += 1
        if score is not None and self._sign * score > self._best:
            self._best, self._since_best = self._sign * score, 0
            if self._budget.target is not None:
                self._reached |= self._best >= self._sign * self._budget.target
