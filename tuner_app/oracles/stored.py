"""Any KerasTuner oracle, with its state in the store, a budget, early ends and a word on failures.

How the state gets there and back is in `kept`, pruners and the budget are in `early_ends`; here is
what the rest of a trial's life adds to KerasTuner's.
"""

import functools
import math

from keras_tuner.src.engine import metrics_tracking
from keras_tuner.src.engine import trial as trial_module

from tuner_app.errors import UserError
from tuner_app.oracles import pruning
from tuner_app.oracles.budget import Budget, Spent
from tuner_app.oracles.early_ends import EndingOracle
from tuner_app.oracles.failure import SearchFailed, is_excused, reason
from tuner_app.oracles.objectives import directions
from tuner_app.oracles.shared_definitions import share
from tuner_app.oracles.trial_from_row import stored_status
from tuner_app.store import SearchStore


@functools.cache
def _direction(metric: str) -> str | None:
    """KerasTuner's answer; it makes a Keras metric each time it is asked."""
    return metrics_tracking.infer_metric_direction(metric)


class StoredOracle(EndingOracle):
    """What is put before an oracle class, so that the store keeps what it knows.

    Args (keywords only, besides the oracle's own):
        seed: An integer from 0; 0 is a seed like any other. None: drawn at random, and kept.
        max_failed_fraction: The search is given up when more than this share of the ended trials
            failed through an error of the code (see `failure.is_excused`), and at least
            `max_consecutive_failed_trials` did. Diverged, oversized and out-of-memory trials are no
            errors of the code.
        pruner: Ends trials early: a name of `pruning.PRUNERS`. A pruned trial is STOPPED to
            KerasTuner, and PRUNED in the store; it has no score.
        epochs: The most epochs that a trial trains, by which the pruner's rungs are placed.
        budget: When it is spent no trial begins any more, and those that are open end at their next
            epoch, COMPLETED with what they reached.
    """

    max_failed_fraction: float = 0.8
    seed_given: bool = False

    def __init__(
        self,
        *,
        seed=None,
        max_failed_fraction=0.8,
        pruner="none",
        epochs=None,
        budget=None,
        **arguments,
    ):
        if seed is not None and not 0 <= seed < 2**32:
            raise UserError(f"Expected a seed from 0 to 4294967295; received {seed}.")
        pruning.pruner(pruner, epochs or 1)  # an unknown name is told at once
        if pruner != "none" and not epochs:
            raise UserError(f"The pruner {pruner} needs to know epochs, the most a trial trains.")
        self.pruner, self.epochs = pruner, epochs
        super().__init__(seed=seed, **arguments)
        if pruner != "none" and len(directions(self.objective)) > 1:
            raise UserError("Pruning needs one objective; received several. Leave the pruner out.")
        self.spent = Spent(budget or Budget(), self.objective.direction)
        self.max_failed_fraction = max_failed_fraction
        self.seed_given = seed is not None
        if self.seed_given:  # KerasTuner takes 0 for none
            self.seed = self._seed_state = seed
        self.attach(None)

    def attach(self, store: SearchStore | None) -> None:
        """From now on every change goes to `store`; with None, nowhere."""
        super().attach(store)
        self._errors = sum(
            self.trials[i].status == "FAILED" and not is_excused(self.trials[i].message)
            for i in self.end_order
        )

    # The life of a trial.

    def create_trial(self, tuner_id):
        """A trial to run, one that waits (IDLE) or the end (STOPPED), as in KerasTuner."""
        if tuner_id not in self.ongoing_trials and self.over:
            self.tuner_ids.discard(tuner_id)
            return trial_module.Trial(self.get_space(), status=trial_module.TrialStatus.STOPPED)
        share(self.hyperparameters)
        with self._one_change():
            running = tuner_id in self.ongoing_trials
            queue = len(self._retry_queue)
            trial = super().create_trial(tuner_id)
            if trial.status == trial_module.TrialStatus.RUNNING and not running:
                if len(self._retry_queue) < queue:
                    # It begins anew: KerasTuner would average its result with the failed one's.
                    trial.metrics = metrics_tracking.MetricsTracker()
                    trial.score, trial.best_step, trial.message = None, 0, None
                    self.save_trial(trial)
                if self.store is not None:
                    self.store.begin_attempt(trial.trial_id)
        return trial

    def update_trial(self, trial_id, metrics, step=0):
        """As in KerasTuner: takes metrics (name to value) of a running trial."""
        with self._one_change():
            known = self.trials[trial_id].metrics
            for name in metrics:
                if name != self.objective.name and not known.exists(name):
                    known.register(name, _direction(name))
            return super().update_trial(trial_id, metrics, step=step)

    def end_trial(self, trial, *old_arguments, **old_keywords):
        """As in KerasTuner, but that too many failures do not raise here: see `check_failures`."""
        with self._one_change():
            super().end_trial(trial, *old_arguments, **old_keywords)
            trial = self.trials[getattr(trial, "trial_id", trial)]
            if trial.status != trial_module.TrialStatus.COMPLETED:
                if trial.message is None:
                    trial.message = f"Diverged: {self.objective.name} is {trial.score}"
                trial.score, trial.best_step = None, 0
            self._note_end(trial)

    def put_back(self, trial_id: str) -> None:
        """A running trial was interrupted: it is the next to run, and nobody is blamed."""
        with self._one_change():
            trial = self.trials[trial_id]
            for tuner_id, ongoing in list(self.ongoing_trials.items()):
                if ongoing.trial_id == trial_id:
                    del self.ongoing_trials[tuner_id]
            trial.status = trial_module.TrialStatus.IDLE
            trial.metrics = metrics_tracking.MetricsTracker()
            trial.score, trial.best_step = None, 0
            if trial_id not in self._retry_queue:
                self._retry_queue.append(trial_id)
            if self.store is not None:
                self.save_trial(trial)
                self.store.end_attempt(
                    trial_id, "INTERRUPTED", "interrupted, waits to be run again"
                )
                self.save()

    def give_up(self, trial_id: str, message: str) -> None:
        """A queued trial becomes FAILED without being run again."""
        with self._one_change():
            trial = self.trials[trial_id]
            trial.status = trial_module.TrialStatus.FAILED
            trial.message = message
            self._retry_queue.remove(trial_id)
            self.end_order.append(trial_id)
            self._note_end(trial)

    def check_failures(self) -> None:
        """Raises `SearchFailed` when too large a share of the ended trials failed by an error."""
        least = max(1, self.max_consecutive_failed_trials or 1)
        if self._errors >= least and self._errors > self.max_failed_fraction * len(self.end_order):
            last = next(
                self.trials[i]
                for i in reversed(self.end_order)
                if self.trials[i].status == "FAILED"
            )
            raise SearchFailed(
                f"{self._errors} of {len(self.end_order)} trials failed by an error, which is more "
                f"than the allowed share of {self.max_failed_fraction:g}. The last one, trial "
                f"{last.trial_id}: {reason(last.message)}"
            )

    def get_best_trials(self, num_trials=1):
        """The best COMPLETED trials, best first; fewer than asked for when there are fewer."""
        completed = [t for t in self.trials.values() if t.status == "COMPLETED"]
        sign = -1 if self.objective.direction == "max" else 1
        return sorted(completed, key=lambda trial: sign * trial.score)[:num_trials]

    def score_trial(self, trial):
        """KerasTuner's score; NaN where it is infinite, which KerasTuner would take for a score."""
        super().score_trial(trial)
        if trial.score is None or not math.isfinite(trial.score):
            trial.score = math.nan

    # What KerasTuner does on the way, replaced.

    def _record_values(self, trial):
        """Notes which values were tried. KerasTuner replaces the value of a name that has several
        definitions, under different conditions, by a random one that no seed fixes."""
        hyperparameters, trial_id = trial.hyperparameters, trial.trial_id
        active = {}
        for hp in hyperparameters.space:
            if hp.name not in active and hyperparameters.is_active(hp):
                active[hp.name] = hyperparameters.values.get(hp.name, hp.default)
        inactive = {hp.name for hp in hyperparameters.space} - active.keys()
        hyperparameters.values = {
            name: value for name, value in hyperparameters.values.items() if name not in inactive
        } | active
        before, now = self._id_to_hash[trial_id], self._compute_values_hash(hyperparameters.values)
        self._tried_so_far.discard(before)
        self._tried_so_far.add(now)
        self._id_to_hash[trial_id] = now

    def _check_consecutive_failures(self):
        """Too many failures are looked for after the trial is safely written."""

    def _retry(self, trial):
        if trial.status != trial_module.TrialStatus.INVALID:
            return False
        if self._run_times[trial.trial_id] > self.max_retries_per_trial:
            trial.status = trial_module.TrialStatus.FAILED
            return False
        self._retry_queue.append(trial.trial_id)
        return True

    def _note_end(self, trial) -> None:
        trial_id = trial.trial_id
        self._verdicts.pop(trial_id, None)
        if self._mirror is not None and trial_id in self.end_order[-1:]:
            self._mirror_end(trial)
        if self.end_order and self.end_order[-1] == trial_id and trial_id not in self._ends:
            if self.spent is not None:
                self.spent.trial(trial.score)
            self._ends[trial_id] = len(self.end_order) - 1
            self._errors += trial.status == "FAILED" and not is_excused(trial.message)
            self._fold_older(trial)
        if self.store is not None:
            self.save_trial(trial)
            text = trial.message or ""
            self.store.end_attempt(trial_id, stored_status(trial), reason(text), text)
            self.save()
