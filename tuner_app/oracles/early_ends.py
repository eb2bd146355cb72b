"""Trials that end before their time: by one of Optuna's pruners, or by the budget."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import optuna

from tuner_app.oracles import pruning
from tuner_app.oracles.budget import Spent
from tuner_app.oracles.kept import KeptOracle
from tuner_app.oracles.mirror import Mirror
from tuner_app.oracles.objectives import directions, results
from tuner_app.oracles.quiet_optuna import quiet_optuna
from tuner_app.oracles.trial_from_row import stored_status
from tuner_app.store import TrialRow
from tuner_app.store.trial_row import ENDED


class EndingOracle(KeptOracle):
    """An oracle that hears every epoch, and says which trials are to end."""

    pruner: str = "none"
    epochs: int | None = None
    spent: Spent | None = None
    _mirror: Mirror | None = None
    _verdicts: Mapping[str, str] = MappingProxyType({})

    def attach(self, store) -> None:
        """From now on every change goes to `store`; with None, nowhere."""
        super().attach(store)
        self._verdicts = {}

    @property
    def mirror(self) -> Mirror:
        """Optuna's view of the search, for its pruners."""
        if self._mirror is None:
            with quiet_optuna():
                made = optuna.samplers.RandomSampler(seed=0)
                self._mirror = Mirror(made, directions(self.objective), 0)
            self._mirror.study.pruner = pruning.pruner(self.pruner, self.epochs or 1)
        return self._mirror

    def hear(self, reports: Iterable[tuple[str, int, int, Mapping[str, float]]]) -> None:
        """Takes epochs of running trials: each trial id, execution, epoch (from 0), metrics.

        What comes of them is asked for by `verdict` and `over`. Pruners see the first execution
        only.
        """
        if self.spent is not None:
            for _, _, _, metrics in reports:
                self.spent.epoch(metrics.get(self.objective.name))
        if self.pruner == "none":
            return
        name, heard = self.objective.name, {}
        for trial_id, execution, epoch, metrics in reports:
            if execution == 0 and name in metrics:
                if trial_id not in self.mirror:
                    self.mirror.add(trial_id)
                self.mirror.report(trial_id, epoch + 1, metrics[name])
                heard[trial_id] = epoch + 1
        for trial_id in self.mirror.to_prune(heard):
            epochs = f"{heard[trial_id]} epoch{'s' * (heard[trial_id] > 1)}"
            self._verdicts[trial_id] = f"Pruned after {epochs}: {self.pruner}"

    @property
    def over(self) -> str:
        """Why the search is over before its trials are used up: the budget; "" while it is not."""
        return "" if self.spent is None else self.spent.reason

    @property
    def reached(self) -> str:
        """That the budget's target was reached, if only by the last epoch of all; else ""."""
        return "" if self.spent is None else self.spent.reached

    def verdict(self, trial_id: str) -> str:
        """Why a running trial is to end now as pruned; "" where it is to go on."""
        return self._verdicts.get(trial_id, "")

    def _mirror_end(self, trial) -> None:
        if trial.trial_id in self.mirror:
            self.mirror.tell(trial.trial_id, stored_status(trial), results(trial, self.objective))

    def _restore(self, rows: list[TrialRow]) -> None:
        super()._restore(rows)
        self._restore_curves(rows)
        self._restore_spent(rows)

    def _restore_curves(self, rows: list[TrialRow]) -> None:
        """Has the pruner see again what it saw, trial by trial."""
        self._verdicts = {}
        if self.pruner == "none":
            return
        for row in rows:
            if row.trial_id not in self.mirror:
                self.mirror.add(row.trial_id)
                self.mirror.see(row.trial_id, self._curve(row.trial_id))
                if row.status in ENDED:
                    self._mirror_end(self.trials[row.trial_id])

    def _restore_spent(self, rows: list[TrialRow]) -> None:
        if self.spent is None:
            return
        self.spent.epochs(sum(row.epochs for row in rows))
        for row in sorted((r for r in rows if r.ended is not None), key=lambda r: r.ended):
            self.spent.trial(row.score)

    def _curve(self, trial_id: str) -> dict[int, float]:
        """The objective after so many epochs of a trial's first execution."""
        history, name = self.store.history(trial_id), self.objective.name
        return {e + 1: m[name] for (x, e), m in history.items() if x == 0 and name in m}
