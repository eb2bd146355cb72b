"""What every tuner here shares: a KerasTuner tuner whose state is in the store.

For the author of a tuner, the life of a trial, for as many open trials as there are slots:

    trial = self._open_trial(slot)            # None: nothing to run now; self._exhausted: nor later
    self._report_epoch(trial.trial_id, execution, epoch, metrics)      # or _report_epochs, for many
    self._close_trial(trial, results=...)     # or error=..., of the run
"""

import contextlib
import time
import warnings
from collections.abc import Iterable, Mapping

import keras_tuner
from keras_tuner import errors
from keras_tuner.src.distribute import utils as dist_utils
from keras_tuner.src.engine import tuner_utils

from tuner_app import oracles
from tuner_app.errors import UserError
from tuner_app.oracles.failure import SearchFailed, reason
from tuner_app.store import TrialRecord
from tuner_app.store.collections_paused import what_there_is_spared
from tuner_app.store.disk_fault import DiskFault, disk_fault
from tuner_app.tuners.audience import tell
from tuner_app.tuners.observer import Observer
from tuner_app.tuners.project import resuming, what_was_asked
from tuner_app.tuners.project.project_tuner import ProjectTuner
from tuner_app.tuners.runs import failed_run
from tuner_app.tuners.runs.run_results import best_of
from tuner_app.tuners.runs.trial_cost import TrialCost
from tuner_app.tuners.search_summary import search_summary
from tuner_app.tuners.stacked import promotion


class StoredTuner(ProjectTuner):
    """A `keras_tuner.Tuner` that keeps everything in the store, tells observers and resumes.

    Abstract: a subclass says in `_run_trials` how trials are run.

    Args:
        oracle: Any KerasTuner oracle, or one of `tuner_app.oracles`.
        hypermodel: As in KerasTuner, and so are all arguments not named here or in `ProjectTuner`.
        observers: Told of every event; an observer that raises is warned of and left out.

    Raises:
        UserError: the project directory can't be used, or holds another search.
    """

    cut_short = ""  # why open trials were told to end with what they had reached

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel=None,
        *arguments,
        observers: Iterable[Observer] = (),
        **keywords,
    ):
        self.observers = list(observers)
        self._open: dict[str, TrialCost] = {}
        self._exhausted = False
        self._tidied: set[str] = set()  # trials of whose ends nothing is kept
        super().__init__(oracle, hypermodel, *arguments, **keywords)

    # The search.

    def search(self, *fit_args, **fit_kwargs) -> None:
        """Searches until the oracle ends, as in KerasTuner; the arguments go to the training.

        Raises:
            SearchFailed: no trial completed, or too many failed by an error of the code.
            KeyboardInterrupt: the search was stopped; the running trials wait to be run again.
            UserError: bad input, or the project directory can't be written any more.
        """
        if dist_utils.has_chief_oracle():
            from tuner_app.cluster import chief  # it stands above the tuners

            if isinstance(self.oracle, oracles.PopulationOracle):
                raise UserError(
                    "Population-based training trains its members together, in one process. Leave "
                    "KERASTUNER_ORACLE_IP out, or take another oracle."
                )
            return chief.search(self, fit_args, fit_kwargs)
        self._attach()
        began, outcome = time.monotonic(), "failed"
        try:
            resuming.check_epochs(self.store, fit_kwargs.get("epochs"), self._take_changes)
            self._tell_begun()
            self._exhausted = False
            self.on_search_begin()
            with what_there_is_spared():
                self._run_trials(*fit_args, **fit_kwargs)
            self.on_search_end()
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        except Exception as error:
            fault = disk_fault(error, self.project_dir)
            if fault is None or fault is error:
                raise
            raise fault from error
        finally:
            with contextlib.suppress(DiskFault):  # then the next session finds them open
                self._put_back()
            if outcome != "done":
                self._session = None  # what was interrupted may be ahead of the store: read it anew
            seconds = time.monotonic() - began
            self._tell("search_ended", search_summary(self.oracle, outcome, seconds))
            self.close()
        self._require_a_result()

    def _tell_begun(self) -> None:
        goal = what_was_asked.objective(self.oracle.objective)
        self._tell("search_begun", self.oracle.max_trials, goal["name"], goal["direction"])
        if isinstance(self.oracle, oracles.HyperbandOracle) and self.oracle.max_trials is not None:
            self._tell("trials_planned", self.oracle.lengths())

    def _run_trials(self, *fit_args, **fit_kwargs) -> None:
        """Runs trials until `self._exhausted`; what it raises ends the search."""
        raise NotImplementedError("A tuner says in _run_trials how its trials are run.")

    # The life of a trial.

    def _open_trial(self, slot: int = 0, worker: str | None = None):
        """The next trial for a slot (0, 1, ...), of this tuner or of a worker that it serves, or
        None when there is none to run now.

        None with `self._exhausted` means that there will be none for this slot again; without it,
        that the oracle waits for the open ones. A slot whose trial is still open gets it again.
        """
        self.pre_create_trial()
        name = worker or self.tuner_id
        trial = self.oracle.create_trial(f"{name}-slot{slot}" if slot else name)
        if trial.status == "STOPPED":
            self._exhausted = True
        if trial.status != "RUNNING":
            return None
        self._open[trial.trial_id] = TrialCost(self.store.trial(trial.trial_id).seconds)
        self.on_trial_begin(trial)
        self._tell("trial_begun", self.record(trial.trial_id))
        return trial

    def give_up_if_deadly(self, trial_id: str, last: str = "") -> None:
        """A queued trial becomes FAILED if too many processes died while it ran; `last` says why
        the last one did, where that is known."""
        row = self.store.trial(trial_id)
        if resuming.give_up_if_deadly(self.oracle, row, self.max_deaths, last):
            self._tell("trial_ended", self.record(trial_id))

    def _blamed(self, trial_id: str) -> float:
        """Deaths of the process laid at a trial's door: its share, when several were open.

        One above 0 should be run alone, so that the next death tells which trial it is.
        """
        return self.store.trial(trial_id).blame

    def _report_epoch(
        self, trial_id: str, execution: int, epoch: int, metrics: Mapping[str, float]
    ) -> None:
        """One epoch of an open trial is over; `metrics` are floats under Keras's names."""
        self._report_epochs([(trial_id, execution, epoch, metrics)])

    def _report_epochs(self, reports: Iterable[tuple[str, int, int, Mapping[str, float]]]) -> None:
        """Epochs of several open trials, in one transaction."""
        reports = [(i, x, e, {k: float(v) for k, v in m.items()}) for i, x, e, m in reports]
        self.store.report_epochs((*report, self._open[report[0]].seconds) for report in reports)
        for report in reports:
            self._tell("epoch_ended", *report)
        self.oracle.hear(reports)

    def _obey(self, trial_id: str) -> bool:
        """Whether a trial is to end after the epoch just told, with what it reached. Raises
        `PrunedError` where it is to end without a score."""
        verdict = self.oracle.verdict(trial_id)
        if verdict:
            raise failed_run.PrunedError(verdict)
        over = self.oracle.over
        self.cut_short = over or self.cut_short
        return bool(over)

    def _share_seconds(self, trial_id: str, seconds: float) -> None:
        """Sets what an open trial's present run costs, where that is not the time since it began
        (the share of a stack)."""
        self._open[trial_id].own = seconds

    def _close_trial(
        self,
        trial,
        results: object = None,
        error: Exception | None = None,
        best_epoch: int | None = None,
        mode: str = "fit",
    ) -> None:
        """Ends an open trial: COMPLETED with `results`, queued again or FAILED with `error`.

        Args:
            results: What KerasTuner's `run_trial` may return; with `best_epoch` a dict of metrics.
            error: What the run raised, instead of results.
            mode: How it was trained, "fit" or "stacked".

        Raises:
            SearchFailed: too many trials failed by an error of the code.
            errors.FatalError: the `error`, when it concerns every trial.
            DiskFault: the `error` says that the project directory can't be written any more.
            KeyboardInterrupt: it came of one.
        """
        trial_id = trial.trial_id
        if fault := disk_fault(error, self.project_dir):
            raise fault from error  # the trial is not to blame, and is run again
        if failed_run.was_interrupted(error):
            raise KeyboardInterrupt from error  # nor here
        with self.store.transaction():
            if error is None:
                try:
                    self._take_results(trial, results, best_epoch)
                    trial.status = "COMPLETED"
                except DiskFault:
                    raise
                except Exception as found:
                    error = found
            if error is not None:
                trial.status = failed_run.status_of(error)
                trial.message = failed_run.message_of(error)
                how = self._how_trained(trial_id)
                if how and trial.status == "STOPPED":
                    trial.message += f"; {how}"
            self.store.set_cost(trial_id, self._open[trial_id].seconds, mode)
            self.on_trial_end(trial)
        del self._open[trial_id]
        record = self.record(trial_id)
        if record.status in oracles.ENDED:
            if self._weights:
                self._weights.ended(record)
            self._tell("trial_ended", record)
            promotion.tidy(self, self._tidied)
        if isinstance(error, errors.FatalError):
            raise error
        self.oracle.check_failures()

    def _how_trained(self, trial_id: str) -> str:
        """What the record of an open trial is to say of how it was trained; "": nothing."""
        return ""

    def _take_results(self, trial, results: object, best_epoch: int | None) -> None:
        objective = self.oracle.objective
        if trial.metrics.exists(objective.name):
            warnings.warn(
                "Please remove the call of `self.oracle.update_trial` from `run_trial`, and return "
                "the metrics instead, as KerasTuner asks.",
                DeprecationWarning,
                stacklevel=2,
            )
            return
        tuner_utils.validate_trial_results(results, objective, "Tuner.run_trial()")
        metrics, epoch = best_of(results, objective)
        self.oracle.update_trial(
            trial.trial_id, metrics, step=epoch if best_epoch is None else best_epoch
        )

    def record(self, trial_id: str) -> TrialRecord:
        """A trial as readers see it, while the search runs."""
        return self.store.trial(trial_id).record()

    # The end of a search.

    def _put_back(self) -> None:
        """Whatever is still open was interrupted: it waits to be run again."""
        self._open.clear()
        if self.store is not None and self.store.lock.held:
            for trial_id in self.store.open_attempts():
                self.oracle.put_back(trial_id)

    # What came of it.

    def _require_a_result(self) -> None:
        if not self.oracle.get_best_trials(1):
            failed = [t for t in self.oracle.trials.values() if t.status == "FAILED"]
            why = f" The last one: {reason(failed[-1].message)}" if failed else ""
            raise SearchFailed(f"No trial completed, of {len(self.oracle.trials)}.{why}")

    def _tell(self, event: str, *details: object) -> None:
        tell(self.observers, event, *details)
