"""What an oracle knows, kept in the store instead of in JSON files, and taken back from it.

KerasTuner rewrites its whole state three times a trial. Here each change writes the trial that
changed and the few numbers that are not in the trials (the seed's state, Hyperband's brackets), in
one transaction, so that the cost of a trial does not grow with their number.
"""

import contextlib
import threading
import warnings
from collections import deque
from collections.abc import Iterator

import keras_tuner
from keras_tuner.src.engine import oracle as oracle_module
from keras_tuner.src.engine import trial as trial_module

from tuner_app.oracles.folded_trial import fold
from tuner_app.oracles.shared_definitions import with_values
from tuner_app.oracles.trial_from_row import as_trial, stored_status
from tuner_app.store import SearchStore, TrialRow
from tuner_app.store.collections_paused import without_collections
from tuner_app.store.trial_row import ENDED

# What `Oracle.get_state` gives and the store has already, in the trials or by its own name.
_IN_THE_STORE = (
    "ongoing_trials hyperparameters start_order end_order run_times retry_queue tried_so_far "
    "id_to_hash display"
).split()
_AT_HAND = 100  # ended trials that are not folded yet


class KeptOracle(keras_tuner.Oracle):
    """An oracle that writes each change to the store, and can be made again from it.

    Without a store (before `attach`) it is the plain oracle, in memory only.
    """

    store: SearchStore | None = None
    _unsaved: dict | None = None  # in a change: the trials to be written at its end
    _state_changed: bool = False

    def attach(self, store: SearchStore | None) -> None:
        """From now on every change goes to `store`; with None, nowhere."""
        self.store = store
        self.__dict__.setdefault("_mutex", threading.RLock())
        self._numbers = {trial_id: number for number, trial_id in enumerate(self.start_order)}
        self._ends = {trial_id: number for number, trial_id in enumerate(self.end_order)}
        self._space_written: tuple = (None, 0)  # its definitions, and its number
        self._blanks = {}  # by a space's number: hyperparameters without values
        self._at_hand = deque()
        self.verbose = 0  # the search's observers show how it goes

    # What KerasTuner calls to persist itself.

    def save(self) -> None:
        """Writes the state that is not in the trials: at once, or at the end of a change."""
        if self._unsaved is not None:
            self._state_changed = True
        elif self.store is not None:
            self.store.set_oracle_state(self._small_state())

    def save_trial(self, trial) -> None:
        """Writes one trial: at once, or at the end of a change."""
        if self._unsaved is not None:
            self._unsaved[trial.trial_id] = trial
        elif self.store is not None:
            # Of what a trial reports before its end, the database is record enough.
            reports = trial.status == trial_module.TrialStatus.RUNNING and trial.metrics.metrics
            self.store.save_trial(self._row(trial), with_file=not reports)

    _save_trial = save_trial  # KerasTuner's name for it

    def reload(self) -> None:
        """Replaces what is in memory by what the store holds; unfinished trials are queued."""
        if self.store is None:
            return
        with without_collections():
            self._take_back_all(self.store.trials())

    def _take_back_all(self, rows: list[TrialRow]) -> None:
        for number in {row.space for row in rows} - self._blanks.keys():
            config = {"space": self.store.space(number), "values": {}}
            self._blanks[number] = keras_tuner.HyperParameters.from_config(config)
        self.trials = {row.trial_id: as_trial(row, self._blanks[row.space]) for row in rows}
        self.set_state({"display": self._display.get_state()} | self._state_from(rows))
        self._restore(rows)
        self.attach(self.store)
        # The queue is taken from its end: the oldest goes first.
        self._retry_queue = [row.trial_id for row in reversed(rows) if row.status not in ENDED]
        for trial_id in self._retry_queue:
            self.trials[trial_id].status = trial_module.TrialStatus.IDLE

    @contextlib.contextmanager
    def _one_change(self) -> Iterator[None]:
        """One thread at a time, one transaction, each thing written once, and KerasTuner's lock
        given back on errors."""
        with self._mutex, warnings.catch_warnings():
            # KerasTuner calls threading.currentThread, and takes the best of nothing but NaN.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="keras_tuner")
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            try:
                with self.store.transaction() if self.store else contextlib.nullcontext():
                    self._unsaved, self._state_changed = {}, False
                    try:
                        yield
                        changed = list(self._unsaved.values())
                    finally:
                        self._unsaved = None
                    for trial in changed:
                        self.save_trial(trial)
                    if self._state_changed:
                        self.save()
            except BaseException:
                self._space_written = None, 0  # it may not have been kept
                # Ours, in any case: Ctrl-C may come before KerasTuner has noted whose it is.
                if oracle_module.LOCKS[self].locked():
                    oracle_module.THREADS[self] = None
                    oracle_module.LOCKS[self].release()
                raise

    def number_of(self, trial_id: str) -> int:
        """A trial's place in the order of beginnings, from 0."""
        return self._numbers.setdefault(trial_id, len(self._numbers))

    def failures_of(self, trial_id: str) -> int:
        """How often a run of a trial failed (an interrupted or killed one did not)."""
        return self._run_times[trial_id] - (self.trials[trial_id].status == "COMPLETED")

    def seed_facts(self, trial_id: str) -> tuple[int, int]:
        """The number and the failures that the seed of a trial's training follows from."""
        return self.number_of(trial_id), self.failures_of(trial_id)

    def _fold_older(self, trial) -> None:
        """A trial has ended; those that ended long before it are folded."""
        if self.store is None:
            return
        self._at_hand.append(trial)
        if len(self._at_hand) > _AT_HAND:
            older = self._at_hand.popleft()
            number = self._space_number(older.hyperparameters)
            if number not in self._blanks:
                self._blanks[number] = with_values(older.hyperparameters, {})
            fold(older, self._blanks[number])

    # To the store and back.

    def _note(self, trial_id: str):
        """What this kind of oracle keeps with a trial, as a JSON value; None for nothing."""
        return None

    def _restore_notes(self, rows: list[TrialRow]) -> None:
        """Takes back what `_note` gave, the trials being in the order of their beginnings."""

    def _restore(self, rows: list[TrialRow]) -> None:
        """Takes back all that comes from the trials besides themselves."""
        self._restore_notes(rows)

    def _small_state(self) -> dict:
        tried, self._tried_so_far = self._tried_so_far, set()  # else all are copied, for nothing
        try:
            state = {k: v for k, v in self.get_state().items() if k not in _IN_THE_STORE}
        finally:
            self._tried_so_far = tried
        return state | {"space": self._space_number(self.hyperparameters)}

    def _state_from(self, rows: list[TrialRow]) -> dict:
        state = self.store.oracle_state()
        space = self.store.space(state.pop("space"))
        ended = sorted((row for row in rows if row.ended is not None), key=lambda row: row.ended)
        return state | {
            "ongoing_trials": {},
            "hyperparameters": {"space": space, "values": {}},
            "start_order": [row.trial_id for row in rows],
            "end_order": [row.trial_id for row in ended],
            "run_times": {r.trial_id: r.failures + (r.status == "COMPLETED") for r in rows},
            "retry_queue": [],
            "tried_so_far": [row.digest for row in rows if row.digest],
            "id_to_hash": {row.trial_id: row.digest for row in rows},
        }

    def _space_number(self, hyperparameters) -> int:
        # Trials share their definitions with the oracle, so to compare them costs next to nothing.
        known, number = self._space_written
        if known != hyperparameters.space:
            number = self.store.space_number(hyperparameters.get_config()["space"])
            self._space_written = list(hyperparameters.space), number
        return number

    def _row(self, trial) -> TrialRow:
        trial_id = trial.trial_id
        return TrialRow(
            trial_id=trial_id,
            number=self.number_of(trial_id),
            status=stored_status(trial),
            space=self._space_number(trial.hyperparameters),
            hyperparameters=trial.hyperparameters.values,
            score=trial.score,
            best_epoch=None if trial.score is None else trial.best_step,
            metrics=trial.metrics.get_config(),
            digest=self._id_to_hash[trial_id],
            ended=self._ends.get(trial_id),
            failures=self.failures_of(trial_id),
            note=self._note(trial_id),
        )
