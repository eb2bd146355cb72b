"""A tuner that trains the trials of a search which another process owns."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras_tuner

from tuner_app.cluster.apart import Apart
from tuner_app.cluster.project_files import WORKERS
from tuner_app.cluster.service import Ended, Opened, SearchService
from tuner_app.cluster.worker_oracle import WorkerOracle
from tuner_app.store import TrialRow
from tuner_app.store.disk_fault import DiskFault, disk_fault
from tuner_app.tuners.by_fit import fit_checkpoint
from tuner_app.tuners.population import PopulationTuner
from tuner_app.tuners.runs import failed_run
from tuner_app.tuners.runs.trial_cost import TrialCost
from tuner_app.tuners.stacked import stack_checkpoint

HEARTBEAT = 10.0  # seconds


class Working:
    """What is put before a tuner's class, so that it opens, reports and ends its trials through a
    `SearchService`.

    Attributes:
        service: The `SearchService`, or whatever carries calls of its methods to it.
        worker: This worker's name, which no other has.
        apart: What carries files to the service's machine, where this one sees not its directory.
    """

    apart: Apart | None = None
    _asked: Callable[[], Opened] | None = None  # gives what was asked for ahead

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
            with _every(HEARTBEAT, lambda: self.service.renew(self.worker)), self._sending():
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

    def _sending(self):
        """The checkpoint goes to the owner in a thread of its own: it may be large."""
        if self.apart is None:
            return contextlib.nullcontext()
        return _every(HEARTBEAT, self.send_checkpoint)

    def send_checkpoint(self) -> None:
        """Lets the owner have the checkpoint as it is, where it does not see this machine's."""
        if self.apart is not None:
            self.apart.send(str(Path(self.checkpoint_dir).relative_to(self.project_dir)))

    def _go(self) -> None:
        with contextlib.suppress(Exception):  # it may be the service that is gone
            self.service.leave(self.worker)

    def save(self) -> None:
        """The service saves the search."""

    # The life of a trial.

    def _ask_ahead(self, slot: int) -> None:
        ask = getattr(self.service, "ask", None)
        if ask is not None:
            self._asked = ask("open", self.worker, slot)

    def _open_trial(self, slot: int = 0, worker: str | None = None):
        asked, self._asked = self._asked, None
        found: Opened = self.service.open(self.worker, slot) if asked is None else asked()
        self._exhausted = found.status == "STOPPED"
        if found.status != "RUNNING":
            return None
        trial = self.oracle.take(found)
        self._open[trial.trial_id] = TrialCost(0.0)
        before = trial.hyperparameters.values.get("tuner/trial_id")
        if before is not None and self.apart is not None:
            self.apart.bring(f"trial_{before}")  # whose weights Hyperband has it go on from
        self.on_trial_begin(trial)
        return trial

    def _report_epochs(self, reports: Iterable[tuple[str, int, int, Mapping[str, float]]]) -> None:
        reports = [
            (i, x, e, {k: float(v) for k, v in m.items()}, self._open[i].seconds)
            for i, x, e, m in reports
        ]
        if not self.oracle.judges:
            self._told("report", self.worker, reports)
            return
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
        if failed_run.was_interrupted(error):
            raise KeyboardInterrupt from error  # nor here
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
        if self.apart is not None:
            self.apart.send(f"trial_{trial_id}")
        self._told("end", self.worker, trial_id, ended)
        if self.apart is not None:
            for done in (trial_id, trial.hyperparameters.values.get("tuner/trial_id")):
                self.apart.forget(f"trial_{done}")

    def _told(self, name: str, *arguments: object) -> None:
        """A call whose answer is not needed, which need not be waited for where calls travel."""
        tell = getattr(self.service, "tell", None)
        if tell is None:
            getattr(self.service, name)(*arguments)
        else:
            tell(name, *arguments)

    # Where trials stand.

    @property
    def checkpoint_dir(self) -> str:
        return str(Path(self.project_dir) / WORKERS / re.sub(r"[^\w-]", "_", self.worker))

    def saved_elsewhere(self, trial_id: str) -> dict | None:
        """Where a worker that is gone left a trial; of several, where it got furthest."""
        if not self.oracle.was_begun_before(trial_id):
            return None
        if self.apart is not None:
            self.apart.bring_checkpoints()
        found = []
        for folder in sorted((Path(self.project_dir) / WORKERS).glob("*")):
            if folder.name != Path(self.checkpoint_dir).name:
                states = stack_checkpoint.read(folder) or []
                found += [state for state in states if state["trial_id"] == trial_id]
        return max(found, key=lambda s: sum(len(run["logs"]) for run in s["runs"]), default=None)

    def was_interrupted(self, trial_id: str) -> bool:
        """Whether somebody had begun the trial, and did not end it."""
        return self.oracle.was_begun_before(trial_id)

    def fit_saved_elsewhere(self, name: str) -> dict | None:
        """Where a worker that is gone left a trial by `fit`; of several, where it got furthest."""
        if self.apart is not None:
            self.apart.bring_checkpoints()
        folders = sorted((Path(self.project_dir) / WORKERS).glob("*"))
        found = filter(None, (stack_checkpoint.read(folder, name) for folder in folders))
        return max(found, key=fit_checkpoint.progress, default=None)


class WorkerTuner(Working, PopulationTuner):
    """A `PopulationTuner` that trains for a `SearchService`.

    Args:
        service, worker, apart: See `Working`.
        hypermodel, directory, project_name and the rest: As in `PopulationTuner`.
    """

    def __init__(self, service, worker: str, hypermodel, *, apart: Apart | None = None, **keywords):
        self.apart = apart
        oracle = self._work_for(service, worker)
        super().__init__(oracle, hypermodel, seed=oracle.seed, **keywords)


def working(tuner: PopulationTuner, service: SearchService, worker: str) -> PopulationTuner:
    """`tuner` itself, of whatever class, which from now on trains for the service."""
    kind = type(tuner)
    tuner.__class__ = type(kind.__name__, (Working, kind), {})
    tuner.oracle = tuner._work_for(service, worker)
    tuner.seed, tuner._weights = tuner.oracle.seed, None
    return tuner


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
