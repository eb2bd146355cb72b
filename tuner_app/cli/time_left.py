"""How long a search will still take: from its pace of late, and the epochs that it has before it.

The trials that run at once are trained an epoch each in a *round*. How many rounds are left follows
from how old the running trials are, how many wait for a place, and at which ages trials have ended
so far; how long a round takes, from the last ones. Rounds in which something was compiled are
longer and say nothing about the next, so it is the quicker third that counts.
"""

import statistics
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuner_app.cli.rounds_left import rounds_left

RECENT = 15  # rounds
OVERDUE = 3.0  # seconds of a round, at least, before it is said to take unusually long


class TimeLeft:
    """What is known about the rest of a search. Times are in seconds of any one clock.

    Args:
        epochs: The most that a trial trains, unless its values or a plan say otherwise.
        time_limit: The seconds after which the search stops; None: no limit.
        max_epochs_total: The epochs of all trials after which it stops; 0: no limit.

    >>> left = TimeLeft(epochs=10)
    >>> left.begin(2, now=0.0)
    >>> left.start("0", {}, now=1.0)
    >>> for epoch in range(4):  # an epoch takes 2 s, the first one 5 s more
    ...     left.epoch("0", epoch, now=7.0 + 2 * epoch)
    >>> left.seconds(now=13.0)  # 6 epochs of this trial, 10 of the next, which is compiled, too
    37.0
    """

    def __init__(self, epochs: int, time_limit: float | None = None, max_epochs_total: int = 0):
        self._epochs, self._time_limit = epochs, time_limit
        self._max_epochs_total = max_epochs_total
        self._ends: Counter[int] = Counter()  # at which ages trials ended before their epochs were
        self._whole: Counter[int] = Counter()  # ... and when these were
        self._ages: dict[str, int] = {}
        self._lengths: dict[str, int] = {}  # of the running trials, at most
        self._begun_at: dict[str, int] = {}  # Hyperband's promoted trials count epochs from there
        self._planned: Counter[int] | None = None  # lengths of the trials to come, with a plan
        self._gone: Counter[int] = Counter()  # lengths of those that began
        self._waiting: int | None = None
        self._stacked = False
        self._total = 0  # epochs
        self._slots = 1
        self._began = self._round_began = 0.0
        self._round, self._starts = 0.0, 0  # share of a round that is over; trials begun in it
        self._rounds: deque[float] = deque(maxlen=RECENT)
        self._gaps: deque[float] = deque(maxlen=500)  # seconds from one start to the next
        self._last_start: float | None = None
        self._first: tuple[float, int] | None = None  # seconds of the first round, trials begun
        self._starting = [0.0, 0]  # seconds that starts took in later rounds, and their number
        self._seen: Seen | None = None  # after the last round
        self._reckoned: tuple[Seen, float] | None = None  # by the thread that asks

    def begin(
        self, max_trials: int | None, now: float, finished: Iterable[tuple[Mapping, int]] = ()
    ) -> None:
        """The search begins. `finished`: values and epochs of the trials that are over already."""
        self._began = self._round_began = now
        self._waiting = max_trials
        for values, epochs in finished:
            self._left(self._length(values))
            self._ended(epochs, self._length(values))
            self._total += epochs

    def plan(self, lengths: Iterable[int]) -> None:
        """So many epochs each trial has, of those that are over and of those to come."""
        self._planned = Counter(lengths) - self._gone
        self._waiting = self._planned.total()

    def start(self, trial_id: str, values: Mapping, now: float) -> None:
        """A trial begins, or begins again."""
        if trial_id in self._ages:
            return
        length = self._length(values)
        self._ages[trial_id], self._lengths[trial_id] = 0, length
        self._begun_at[trial_id] = values.get("tuner/initial_epoch", 0)
        self._starts += 1
        if self._last_start is not None:
            self._gaps.append(now - self._last_start)
        self._last_start = now
        self._left(length)

    def epoch(self, trial_id: str, epoch: int, now: float) -> None:
        """An epoch of a trial, counted from 0, is over."""
        if trial_id not in self._ages:
            return
        told = epoch + 1 - self._begun_at[trial_id]  # more, where it goes on after a resume
        self._ages[trial_id] = min(max(self._ages[trial_id] + 1, told), self._lengths[trial_id])
        self._total += 1
        self._last_start = None
        self._round += 1 / len(self._ages)
        if self._round > 1 - 1e-6:
            self._end_round(now)

    def stack(self) -> None:
        """Trials are stacked: what is compiled for one serves others as well."""
        self._stacked = True

    def finish(self, trial_id: str) -> None:
        """A trial is over."""
        if trial_id in self._ages:
            self._ended(self._ages.pop(trial_id), self._lengths.pop(trial_id))

    def seconds(self, now: float) -> float | None:
        """None where nobody can know, as before the second round or without a number of trials."""
        left, until = self._by_epochs(now), self._until(now)
        return until if left is None else left if until is None else min(left, until)

    def roughly(self, now: float) -> str:
        """How what `seconds` gives is meant: "about", "at most" or "more than"."""
        left, until = self._by_epochs(now), self._until(now)
        if until is not None and (left is None or until < left):
            return "at most"
        seen = self._seen
        # Something unforeseen, such as compiling, adds to what is left.
        overdue = seen is not None and now - seen.when > max(OVERDUE, 5 * seen.pace)
        return "more than" if self._ages and overdue else "about"

    def _until(self, now: float) -> float | None:
        """The seconds until the time limit."""
        if self._time_limit is None:
            return None
        return max(0.0, self._time_limit - (now - self._began))

    def _by_epochs(self, now: float) -> float | None:
        seen = self._seen
        if seen is None:
            return None
        if not self._waiting and not self._ages:
            return 0.0
        if self._reckoned is None or self._reckoned[0] is not seen:
            self._reckoned = seen, seen.seconds()
        # A round that takes longer than others holds the clock; it does not turn it back.
        return max(0.0, self._reckoned[1] - min(seen.pace, now - seen.when))

    def _pace(self) -> float:
        """The seconds of a round in which nothing unusual was done."""
        return sorted(self._rounds)[len(self._rounds) // 3]

    def _start_seconds(self, pace: float) -> float:
        if self._stacked:  # what else a round with a start takes is mostly compiling
            return statistics.median(self._gaps) if self._gaps else 0.0
        seconds, starts = self._starting
        if not starts and self._first is not None:
            seconds, starts = max(0.0, self._first[0] - pace), self._first[1]
        return seconds / starts if starts else 0.0

    def _lengths_waiting(self) -> Sequence[int]:
        if self._planned is not None:
            return sorted(self._planned.elements())
        return [self._epochs] * (self._waiting or 0)

    def _end_round(self, now: float) -> None:
        seconds = now - self._round_began
        if self._first is None:
            self._first = seconds, self._starts
        else:
            self._rounds.append(seconds)
            if self._starts:
                spent = max(0.0, seconds - self._pace())
                self._starting[0] += spent
                self._starting[1] += self._starts
        self._round_began, self._round, self._starts = now, 0.0, 0
        self._slots = max(self._slots, len(self._ages))
        if self._rounds and self._waiting is not None:
            pace = self._pace()
            self._seen = Seen(
                when=now,
                pace=pace,
                start=self._start_seconds(pace),
                running=[(age, self._lengths[trial_id]) for trial_id, age in self._ages.items()],
                waiting=self._lengths_waiting(),
                slots=self._slots,
                ends=dict(self._ends),
                whole=dict(self._whole),
                epochs=self._max_epochs_total and max(1, self._max_epochs_total - self._total),
            )

    def _length(self, values: Mapping) -> int:
        """The most that a trial trains; Hyperband gives each its own epochs."""
        if "tuner/epochs" not in values:
            return self._epochs
        return values["tuner/epochs"] - values.get("tuner/initial_epoch", 0)

    def _left(self, length: int) -> None:
        """One trial of this length fewer is to come."""
        self._gone[length] += 1
        if self._planned is not None:
            self._planned[length] = max(0, self._planned[length] - 1)
        if self._waiting:
            self._waiting -= 1

    def _ended(self, age: int, length: int) -> None:
        (self._whole if age >= length else self._ends)[age] += 1


@dataclass(frozen=True)
class Seen:
    """A search after a round: what `rounds_left` takes, the `pace`, which is the seconds of a
    round, those that a trial's start takes besides, and the epochs that are left; 0: no limit."""

    when: float
    pace: float
    start: float
    running: Sequence[tuple[int, int]]
    waiting: Sequence[int]
    slots: int
    ends: Mapping[int, int]
    whole: Mapping[int, int]
    epochs: int

    def seconds(self) -> float:
        """What is left."""
        rounds = rounds_left(self.running, self.waiting, self.slots, self.ends, self.whole)
        if self.epochs:
            rounds = min(rounds, self.epochs / max(1, len(self.running)))
        return rounds * self.pace + len(self.waiting) * self.start
