"""A KerasTuner tuner and its project directory: who owns it, what it holds, what stays in it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras_tuner

from tuner_app import oracles
from tuner_app.errors import UserError
from tuner_app.store import (
    SearchStore,
    TrialRecord,
    delete_search,
    holds_search,
    refuse_foreign,
)
from tuner_app.store.lock import refuse_if_owned
from tuner_app.tuners.project import resuming, what_was_asked
from tuner_app.tuners.project.kept_weights import KeptWeights
from tuner_app.tuners.project.versions import versions


class ProjectTuner(keras_tuner.Tuner):
    """A `keras_tuner.Tuner` whose state is in the store instead of JSON files. Abstract.

    Args:
        oracle: Any KerasTuner oracle, or one of `tuner_app.oracles`.
        hypermodel: As in KerasTuner, and so are all arguments not named here.
        seed: Seeds the training of each trial; the oracle's by default.
        keep_best: Keep the weights of so many best trials only; None: of all.
        max_deaths: A trial during which the process died so often becomes FAILED.
        on_change: "refuse" or "take", when a resume asks for another space, objective or budget.
        config: A JSON value that is kept with the search, for whoever resumes it.
        facts: More such values, by name.
        overwrite: Begin anew; the files of an earlier search, and no others, are deleted.

    Raises:
        UserError: the project directory can't be used, or holds another search.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel=None,
        *arguments,
        seed: int | None = None,
        keep_best: int | None = None,
        max_deaths: int = 3,
        on_change: str = "refuse",
        config: Any = None,
        facts: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        **keywords,
    ):
        if on_change not in ("refuse", "take"):
            raise UserError(f"Expected on_change 'refuse' or 'take'; received {on_change!r}.")
        if keep_best is not None and keep_best < 1:
            raise UserError(f"Expected keep_best of at least 1, or None; received {keep_best}.")
        self.store: SearchStore | None = None
        self.max_deaths = max_deaths
        self._take_changes = on_change == "take"
        self._config, self._facts = config, dict(facts or {})
        self._overwrite = overwrite
        self._session: int | None = None  # ours, while nobody else has searched since
        super().__init__(oracle, hypermodel, *arguments, **keywords)
        # In a worker KerasTuner puts a client of its own before the oracle; see `cluster.chief`.
        self.oracle = oracles.stored(self.oracle.__dict__.get("_oracle", self.oracle))
        self.seed = self.oracle.seed if seed is None else seed
        self._first_space = self.oracle.get_space().get_config()["space"]
        self._keep_best = keep_best
        self._weights = self._kept_weights()
        if not self._is_worker() and (overwrite or holds_search(self.project_dir)):
            self._attach()

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
        if not self._is_worker():
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
                    resuming.begin(store, self.oracle, asked, self.seed, self._config, self._facts)
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

    def _weights_of(self, trial_id: str) -> str:
        """A trial's weights. Unlike KerasTuner's `_get_checkpoint_fname`, makes no folder."""
        return os.path.join(self.project_dir, f"trial_{trial_id}", "checkpoint.weights.h5")

    def _kept_weights(self) -> KeptWeights | None:
        if self._keep_best is None:
            return None
        kept = KeptWeights(
            self._keep_best,
            self.oracle.objective.direction,
            self._weights_of,
            getattr(self.oracle, "weights_needed", set),
        )
        ended = (self.oracle.trials[trial_id] for trial_id in self.oracle.end_order)
        kept.begin([TrialRecord(trial.trial_id, trial.status, trial.score) for trial in ended])
        return kept
