"""The owner of a search: opens trials for workers, and writes what they report."""

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner_app.cluster.project_files import WORKERS, ProjectFiles
from tuner_app.oracles import SearchFailed
from tuner_app.oracles.early_ends import EndingOracle
from tuner_app.store import TrialRow
from tuner_app.store.disk_fault import DiskFault
from tuner_app.tuners.population import BY_FIT
from tuner_app.tuners.project import what_was_asked
from tuner_app.tuners.runs.failed_run import ReportedError
from tuner_app.tuners.search_summary import search_summary
from tuner_app.tuners.stacked.lane_budget import most_open_after_deaths

LEASE = 60.0  # seconds without a word after which a worker is taken for dead


@dataclass(frozen=True)
class Opened:
    """The answer to a worker that asks for a trial.

    Args:
        status: "RUNNING", "IDLE" (ask again later) or "STOPPED" (there will be none).
        row: the trial, when it is to run.
        space: its hyperparameters' definitions, as KerasTuner writes them.
        failures: how often it has failed before.
        again: whether it was begun before, so that a worker may have left a checkpoint of it.
    """

    status: str
    row: TrialRow | None = None
    space: list[dict] = field(default_factory=list)
    failures: int = 0
    again: bool = False


@dataclass(frozen=True)
class Ended:
    """How a worker's run of a trial ended.

    Args:
        metrics: of the best epoch, and `epoch`, that epoch; None where the run failed.
        status: "COMPLETED", or the failed run's (see `failed_run.status_of`).
        message: why it failed, or was trained by `fit`.
        seconds: what the run cost.
        mode: "stacked" or "fit".
    """

    status: str
    metrics: Mapping[str, float] | None = None
    epoch: int = 0
    message: str = ""
    seconds: float = 0.0
    mode: str = "stacked"


class SearchService:
    """One search, in the process that owns its directory. One thread at a time may call it.

    A worker that is lost (`lost`, or no word from it for `lease` seconds) gives its trials up: they
    run again elsewhere, and what it says of them afterwards is not taken.

    Args:
        tuner: A `PopulationTuner` of the search; it trains nothing itself.
        workers: How many workers share the trials that are left.
        lease: Seconds without a word after which a worker is taken for dead.

    Attributes:
        files: The project directory, for workers that don't see it.
        trained: How many runs each worker has brought to an end.
        failure: Why the search was given up; "" while it was not.
        fault: What a call met that ends the search, where the owner has to be told of it.
    """

    def __init__(self, tuner, workers: int = 1, lease: float = LEASE):
        self.tuner, self.workers, self.lease = tuner, workers, lease
        self.trained: Counter[str] = Counter()
        self.failure = ""
        self.fault: DiskFault | None = None
        self._stopped = False  # whether the oracle has said that there are no more trials
        self._heard: dict[str, float] = {}  # worker → when
        self._dead: set[str] = set()  # of whom something may still arrive
        self._lent: dict[str, str] = {}  # open trial → worker
        self.files = ProjectFiles(tuner.project_dir, self._lent.get)
        self._began = time.monotonic()
        tuner._attach()

    @property
    def oracle(self):
        return self.tuner.oracle

    def begin(self, epochs: int | None) -> None:
        """Notes what is asked for. Raises UserError if that is not what was asked before."""
        from tuner_app.tuners.project import resuming

        resuming.check_epochs(self.tuner.store, epochs, take=False)
        self.tuner._tell_begun()

    # What workers call.

    def join(self, worker: str) -> dict[str, Any]:
        """What a worker must know: objective, max_trials, seed, its share of the trials, and
        "judges", whether the answer to a report may end trials.

        One that was here before has died since, and come back.
        """
        if worker in self._heard:
            self._take_back(worker)
        self._dead.discard(worker)
        self._heard[worker] = time.monotonic()
        left = self.oracle.remaining_trials()
        if left is not None:  # one at least: another worker may die, and its trials come back
            left = max(1, left + len(self.oracle._retry_queue))
        return {
            "objective": what_was_asked.objective(self.oracle.objective),
            "max_trials": self.oracle.max_trials,
            "seed": self.tuner.seed,
            "judges": self._judges(),
            "share": None if left is None else -(-left // max(1, self.workers)),
        }

    def _judges(self) -> bool:
        oracle, own = self.oracle, type(self.oracle)
        if (own.verdict, own.over) != (EndingOracle.verdict, EndingOracle.over):
            return True
        return oracle.pruner != "none" or (oracle.spent is not None and oracle.spent.limited)

    def leave(self, worker: str) -> None:
        """The worker was told that there are no more trials, or has to stop, and goes."""
        self._take_back(worker, died=False)

    def renew(self, worker: str) -> None:
        """A sign of life."""
        self._heard[worker] = time.monotonic()

    def open(self, worker: str, slot: int) -> Opened:
        """The next trial for a worker's slot."""
        if worker in self._dead:  # it would be open for nobody
            return Opened("STOPPED")
        self.renew(worker)
        self.expire()
        if self.failure or self.tuner.store.behind:
            return Opened("STOPPED")
        if self._must_wait(worker):
            return Opened("IDLE")
        self.tuner._exhausted = False
        trial = self.tuner._open_trial(slot, worker)
        if trial is None:
            self._stopped |= self.tuner._exhausted
            # Another worker may die, and its trials come back: then somebody must still be here.
            others = any(lent_to != worker for lent_to in self._lent.values())
            return Opened("STOPPED" if self.tuner._exhausted and not others else "IDLE")
        self._lent[trial.trial_id] = worker
        row = self.tuner.store.trial(trial.trial_id)
        return Opened(
            "RUNNING",
            row,
            trial.hyperparameters.get_config()["space"],
            self.oracle.failures_of(trial.trial_id),
            len(self.tuner.store.attempts(trial.trial_id)) > 1,
        )

    def _must_wait(self, worker: str) -> bool:
        """Whether the next trial may kill its worker, which has enough of that kind already."""
        queue = self.oracle._retry_queue
        if not queue or not self.tuner._blamed(queue[-1]):
            return False
        blames = {i: self.tuner._blamed(i) for i in (*queue, *self._lent)}
        having = sum(blames[i] > 0 for i, lent_to in self._lent.items() if lent_to == worker)
        return having >= most_open_after_deaths(blames.values())

    def report(
        self, worker: str, reports: Iterable[tuple[str, int, int, Mapping[str, float], float]]
    ) -> dict[str, Any]:
        """Epochs of several trials: trial, execution, epoch, metrics, seconds of this run.

        Returns the trials among them that are to end now as pruned, with the reason ("pruned"), and
        why all are to end with what they reached, "" where they are not ("over").
        """
        self.renew(worker)
        taken = [r for r in reports if self._lent.get(r[0]) == worker]
        for trial_id, *_, seconds in taken:
            self.tuner._share_seconds(trial_id, seconds)
        self.tuner._report_epochs(report[:4] for report in taken)
        verdicts = {report[0]: self.oracle.verdict(report[0]) for report in taken}
        pruned = {trial_id: verdict for trial_id, verdict in verdicts.items() if verdict}
        return {"pruned": pruned, "over": self.oracle.over}

    def end(self, worker: str, trial_id: str, ended: Ended) -> None:
        """A run is over: COMPLETED, to be tried again, or FAILED."""
        self.renew(worker)
        if self._lent.get(trial_id) != worker:
            return  # it was lost, and the trial runs elsewhere
        del self._lent[trial_id]
        self.trained[worker] += 1
        tuner, trial = self.tuner, self.oracle.trials[trial_id]
        tuner._share_seconds(trial_id, ended.seconds)
        if ended.mode == "stacked":
            tuner.stacked += 1
        elif BY_FIT in ended.message:
            tuner.by_fit[ended.message.partition(BY_FIT)[2]] += 1
        trial.message = ended.message or None
        results, error = dict(ended.metrics or {}), None
        if ended.status != "COMPLETED":
            results, error = None, ReportedError(ended.status, ended.message)
        try:
            tuner._close_trial(trial, results, error, best_epoch=ended.epoch, mode=ended.mode)
        except SearchFailed as failed:
            self.failure = str(failed)

    def put_back(self, worker: str, trial_id: str) -> None:
        """A worker can't go on with a trial now; nobody is blamed."""
        if self._lent.get(trial_id) == worker:
            del self._lent[trial_id]
            self.tuner._open.pop(trial_id, None)
            self.oracle.put_back(trial_id)

    def forgive(self, trial_ids: Iterable[str]) -> None:
        """Trials that have got further than where a worker died before."""
        self.tuner.store.forgive(trial_ids)

    # What the driver calls.

    def lost(self, worker: str, why: str = "") -> list[str]:
        """A worker has died, and perhaps it is known why. Returns its trials, which wait to be run
        again, each blamed for its share; one that was blamed too often becomes FAILED."""
        self._dead.add(worker)
        return self._take_back(worker, why=why)

    def _take_back(self, worker: str, died: bool = True, why: str = "") -> list[str]:
        self._heard.pop(worker, None)
        trial_ids = [trial_id for trial_id, lent_to in self._lent.items() if lent_to == worker]
        for trial_id in trial_ids:
            del self._lent[trial_id]
            self.tuner._open.pop(trial_id, None)
        if died and trial_ids:
            self.tuner.store.close_dead(trial_ids)
        for trial_id in reversed(trial_ids):
            self.oracle.put_back(trial_id)
        for trial_id in trial_ids:
            self.tuner.give_up_if_deadly(trial_id, why)
        return trial_ids

    def expire(self) -> list[str]:
        """Takes workers for dead that have said nothing for a lease. Returns their names."""
        now = time.monotonic()
        silent = [worker for worker, at in self._heard.items() if now - at > self.lease]
        for worker in silent:
            self._take_back(worker)
        return silent

    @property
    def unfinished(self) -> int:
        """Trials that are open, or wait to be run again."""
        return len(self.oracle.trials) - len(self.oracle.end_order)

    @property
    def workers_needed(self) -> int:
        """How many workers could have a trial, now or later: 0 where all trials have ended."""
        if self.failure:
            return 0
        return min(self.workers, self.unfinished) if self._stopped else self.workers

    @property
    def over(self) -> bool:
        """Whether all trials have ended, and every worker has left or is dead."""
        self.expire()
        return not self.workers_needed and not self._heard

    @property
    def ended(self) -> str:
        """Why the search ended before its trials were used up, or that it reached its target."""
        return self.oracle.over if self.oracle.remaining_trials() else self.oracle.reached

    def finish(self, outcome: str) -> str:
        """Ends the search ("done", "interrupted" or "failed"). Returns why it failed, or ""."""
        self._lent.clear()
        with contextlib.suppress(DiskFault):  # then a resume finds them open
            self.tuner._put_back()
        seconds = time.monotonic() - self._began
        self.tuner._tell("search_ended", search_summary(self.oracle, outcome, seconds))
        if outcome == "done":
            shutil.rmtree(Path(self.tuner.project_dir) / WORKERS, ignore_errors=True)
        self.tuner.close()
        if not self.failure and outcome == "done":
            try:
                self.tuner._require_a_result()
            except SearchFailed as failed:
                self.failure = str(failed)
        return self.failure
