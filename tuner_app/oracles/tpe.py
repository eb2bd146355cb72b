"""Tree-structured Parzen estimators: proposes what good trials have and bad ones have not."""

import math
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers._tpe.sampler import default_gamma
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner_app.oracles.parzen import Parzen

NAME = "tpe"
_FIXED = 4  # columns that every trial has


class TPESampler(optuna.samplers.TPESampler):
    """Optuna's TPE (Bergstra et al., 2011; Watanabe, 2023): the same proposals in less time.

    Optuna goes through every trial, in Python, several times for each proposal. Here each finished
    trial is read once and kept in columns, and the kernels are `Parzen`'s. Open trials count as bad
    ones (a constant liar), so that many may be open without proposals of the same point.

    Several objectives are Optuna's own to model.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self._trials = _Trials()

    def infer_relative_search_space(self, study, trial):
        """The dimensions that all finished trials have, as in Optuna."""
        if len(study.directions) > 1 or self._group or not self._is_multivariate(study):
            return super().infer_relative_search_space(study, trial)
        self._trials.look(study)
        common = self._trials.common or {}
        return {name: common[name] for name in sorted(common) if not common[name].single()}

    def _sample_relative(self, study, trial, search_space):
        if len(study.directions) > 1:
            return super()._sample_relative(study, trial, search_space)
        self._trials.look(study)
        if not search_space or self._trials.finished < self._n_startup_trials:
            return {}
        return self._sample(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        """A dimension that some finished trials lack, alone."""
        if len(study.directions) > 1:
            return super().sample_independent(study, trial, param_name, param_distribution)
        if self._trials.finished < self._n_startup_trials:
            return self._random_sampler.sample_independent(
                study, trial, param_name, param_distribution
            )
        return self._sample(study, trial, {param_name: param_distribution})[param_name]

    def _sample(self, study, trial, search_space):
        if len(study.directions) > 1:
            return super()._sample(study, trial, search_space)
        known, names = self._trials, list(search_space)
        known.look(study)
        sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
        good, bad = known.split(sign, (self._gamma or default_gamma)(known.finished))
        good = known.values(good, names)[1]
        numbers, bad = known.values(bad, names)
        if self._constant_liar:
            open_numbers, values = self._of_running(trial, study, search_space)
            if open_numbers:  # the newest, open or not, weigh most
                order = np.argsort([*numbers, *open_numbers], kind="stable")
                bad = np.concatenate([bad, values])[order]
        parameters = self._parzen_estimator_parameters
        better, worse = (Parzen(observed, search_space, parameters) for observed in (good, bad))
        candidates = better.sample(self._rng.rng, self._n_ei_candidates)
        gains = better.log_density(candidates) - worse.log_density(candidates)
        best = candidates[np.argmax(gains)].tolist()
        return {
            name: search_space[name].to_external_repr(value)
            for name, value in zip(names, best, strict=True)
        }

    def _of_running(
        self, trial: FrozenTrial, study: optuna.Study, search_space: dict[str, BaseDistribution]
    ) -> tuple[list[int], np.ndarray]:
        """The numbers of the other open trials, and their values as far as they have them all."""
        numbers, observed = [], []
        for other in self._trials.open:
            values: dict[str, Any] = (
                self._get_params(other, study) if other.number != trial.number else {}
            )
            if search_space.keys() <= values.keys():
                numbers.append(other.number)
                observed.append([d.to_internal_repr(values[n]) for n, d in search_space.items()])
        return numbers, np.asarray(observed, dtype=float).reshape(-1, len(search_space))


class _Trials:
    """What is known of a study's trials. A finished one never changes, and is read once.

    Attributes:
        common: The dimensions that all finished trials have; None before the first.
        open: The running trials, in the order of their numbers.
    """

    def __init__(self):
        self.common: dict[str, BaseDistribution] | None = None
        self.open: list[FrozenTrial] = []
        self._seen = 0  # trials
        self.finished = 0
        self._columns: dict[str, int] = {}  # by name: where its values are
        self._room = np.empty((0, _FIXED))  # number; pruned, minus its epochs, value; the values

    def look(self, study: optuna.Study) -> None:
        """Takes notice of what changed since the last time."""
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        waiting = [trial.number for trial in self.open]
        self.open = []
        for number in [*waiting, *range(self._seen, len(trials))]:
            if trials[number].state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._add(trials[number])
            elif not trials[number].state.is_finished():
                self.open.append(trials[number])
        self._seen = len(trials)

    def split(self, sign: int, below: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the best `below` and of the others, each in the order of their numbers.

        Pruned trials are worse than completed ones, and the better the further they came.
        """
        rows = np.argsort(self._room[: self.finished, 0], kind="stable")
        _, pruned, minus_epochs, values = self._room[rows, :_FIXED].T
        values = np.where(np.isnan(values), math.inf, sign * values)
        order = np.lexsort((values, minus_epochs, pruned))
        return rows[np.sort(order[:below])], rows[np.sort(order[below:])]

    def values(self, rows: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (k,) and values (k, len(names)) of those rows that have all of `names`."""
        if not self._columns.keys() >= set(names):
            return np.empty(0), np.empty((0, len(names)))
        values = self._room[np.ix_(rows, [self._columns[name] for name in names])]
        whole = ~np.isnan(values).any(axis=1)
        return self._room[rows[whole], 0], values[whole]

    def table(self, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """In the order of the numbers: these, the epochs of pruned ones (else 0), the scores, and
        the values (k, len(names)) of the dimensions, NaN where a trial has none."""
        rows = np.argsort(self._room[: self.finished, 0], kind="stable")
        numbers, pruned, minus_epochs, scores = self._room[rows, :_FIXED].T
        values = np.full((len(rows), len(names)), math.nan)
        for place, name in enumerate(names):
            if name in self._columns:
                values[:, place] = self._room[rows, self._columns[name]]
        return numbers.astype(int), -minus_epochs * pruned, scores, values

    def _add(self, trial: FrozenTrial) -> None:
        found = trial.distributions
        for name in found:
            self._columns.setdefault(name, _FIXED + len(self._columns))
        self._make_room()
        row = self._room[self.finished]
        if trial.state == TrialState.COMPLETE:
            row[:_FIXED] = trial.number, 0, 0, trial.value
        else:
            step, value = max(trial.intermediate_values.items(), default=(-1, 0.0))
            row[:_FIXED] = trial.number, 1, -step, value
        for name, distribution in found.items():
            row[self._columns[name]] = distribution.to_internal_repr(trial.params[name])
        self.finished += 1
        known = found if self.common is None else self.common
        self.common = {n: d for n, d in known.items() if n in found and found[n] == d}

    def _make_room(self) -> None:
        """For one row more, and all columns; what a trial lacks is NaN."""
        rows, columns = self._room.shape
        more = max(rows, 64) if self.finished == rows else 0
        wider = _FIXED + len(self._columns) - columns
        if more or wider:
            self._room = np.pad(self._room, ((0, more), (0, wider)), constant_values=math.nan)


def sampler(seed: int, **options) -> TPESampler:
    """The sampler of a search. Until `n_startup_trials` (10) are finished its values are random."""
    return TPESampler(seed=seed, **options)
