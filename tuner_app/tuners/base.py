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
from tuner_app.oracles.failure import DIED, SearchFailed, reason
from tuner_app.store import (
    SearchStore,
    TrialRecord,
    delete_search,
    holds_search,
    refuse_foreign,
)
from tuner_app.store.lock import refuse_if_owned
from tuner_app.tuners import changed_wishes, failed_run, what_was_asked
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
        config: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        **keywords,
    ):
        if on_change not in ("refuse", "take"):
            raise UserError(f"Expected on_change 'refuse' or 'take'; received {on_change!r}.")
        if keep_best is not None and keep_best < 1:
            raise UserError(f"Expected keep_best of at least 1, or None; received {keep_best}.")
        self.store: SearchStore | None = None
        self.observers = list(observers)
        self.keep_best = keep_best
        self.max_deaths = max_deaths
        self._on_change = on_change
        self._config = None if config is None else dict(config)
        self._overwrite = overwrite
        self._session: tuple | None = None
        self._open: dict[str, _OpenTrial] = {}
        self._exhausted = False
        self._weights: list[str] = []  # the trials whose weights are on disk, if not all are kept
        super().__init__(oracle, hypermodel, *arguments, **keywords)
        self.oracle = oracles.stored(self.oracle)
        self._first_space = self.oracle.get_space().get_config()["space"]
        self.seed = self.oracle.seed if seed is None else seed
        if overwrite:
            self._attach()
        elif holds_search(self.project_dir):
            self._attach()

    # The search.

    def search(self, *fit_args, **fit_kwargs) -> None:
        """Searches until the oracle ends, as in KerasTuner; the arguments go to the training.

        Raises:
            SearchFailed: no trial completed, or too many failed by an error of the code.
            KeyboardInterrupt: the search was stopped; the running trials wait to be run again.
        """
        self._attach()
        self._check_epochs(fit_kwargs.get("epochs"))
        goal = what_was_asked.objective(self.oracle.objective)
        began, outcome = time.monotonic(), "failed"
        self._exhausted = False
        self._tell("search_begun", self.oracle.max_trials, goal["name"], goal["direction"])
        try:
            self.on_search_begin()
            self._run_trials(*fit_args, **fit_kwargs)
            self.on_search_end()
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            self._put_back()
            self._tell("search_ended", self._summary(outcome, time.monotonic() - began))
            self._detach()
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
        self._open[trial.trial_id] = _OpenTrial(self.store.trial(trial.trial_id).seconds)
        self.on_trial_begin(trial)
        self._tell("trial_begun", self.record(trial.trial_id))
        return trial

    def _blamed(self, trial_id: str) -> float:
        """Deaths of the process laid at a trial's door: its share, when several were open. One above
        0 should be run alone, so that the next death tells which trial it is."""
        return self.store.trial(trial_id).blame

    def _report_epoch(
        self, trial_id: str, execution: int, epoch: int, metrics: Mapping[str, float]
    ) -> None:
        """One epoch of an open trial is over; `metrics` are floats under Keras's names."""
        self._report_epochs([(trial_id, execution, epoch, metrics)])

    def _report_epochs(self, reports: Iterable[tuple[str, int, int, Mapping[str, float]]]) -> None:
        """Epochs of several open trials, in one transaction."""
        reports = [(i, x, e, {k: float(v) for k, v in m.items()}) for i, x, e, m in reports]
        with self.store.transaction():
            self.store.report_epochs(
                (i, x, epoch, metrics, self._open[i].seconds) for i, x, epoch, metrics in reports
            )
        for report in reports:
            self._tell("epoch_ended", *report)

    def _share_seconds(self, trial_id: str, seconds: float) -> None:
        """Sets what an open trial's present run costs, where that is not the time since it began
        (the share of a stack)."""
        self._open[trial_id].own_seconds = seconds

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
                self._take(trial, results, best_epoch)
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
            self._drop_weights(record)
            self._tell("trial_ended", record)
        if isinstance(error, errors.FatalError):
            raise error
        self.oracle.check_failures()

    def _take(self, trial, results: object, best_epoch: int | None) -> None:
        objective = self.oracle.objective
        if trial.metrics.exists(objective.name):
            return  # reported by `oracle.update_trial`, which KerasTuner still allows
        tuner_utils.validate_trial_results(results, objective, "Tuner.run_trial()")
        metrics, epoch = best_of(results, objective)
        self.oracle.update_trial(
            trial.trial_id, metrics, step=epoch if best_epoch is None else best_epoch
        )

    def record(self, trial_id: str) -> TrialRecord:
        """A trial as readers see it."""
        return self.store.trial(trial_id).record()

    # KerasTuner's ways of keeping its state.

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
            self._detach()
            self._attach()

    def close(self) -> None:
        """Gives the project directory up for other processes; a later `search` takes it again."""
        self._detach()

    @property
    def project_dir(self) -> str:
        """The project directory's path. Unlike KerasTuner's, asking for it does not create it."""
        return os.path.join(str(self.directory), self.project_name)

    def get_best_hyperparameters(self, num_trials: int = 1) -> list:
        """The best completed trials' hyperparameters, best first; none of a failed one."""
        return [trial.hyperparameters for trial in self.oracle.get_best_trials(num_trials)]

    def _get_tuner_fname(self) -> str:
        return os.path.join(
            self.project_dir, f"{self.tuner_id}.json"
        )  # never written: no such file

    def _populate_initial_space(self) -> None:
        refuse_foreign(Path(self.project_dir), allow_keras_tuner=self._overwrite)
        refuse_if_owned(Path(self.project_dir))
        super()._populate_initial_space()

    # The directory.

    def _attach(self) -> None:
        """Owns the directory from now on, and knows what it holds."""
        if self.store is not None and self.store.lock.held:
            return
        if self._overwrite:
            delete_search(self.project_dir)
            self._overwrite = False
        store = SearchStore(self.project_dir)
        try:
            self._begin_or_resume(store)
        except BaseException:
            self.oracle.attach(None)
            store.close()
            raise
        self.store = store

    def _begin_or_resume(self, store: SearchStore) -> None:
        now = what_was_asked.asked(self.oracle, self._first_space, self.executions_per_trial)
        before = store.fact("asked")
        resumed = before is not None and store.last_session() != self._session
        if resumed:
            changes = what_was_asked.differences(before, now)
            changes += self._seed_change(store)
            if changes and self._on_change == "refuse":
                raise what_was_asked.refuse(self.project_dir, changes)
        self.oracle.attach(store)
        with store.transaction():
            store.begin_session(versions())
            if before is None:
                store.set_fact("objective", now["objective"])
                if self._config is not None:
                    store.set_fact("config", self._config)
                store.set_fact("asked", now)
                store.set_fact("seed", self.seed)
                self.oracle.save()
            elif resumed:
                self._resume(store)
                if changes:
                    changed_wishes.take(self.oracle, store, before, now)
        self._session = store.last_session()

    def _resume(self, store: SearchStore) -> None:
        store.close_dead()
        self.oracle.reload()
        self.seed = store.fact("seed", self.seed)
        for row in store.trials():
            if row.status not in oracles.ENDED and row.blame >= self.max_deaths:
                self.oracle.give_up(
                    row.trial_id, f"{DIED} {round(row.blame)} times while this trial ran"
                )
        state = store.fact(f"tuner {self.tuner_id}")
        if state is not None:
            self.set_state(state)

    def _seed_change(self, store: SearchStore) -> list[str]:
        before = store.oracle_state().get("seed")
        if getattr(self.oracle, "seed_given", False) and before not in (None, self.oracle.seed):
            return [f"seed: {before} before, {self.oracle.seed} now"]
        return []

    def _check_epochs(self, epochs: object) -> None:
        if not isinstance(epochs, int):
            return
        before = self.store.fact("epochs")
        if before is not None and before != epochs and self._on_change == "refuse":
            self._detach()
            raise what_was_asked.refuse(
                self.project_dir, [f"epochs: {before} before, {epochs} now"]
            )
        self.store.set_fact("epochs", epochs)

    def _put_back(self) -> None:
        """Whatever is still open was interrupted: it waits to be run again."""
        self._open.clear()
        if self.store is None or not self.store.lock.held:
            return
        for trial_id in self.store.open_attempts():
            self.oracle.put_back(trial_id)

    def _detach(self) -> None:
        if self.store is not None:
            self.oracle.attach(None)
            self.store.close()
            self.store = None

    # Results.

    def _require_a_result(self) -> None:
        if not self.oracle.get_best_trials(1):
            failed = [t for t in self.oracle.trials.values() if t.status == "FAILED"]
            why = f" The last one: {reason(failed[-1].message)}" if failed else ""
            raise SearchFailed(f"No trial completed, of {len(self.oracle.trials)} trials.{why}")

    def _summary(self, outcome: str, seconds: float) -> dict[str, Any]:
        """What `Observer.search_ended` is told: outcome (done, interrupted or failed), seconds,
        trials by status, and the best trial's id and score (None without one)."""
        statuses = [trial.status for trial in self.oracle.trials.values()]
        best = next(iter(self.oracle.get_best_trials(1)), None)
        return {
            "outcome": outcome,
            "seconds": seconds,
            "completed": statuses.count("COMPLETED"),
            "failed": statuses.count("FAILED"),
            "queued": len(statuses) - statuses.count("COMPLETED") - statuses.count("FAILED"),
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

    def _drop_weights(self, ended: TrialRecord) -> None:
        """Deletes the weights that are not among the best `keep_best`."""
        if self.keep_best is None:
            return
        best = {trial.trial_id for trial in self.oracle.get_best_trials(self.keep_best)}
        keep = best | getattr(self.oracle, "weights_needed", set)()
        for trial_id in [*self._weights, ended.trial_id]:
            if trial_id not in keep:
                Path(self._get_checkpoint_fname(trial_id)).unlink(missing_ok=True)
        self._weights = [i for i in [*self._weights, ended.trial_id] if i in keep]


class _OpenTrial:
    """What an open trial has cost."""

    def __init__(self, earlier_seconds: float):
        self._earlier = earlier_seconds
        self._began = time.monotonic()
        self.own_seconds: float | None = None

    @property
    def seconds(self) -> float:
        own = time.monotonic() - self._began if self.own_seconds is None else self.own_seconds
        return self._earlier + own
