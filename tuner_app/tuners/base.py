"""What every tuner here shares: a KerasTuner tuner whose state is in the store.

For the author of a tuner, the life of a trial, for as many open trials as there are slots:

    trial = self._open_trial(slot)            # None: nothing to run now; self._exhausted: nor later
    self._report_epoch(trial.trial_id, execution, epoch, metrics)      # or _report_epochs, for many
    self._close_trial(trial, results=...)     # or error=..., of the run
"""

import os
import time
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner import errors
from keras_tuner.src.engine import tuner_utils

from tuner_app import oracles
from tuner_app.errors import UserError
from tuner_app.oracles.failure import SearchFailed, reason
from tuner_app.store import (
    SearchStore,
    TrialRecord,
    delete_search,
    holds_search,
    refuse_foreign,
)
from tuner_app.store.lock import refuse_if_owned
from tuner_app.tuners import failed_run, resuming, what_was_asked
from tuner_app.tuners.kept_weights import KeptWeights
from tuner_app.tuners.observer import Observer
from tuner_app.tuners.run_results import best_of
from tuner_app.tuners.versions import versions


class StoredTuner(keras_tuner.Tuner):
    """A `keras_tuner.Tuner` that keeps everything in the store, tells observers and resumes.

    Abstract: a subclass says in `_run_trials` how trials are run.

    Args:
        oracle: Any KerasTuner oracle, or one of `tuner_app.oracles`.
        hypermodel: As in KerasTuner, and so are all arguments not named here.
        observers: Told of every event; an observer that raises is warned of and left out.
        seed: Seeds the training of each trial; the oracle's by default.
        keep_best: Keep the weights of so many best trials only; None: of all.
        max_deaths: A trial during which the process died so often becomes FAILED.
        on_change: "refuse" or "take", when a resume asks for another space, objective or budget.
        config: A JSON value that is kept with the search, for whoever resumes it.
        overwrite: Begin anew; the files of an earlier search, and no others, are deleted.

    Raises:
        UserError: the project directory can't be used, or holds another search.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel=None,
        *arguments,
        observers: Iterable[Observer] = (),
        seed: int | None = None,
        keep_best: int | None = None,
        max_deaths: int = 3,
        on_change: str = "refuse",
        config: Any = None,
        overwrite: bool = False,
        **keywords,
    ):
        if on_change not in ("refuse", "take"):
            raise UserError(f"Expected on_change 'refuse' or 'take'; received {on_change!r}.")
        if keep_best is not None and keep_best < 1:
            raise UserError(f"Expected keep_best of at least 1, or None; received {keep_best}.")
        self.store: SearchStore | None = None
        self.observers = list(observers)
        self.max_deaths = max_deaths
        self._take_changes = on_change == "take"
        self._config = config
        self._overwrite = overwrite
        self._session: int | None = None  # ours, while nobody else has searched since
        self._open: dict[str, _Cost] = {}
        self._exhausted = False
        super().__init__(oracle, hypermodel, *arguments, **keywords)
        self.oracle = oracles.stored(self.oracle)
        self.seed = self.oracle.seed if seed is None else seed
        self._first_space = self.oracle.get_space().get_config()["space"]
        self._keep_best = keep_best
        self._weights = self._kept_weights()
        if overwrite or holds_search(self.project_dir):
            self._attach()

    # The search.

    def search(self, *fit_args, **fit_kwargs) -> None:
        """Searches until the oracle ends, as in KerasTuner; the arguments go to the training.

        Raises:
            SearchFailed: no trial completed, or too many failed by an error of the code.
            KeyboardInterrupt: the search was stopped; the running trials wait to be run again.
        """
        self._attach()
        began, outcome = time.monotonic(), "failed"
        try:
            resuming.check_epochs(self.store, fit_kwargs.get("epochs"), self._take_changes)
            goal = what_was_asked.objective(self.oracle.objective)
            self._tell("search_begun", self.oracle.max_trials, goal["name"], goal["direction"])
            self._exhausted = False
            self.on_search_begin()
            self._run_trials(*fit_args, **fit_kwargs)
            self.on_search_end()
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            self._put_back()
            if outcome != "done":
                self._session = None  # what was interrupted may be ahead of the store: read it anew
            self._tell("search_ended", self._summary(outcome, time.monotonic() - began))
            self.close()
        self._require_a_result()

    def _run_trials(self, *fit_args, **fit_kwargs) -> None:
        """Runs trials until `self._exhausted`; what it raises ends the search."""
        raise NotImplementedError("A tuner says in _run_trials how its trials are run.")

    # The life of a trial.

    def _open_trial(self, slot: int = 0):
        """The next trial for a slot (0, 1, ...), or None when there is none to run now.

        None with `self._exhausted` means that there will be none for this slot again; without it,
        that the oracle waits for the open ones. A slot whose trial is still open gets it again.
        """
        self.pre_create_trial()
        trial = self.oracle.create_trial(f"{self.tuner_id}-slot{slot}" if slot else self.tuner_id)
        if trial.status == "STOPPED":
            self._exhausted = True
        if trial.status != "RUNNING":
            return None
        self._open[trial.trial_id] = _Cost(self.store.trial(trial.trial_id).seconds)
        self.on_trial_begin(trial)
        self._tell("trial_begun", self.record(trial.trial_id))
        return trial

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
        """
        trial_id = trial.trial_id
        if error is None:
            try:
                self._take_results(trial, results, best_epoch)
                trial.status = "COMPLETED"
            except Exception as found:
                error = found
        if error is not None:
            trial.status = failed_run.status_of(error)
            trial.message = failed_run.message_of(error)
        with self.store.transaction():
            self.store.set_cost(trial_id, self._open[trial_id].seconds, mode)
            self.on_trial_end(trial)
        del self._open[trial_id]
        record = self.record(trial_id)
        if record.status in oracles.ENDED:
            if self._weights:
                self._weights.ended(record)
            self._tell("trial_ended", record)
        if isinstance(error, errors.FatalError):
            raise error
        self.oracle.check_failures()

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

    # The directory.

    def save(self) -> None:
        """Writes the oracle's state and, where a subclass has some (`get_state`), the tuner's."""
        self._attach()
        with self.store.transaction():
            self.oracle.save()
            state = self.get_state()
            if state:
                self.store.set_fact(f"tuner {self.tuner_id}", state)

    def reload(self) -> None:
        """Takes the search as the project directory holds it; does nothing when it holds none."""
        if holds_search(self.project_dir):
            self._session = None
            self.close()
            self._attach()

    def close(self) -> None:
        """Gives the project directory up for other processes; a later `search` takes it again."""
        if self.store is not None:
            self.oracle.attach(None)
            self.store.close()
            self.store = None

    @property
    def project_dir(self) -> str:
        """The project directory's path. Unlike KerasTuner's, asking for it does not create it."""
        return os.path.join(str(self.directory), self.project_name)

    def _get_tuner_fname(self) -> str:
        # KerasTuner reloads where this file is; it is never written.
        return os.path.join(self.project_dir, f"{self.tuner_id}.json")

    def _populate_initial_space(self) -> None:
        # The first thing that costs time: what can be refused at once is refused before.
        refuse_foreign(self.project_dir, allow_keras_tuner=self._overwrite)
        refuse_if_owned(Path(self.project_dir))
        super()._populate_initial_space()

    def _attach(self) -> None:
        """Owns the directory from now on, and knows what it holds."""
        if self.store is not None and self.store.lock.held:
            return
        if self._overwrite:
            delete_search(self.project_dir)
            self._overwrite = False
        store = SearchStore(self.project_dir)
        asked = what_was_asked.asked(self.oracle, self._first_space, self.executions_per_trial)
        self.oracle.attach(store)
        try:
            with store.transaction():
                if store.fact("asked") is None:
                    resuming.begin(store, self.oracle, asked, self.seed, self._config)
                elif store.last_session() != self._session:
                    resuming.resume(store, self.oracle, asked, self._take_changes, self.max_deaths)
                    self.seed = store.fact("seed", self.seed)
                    self._weights = self._kept_weights()
                    self.set_state(store.fact(f"tuner {self.tuner_id}", self.get_state()))
                self._session = store.begin_session(versions())
        except BaseException:
            self.oracle.attach(None)
            store.close()
            raise
        self.store = store

    def _kept_weights(self) -> KeptWeights | None:
        if self._keep_best is None:
            return None
        kept = KeptWeights(
            self._keep_best,
            self.oracle.objective.direction,
            self._get_checkpoint_fname,
            getattr(self.oracle, "weights_needed", set),
        )
        for trial_id in self.oracle.end_order:
            trial = self.oracle.trials[trial_id]
            kept.ended(TrialRecord(trial_id, trial.status, trial.score))
        return kept

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

    def _summary(self, outcome: str, seconds: float) -> dict[str, Any]:
        """What `Observer.search_ended` is told: outcome (done, interrupted or failed), seconds,
        trials by status, and the best trial's id and score (None without one)."""
        statuses = [trial.status for trial in self.oracle.trials.values()]
        best = next(iter(self.oracle.get_best_trials(1)), None)
        completed, failed = statuses.count("COMPLETED"), statuses.count("FAILED")
        return {
            "outcome": outcome,
            "seconds": seconds,
            "completed": completed,
            "failed": failed,
            "queued": len(statuses) - completed - failed,
            "best_trial_id": None if best is None else best.trial_id,
            "best_score": None if best is None else best.score,
        }

    def _tell(self, event: str, *details: object) -> None:
        for observer in list(self.observers):
            try:
                getattr(observer, event)(*details)
            except Exception as error:
                self.observers.remove(observer)
                warnings.warn(
                    f"{type(observer).__name__}.{event} raised {error!r}; it is told no more.",
                    RuntimeWarning,
                    stacklevel=2,
                )


class _Cost:
    """The seconds of an open trial: of its earlier runs, and of the present one."""

    def __init__(self, earlier: float):
        self._earlier = earlier
        self._began = time.monotonic()
        self.own: float | None = None

    @property
    def seconds(self) -> float:
        own = time.monotonic() - self._began if self.own is None else self.own
        return self._earlier + own
