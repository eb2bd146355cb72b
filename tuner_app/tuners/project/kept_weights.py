"""Weights on disk for the best few trials only, freed while the search goes on."""

import bisect
import contextlib
import os
from collections.abc import Callable, Sequence

from tuner_app.store import TrialRecord

_AT_ONCE = 1000


class KeptWeights:
    """Knows which trials' weights are to be kept, and deletes the others'.

    Args:
        most: How many trials' weights to keep.
        direction: "min" or "max", of the score.
        path: A trial's id to its weights' file.
        needed: Gives the trials whose weights must stay, whatever their score.
    """

    def __init__(
        self,
        most: int,
        direction: str,
        path: Callable[[str], str],
        needed: Callable[[], set[str]],
    ):
        self._most = most
        self._sign = -1 if direction == "max" else 1
        self._path, self._needed = path, needed
        self._best: list[tuple[float, str]] = []  # (score to minimize, trial), best first
        self._spared: set[str] = set()  # not among the best, but needed so far

    def begin(self, ended: Sequence[TrialRecord]) -> None:
        """Takes the trials that were over before, in that order. What a process that died may have
        left behind is deleted: it ends no more than a stack of trials at once."""
        for place, trial in enumerate(ended):
            self.ended(trial, delete=place >= len(ended) - _AT_ONCE)

    def ended(self, trial: TrialRecord, delete: bool = True) -> None:
        """A trial is over: its weights are kept, or those that it displaces are deleted."""
        dropped = {trial.trial_id}
        if trial.score is not None:
            bisect.insort(self._best, (self._sign * trial.score, trial.trial_id))
            dropped = {trial_id for _, trial_id in self._best[self._most :]}
            del self._best[self._most :]
        needed = self._needed()
        dropped |= self._spared
        self._spared = dropped & needed
        for trial_id in dropped - needed if delete else ():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(trial_id))
