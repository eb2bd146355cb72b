"""The seconds that a trial has taken."""

import time


class TrialCost:
    """The seconds of an open trial: of its earlier runs, and of the present one.

    Args:
        earlier: Seconds of its earlier runs.

    Attributes:
        own: Seconds of the present run where that is a share of a stack's; None: those since it
            began.
    """

    def __init__(self, earlier: float):
        self._earlier = earlier
        self._began = time.monotonic()
        self.own: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds over all runs."""
        own = time.monotonic() - self._began if self.own is None else self.own
        return self._earlier + own
