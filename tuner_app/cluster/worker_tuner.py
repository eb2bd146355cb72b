"""A tuner that trains the trials of a search which another process owns."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner

from tuner_app.cluster.service import WORKERS, Ended, Opened, SearchService
from tuner_app.oracles import StoredOracle
from tuner_app.oracles.trial_from_row import as_trial
from tuner_app.store import TrialRow
from tuner_app.store.disk_fault import DiskFault, disk_fault
from tuner_app.tuners import failed_run, stack_checkpoint
from tuner_app.tuners.population import PopulationTuner
from tuner_app.tuners.trial_cost import TrialCost

HEARTBEAT = 10.0  # seconds


class Working:
    """What is put before a tuner's class, so that it opens, reports and ends its trials through a
    `SearchService`.

    Attributes:
        service: The `SearchService`, or whatever carries calls of its methods to it.
        worker: This worker's name, which no other has.
    """

    def _populate_initial_space(self) -> None:
        keras_tuner.Tuner._populate_initial_space(self)  # the directory is the service's, as it is

    def _attach(self) -> None:
        self.store = WorkerStore(self)

    def _work_for(self, service: SearchService, worker: str) -> "WorkerOracle":
        """Joins the search. Returns what is known of its oracle."""
        self.service, self.worker = service, worker
        return WorkerOracle(
            service.join(worker), put_back=lambda trial_id: service.put_back(worker, trial_id)
        )

    def search(self, *fit_args, **fit_kwargs) -> None:
        """Trains trials until the service has no more; arguments as in `PopulationTuner`.

        After Ctrl-C, and where the project directory can't be written any more (`DiskFault`), its
        trials go back to the service at once, and none is blamed.
        """
        self._attach()
        self._exhausted = False
        try:
            Path(self.checkpoint_dir).mkdir(parents=True, exist_ok=True)
            with _every(HEARTBEAT, lambda: self.service.renew(self.worker)):
                self.on_search_begin()
                self._run_trials(*fit_args, **fit_kwargs)
                self.on_search_end()
        except KeyboardInterrupt:
            self._go()
            raise
        except Exception as error:
            fault = disk_fault(error, self.project_dir)
            if fault is None:
                raise
            self._go()
            if fault is error:
                raise
            raise fault from error
        with contextlib.suppress(OSError):
            Path(self.checkpoint_dir).rmdir()
        self.service.leave(self.worker)

    def _go(self) -> None:
        with contextlib.suppress(Exception):  # it may be the service that is gone
            self.service.leave(self.worker)

    def save(self) -> None:
        """The service saves the search."""

    # The life of a trial.

    def _open_trial(self, slot: int = 0, worker: str | None = None):
        found: Opened = self.service.open(self.worker, slot)
        self._exhausted = found.status == "STOPPED"
        if found.status != "RUNNING":
            return None
        trial = self.oracle.take(found)
        self._open[trial.trial_id] = TrialCost(0.0)
        self.on_trial_begin(trial)
        return trial

    def _report_epochs(self, reports: Iterable[tuple[str, int, int, Mapping[str, float]]]) -> None:
        reports = [
            (i, x, e, {k: float(v) for k, v in m.items()}, self._open[i].seconds)
            for i, x, e, m in reports
        ]
        told = self.service.report(self.worker, reports)
        self.oracle.verdicts |= told["pruned"]
        self.oracle.over = told["over"]

    def _close_trial(
        self,
        trial,
        results: object = None,
        error: Exception | None = None,
        best_epoch: int | None = None,
        mode: str = "fit",
    ) -> None:
        if fault := disk_fault(error, self.project_dir):
            raise fault from error  # the trial is not to blame
        trial_id = trial.trial_id
        if error is None:
            try:
                self._take_results(trial, results, best_epoch)
            except DiskFault:
                raise
            except Exception as found:
                error = found
        seconds = self._open.pop(trial_id).seconds
        if error is not None:
            status, message = failed_run.status_of(error), failed_run.message_of(error)
            ended = Ended(status, message=message, seconds=seconds, mode=mode)
        else:
            metrics, epoch = self.oracle.results.pop(trial_id)
            message = trial.message or ""
            ended = Ended("COMPLETED", metrics, epoch, message, seconds, mode)
        self.on_trial_end(trial)
        self.service.end(self.worker, trial_id, ended)

    # Where trials stand.

    @property
    def checkpoint_dir(self) -> str:
        return str(Path(self.project_dir) / WORKERS / re.sub(r"[^\w-]", "_", self.worker))

    def saved_elsewhere(self, trial_id: str) -> dict | None:
        """Where a worker that is gone left a trial."""
        for folder in sorted((Path(self.project_dir) / WORKERS).glob("*")):
            if folder.name != Path(self.checkpoint_dir).name:
                for state in stack_checkpoint.read(folder) or []:
                    if state["trial_id"] == trial_id:
                        return state
        return None


class WorkerTuner(Working, PopulationTuner):
    """A `PopulationTuner` that trains for a `SearchService`.

    Args:
        service, worker: See `Working`.
        hypermodel, directory, project_name and the rest: As in `PopulationTuner`.
    """

    def __init__(self, service: SearchService, worker: str, hypermodel, **keywords):
        oracle = self._work_for(service, worker)
        super().__init__(oracle, hypermodel, seed=oracle.seed, **keywords)


def working(tuner: PopulationTuner, service: SearchService, worker: str) -> PopulationTuner:
    """`tuner` itself, of whatever class, which from now on trains for the service."""
    kind = type(tuner)
    tuner.__class__ = type(kind.__name__, (Working, kind), {})
    tuner.oracle = tuner._work_for(service, worker)
    tuner.seed, tuner._weights = tuner.oracle.seed, None
    return tuner


class WorkerOracle(StoredOracle):
    """What a worker knows of the oracle: its objective, and the trials that it was given."""

    over = ""  # what the service's oracle said of it last

    def __init__(self, facts: Mapping[str, Any], put_back: Callable[[str], None]):
        super().__init__(
            objective=_objective(facts["objective"]),
            max_trials=facts["max_trials"],
            seed=facts["seed"],
        )
        self.results: dict[str, tuple[dict[str, float], int]] = {}
        self.verdicts: dict[str, str] = {}  # trials that the pruner wants ended, and why
        self._share, self._put_back = facts["share"], put_back
        self._number_and_failures: dict[str, tuple[int, int]] = {}

    def take(self, opened: Opened):
        """The trial that the service opened."""
        row = opened.row
        blank = keras_tuner.HyperParameters.from_config({"space": opened.space, "values": {}})
        trial = as_trial(row, blank)
        self.trials[row.trial_id] = trial
        self._number_and_failures[row.trial_id] = row.number, opened.failures
        self.verdicts.pop(row.trial_id, None)
        return trial

    def remaining_trials(self):
        return self._share

    def number_of(self, trial_id: str) -> int:
        return self._number_and_failures[trial_id][0]

    def failures_of(self, trial_id: str) -> int:
        return self._number_and_failures[trial_id][1]

    def verdict(self, trial_id: str) -> str:
        return self.verdicts.get(trial_id, "")

    def update_trial(self, trial_id, metrics, step=0):
        self.results[trial_id] = {k: float(v) for k, v in metrics.items()}, int(step)
        trial = self.trials[trial_id]
        for name, value in metrics.items():
            if not trial.metrics.exists(name):
                trial.metrics.register(name, direction=self.objective.direction)
            trial.metrics.update(name, value, step=step)
        return trial

    def end_trial(self, trial, *old_arguments, **old_keywords):
        """The service ends it; here it is forgotten."""
        self.trials.pop(getattr(trial, "trial_id", trial), None)

    def put_back(self, trial_id: str) -> None:
        self.trials.pop(trial_id, None)
        self._put_back(trial_id)

    def populate_space(self, trial_id):
        raise RuntimeError("A worker's trials come from the search's service.")


class WorkerStore:
    """What the stacked search asks a store, answered by the service."""

    def __init__(self, tuner: WorkerTuner):
        self._tuner = tuner

    def unfinished(self) -> list[TrialRow]:
        return []  # none is the worker's own before it asks

    def report_epochs(self, reports: Iterable[tuple]) -> None:
        """Epochs that a checkpoint had, told again."""
        reports = [report[:4] for report in reports]
        if reports:
            self._tuner._report_epochs(reports)

    def forgive(self, trial_ids: Iterable[str]) -> None:
        self._tuner.service.forgive(list(trial_ids))

    def close(self) -> None:
        """There is nothing to close."""


def _objective(told: Mapping[str, Any]):
    """The inverse of `what_was_asked.objective`."""
    parts = told.get("parts")
    if parts:
        return [keras_tuner.Objective(name, direction) for name, direction in parts.items()]
    return keras_tuner.Objective(told["name"], told["direction"])


@contextlib.contextmanager
def _every(seconds: float, action: Callable[[], None]):
    """Does it again and again in a thread, until the block ends; a call that fails ends that."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(seconds):
            try:
                action()
            except Exception:
                return  # the service is gone, as the next call will tell

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
