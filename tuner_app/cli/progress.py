"""Progress of a search: a live view in a terminal, a line a trial when piped."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner_app.cli.time_left import TimeLeft
from tuner_app.store.records import TrialRecord
from tuner_app.tuners.observer import Observer

BARS = "▁▂▃▄▅▆▇█"
CURVE_WIDTH = 30


class SearchState:
    """What both views show: how many trials are done, the best one, the curves of the running ones.

    Args:
        finished: Trials that were over before this run, when a search is resumed.
        left: Reckons how long it will still take.
    """

    def __init__(self, finished: Iterable[TrialRecord] = (), left: TimeLeft | None = None) -> None:
        self.earlier = list(finished)
        self.done: list[TrialRecord] = list(self.earlier)
        self.best: TrialRecord | None = None
        self.running: dict[str, TrialRecord] = {}
        self.curves: dict[str, list[float]] = {}  # of the running ones, by trial id
        self.max_trials: int | None = None
        self.objective, self.direction = "", "min"
        self.compared: tuple[int, int, int] | None = None  # a population's epoch, epochs, copies
        self.epochs = 0  # of the trial with the most
        self.stack: Any = None  # the engine's `PopulationStats`, once trials are stacked
        self.began = time.monotonic()
        self.left = left or TimeLeft(1)

    def begin(self, max_trials: int | None, objective: str, direction: str) -> None:
        self.max_trials, self.objective, self.direction = max_trials, objective, direction
        self.began = time.monotonic()
        over = [(trial.hyperparameters, trial.epochs) for trial in self.earlier]
        self.left.begin(max_trials, self.began, over)
        for trial in self.earlier:
            self._keep_best(trial)

    def start(self, trial: TrialRecord) -> None:
        self.running[trial.trial_id], self.curves[trial.trial_id] = trial, []
        self.left.start(trial.trial_id, trial.hyperparameters, time.monotonic())

    def add_epoch(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> None:
        self.left.epoch(trial_id, epoch, time.monotonic())
        self.epochs = max(self.epochs, epoch + 1)
        if epoch == 0:
            self.curves[trial_id] = []  # another execution of the same trial, or its retry
        if self.objective in metrics:
            self.curves.setdefault(trial_id, []).append(float(metrics[self.objective]))

    def compare(self, epoch: int, epochs: int, copies: int) -> None:
        before = self.compared[2] if self.compared else 0
        self.compared = (epoch, epochs, before + copies)

    def finish(self, trial: TrialRecord) -> None:
        self.done.append(trial)
        self.running.pop(trial.trial_id, None)
        self.curves.pop(trial.trial_id, None)
        self.left.finish(trial.trial_id)
        self._keep_best(trial)

    def leader(self) -> TrialRecord | None:
        """The running trial with the best value so far; None before any has one."""
        sign = 1 if self.direction == "max" else -1
        running = dict(self.running)  # the live view asks in a thread of its own
        tops = {
            trial_id: max(sign * value for value in curve if value == value)
            for trial_id, curve in list(self.curves.items())
            if trial_id in running and any(value == value for value in curve)
        }
        return running[max(tops, key=tops.__getitem__)] if tops else None

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def _keep_best(self, trial: TrialRecord) -> None:
        if trial.score is None:
            return
        sign = 1 if self.direction == "max" else -1
        if self.best is None or sign * trial.score > sign * self.best.score:
            self.best = trial


class PlainProgress(Observer):
    """One line a finished trial, for pipes and log files."""

    def __init__(self, finished: Iterable[TrialRecord] = ()) -> None:
        self._state = SearchState(finished)

    def search_begun(self, max_trials: int | None, objective: str, direction: str) -> None:
        self._state.begin(max_trials, objective, direction)

    def trial_ended(self, trial: TrialRecord) -> None:
        state = self._state
        state.finish(trial)
        count = f"{len(state.done)}/{state.max_trials}" if state.max_trials else len(state.done)
        if trial.score is None:
            outcome = f"{trial.status} {trial.message}".strip()
        else:
            best = ", the best so far" if state.best is trial else ""
            outcome = f"{state.objective} {trial.score:.4f}{best}"
        epochs = "1 epoch" if trial.epochs == 1 else f"{trial.epochs} epochs"
        parts = [f"trial {trial.trial_id} ({count})", outcome, epochs, f"{trial.seconds:.1f} s"]
        parts += [values(trial.hyperparameters)] if trial.hyperparameters else []
        print("  ".join(parts), flush=True)

    def population_compared(self, epoch: int, epochs: int, best: float | None, copies: int) -> None:
        state = self._state
        state.compare(epoch, epochs, copies)
        value = "none has a value" if best is None else f"best {state.objective} {best:.4f}"
        replaced = "1 member" if copies == 1 else f"{copies} members"
        print(f"epoch {epoch}/{epochs}  {value}, {replaced} replaced", flush=True)


class LiveProgress(Observer):
    """A live view in a terminal: trials done, the best so far, the running trial, time left."""

    def __init__(
        self,
        epochs: int,
        finished: Iterable[TrialRecord] = (),
        console: Console | None = None,
        left: TimeLeft | None = None,
    ) -> None:
        self._state = SearchState(finished, left or TimeLeft(epochs))
        self._epochs = epochs
        self._live = Live(
            get_renderable=self.view,
            console=console or Console(),
            refresh_per_second=4,
            transient=True,
        )

    def search_begun(self, max_trials: int | None, objective: str, direction: str) -> None:
        self._state.begin(max_trials, objective, direction)
        self._live.start()

    def trials_planned(self, epochs: Sequence[int]) -> None:
        self._state.left.plan(epochs)

    def trial_begun(self, trial: TrialRecord) -> None:
        self._state.start(trial)

    def epoch_ended(
        self, trial_id: str, execution: int, epoch: int, metrics: Mapping[str, float]
    ) -> None:
        self._state.add_epoch(trial_id, epoch, metrics)

    def stack_reported(self, stats: Any) -> None:
        self._state.stack = stats
        self._state.left.stack()

    def population_compared(self, epoch: int, epochs: int, best: float | None, copies: int) -> None:
        self._state.compare(epoch, epochs, copies)

    def trial_ended(self, trial: TrialRecord) -> None:
        self._state.finish(trial)

    def search_ended(self, summary: Mapping[str, Any]) -> None:
        self._live.stop()

    def view(self) -> Group:
        """The picture of this moment."""
        state = self._state
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="bold", no_wrap=True)
        rows.add_column(no_wrap=True)
        rows.add_column(overflow="fold")
        if state.best is not None:
            rows.add_row(
                Text("best", style="green"),
                f"{state.best.trial_id}  {state.objective} {state.best.score:.4f}",
                values(state.best.hyperparameters),
            )
        if row := self._running():
            rows.add_row(*row)
        if state.stack is not None:
            rows.add_row(Text("stack", style="cyan"), stack_line(state.stack), self._pace())
        return Group(self._headline(), rows)

    def _running(self) -> tuple[Text, str, str] | None:
        """The running trial, or the best of those that run at once; None when none runs."""
        state = self._state
        running = list(state.running.values())
        if not running:
            return None
        leader, several = state.leader(), len(running) > 1
        if several and leader is None:
            begun = f"{len(running)} trials, being compiled for their first epoch"
            return Text("running", style="cyan"), begun, ""
        leader = leader or running[0]
        curve = state.curves.get(leader.trial_id, [])
        latest = f" {curve[-1]:.4f}" if curve else ""
        name = f"best of {len(running)} running" if several else "running"
        where = f"{leader.trial_id}  epoch {len(curve)}/{self._epochs}  {sparkline(curve)}{latest}"
        return Text(name, style="cyan"), where, values(leader.hyperparameters)

    def _pace(self) -> str:
        done_here = len(self._state.done) - len(self._state.earlier)
        return (
            f"{done_here / self._state.seconds() * 3600:,.0f} trials an hour" if done_here else ""
        )

    def _headline(self) -> Table:
        state = self._state
        done, total = len(state.done), state.max_trials
        now = time.monotonic()
        left = state.left.seconds(now)
        parts = [f"{done}/{total} trials" if total else f"{done} trials"]
        if state.compared is not None:  # all trials end together: epochs tell more
            compared, total, copies = state.compared
            done, members = max(compared, state.epochs), len(state.running) + len(state.done)
            copied = "1 copy" if copies == 1 else f"{copies} copies"
            parts = [f"{members} members, epoch {done}/{total}, {copied}"]
        parts.append(f"{clock(state.seconds())} gone")
        if left is not None:
            parts.append(f"{state.left.roughly(now)} {clock(left)} left")
        failed = sum(trial.score is None for trial in state.done)
        if failed:
            parts.append(f"{failed} failed")
        line = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=total, completed=done, width=CURVE_WIDTH, pulse=total is None)
        line.add_row(bar, ", ".join(parts))
        return line


def stack_line(stats: Any) -> str:
    """The engine's `PopulationStats` on one line: lanes, programs, and how well they are used."""
    programs = "1 program" if stats.stacks == 1 else f"{stats.stacks} programs"
    return f"{stats.lanes} lanes in {programs}, {stats.useful_share:.0%} useful"


def sparkline(curve: list[float]) -> str:
    """The last values of a curve as a row of small bars, lowest to highest.

    >>> sparkline([0.0, 1.0, 2.0, 7.0])
    '▁▂▃█'
    """
    points = [value for value in curve[-CURVE_WIDTH:] if value == value and abs(value) != _INFINITY]
    if not points:
        return ""
    low, high = min(points), max(points)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in points)


_INFINITY = float("inf")


def values(hyperparameters: Mapping[str, Any]) -> str:
    """Hyperparameters on one line.

    >>> values({"optimizer": "adam", "learning_rate": 0.00123456, "units": 64})
    'optimizer=adam learning_rate=0.001235 units=64'
    """
    return " ".join(f"{name}={short(value)}" for name, value in hyperparameters.items())


def short(value: Any) -> str:
    """A value with no more digits than a reader needs."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def clock(seconds: float) -> str:
    """A duration as m:ss or h:mm:ss.

    >>> clock(75), clock(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
