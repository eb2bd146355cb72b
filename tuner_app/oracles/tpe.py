"""Tree-structured Parzen estimators: proposes what good trials have and bad ones have not."""

import math

import numpy as np
import optuna
from optuna.samplers._tpe.sampler import default_gamma
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

NAME = "tpe"

_STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


class TPESampler(optuna.samplers.TPESampler):
    """Optuna's TPE (Bergstra et al., 2011; Watanabe, 2023): the same proposals in less time.

    Optuna goes through every trial, in Python, for each proposal. Here each finished trial is read
    once and kept in columns. Open trials count as bad ones (a constant liar), so that many may be
    open without proposals of the same point.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self._finished = _Finished()

    def _sample(self, study, trial, search_space):
        if len(study.directions) > 1:
            return super()._sample(study, trial, search_space)
        found = study._get_trials(deepcopy=False, states=_STATES, use_cache=False)
        finished, running = [], []
        for other in found:
            (running if other.state == TrialState.RUNNING else finished).append(other)
        rows = self._finished.rows(finished)
        sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
        good, bad = self._finished.split(rows, sign, (self._gamma or default_gamma)(len(rows)))

        names = list(search_space)
        numbers, bad = self._finished.values(bad, names)
        good = self._finished.values(good, names)[1]
        if self._constant_liar:
            open_numbers, values = self._of_running(running, trial, study, search_space)
            order = np.argsort([*numbers, *open_numbers], kind="stable")  # the newest weigh most
            bad = np.concatenate([bad, values])[order]
        estimators = [
            self._parzen_estimator_cls(
                dict(zip(names, observed.T, strict=True)),
                search_space,
                self._parzen_estimator_parameters,
            )
            for observed in (good, bad)
        ]
        candidates = estimators[0].sample(self._rng.rng, self._n_ei_candidates)
        gains = self._compute_acquisition_func(candidates, *estimators)
        best = self._compare(candidates, gains)
        return {name: search_space[name].to_external_repr(best[name]) for name in names}

    def _of_running(self, running, trial, study, search_space) -> tuple[list[int], np.ndarray]:
        numbers, observed = [], []
        for other in running:
            values = self._get_params(other, study) if other.number != trial.number else {}
            if search_space.keys() <= values.keys():
                numbers.append(other.number)
                observed.append([d.to_internal_repr(values[n]) for n, d in search_space.items()])
        return numbers, np.asarray(observed, dtype=float).reshape(-1, len(search_space))


class _Finished:
    """What is known of finished trials, which never changes: each is read once."""

    def __init__(self):
        self._rows: dict[int, int] = {}  # by the trial's number
        self._ranks = _Rows(4)  # number; pruned, minus its epochs, value
        self._inner: list[dict[str, float]] = []
        self._values: dict[tuple[str, ...], _Rows] = {}  # by names; NaN in rows that lack one

    def rows(self, trials: list[FrozenTrial]) -> np.ndarray:
        """The rows of `trials`, which are in the order of their numbers."""
        rows = [self._rows.get(trial._number) for trial in trials]
        if None in rows:
            for trial in trials:
                if trial.number not in self._rows:
                    self._add(trial)
            rows = [self._rows[trial.number] for trial in trials]
        return np.asarray(rows, dtype=int)

    def split(self, rows: np.ndarray, sign: int, below: int) -> tuple[np.ndarray, np.ndarray]:
        """The best `below` rows and the others, each in the order of the trials' numbers.

        Pruned trials are worse than completed ones, and the better the further they came.
        """
        _, pruned, minus_epochs, values = self._ranks.whole[rows].T
        values = np.where(np.isnan(values), math.inf, sign * values)
        order = np.lexsort((values, minus_epochs, pruned))
        return rows[np.sort(order[:below])], rows[np.sort(order[below:])]

    def values(self, rows: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (k,) and values (k, len(names)) of those rows that have all of `names`."""
        kept = self._values.setdefault(tuple(names), _Rows(len(names)))
        for inner in self._inner[kept.length :]:
            whole = inner.keys() >= set(names)
            kept.append([inner[n] for n in names] if whole else [math.nan] * len(names))
        values = kept.whole[rows]
        whole = ~np.isnan(values).any(axis=1)
        return self._ranks.whole[rows[whole], 0], values[whole]

    def _add(self, trial: FrozenTrial) -> None:
        self._rows[trial.number] = self._ranks.length
        if trial.state == TrialState.COMPLETE:
            self._ranks.append([trial.number, 0, 0, trial.value])
        else:
            step, value = max(trial.intermediate_values.items(), default=(-1, 0.0))
            self._ranks.append([trial.number, 1, -step, value])
        self._inner.append(
            {n: d.to_internal_repr(trial.params[n]) for n, d in trial.distributions.items()}
        )


class _Rows:
    """A matrix that grows by rows."""

    def __init__(self, width: int):
        self._room = np.empty((64, width))
        self.length = 0

    @property
    def whole(self) -> np.ndarray:
        return self._room[: self.length]

    def append(self, row: list[float]) -> None:
        if self.length == len(self._room):
            self._room = np.concatenate([self._room, np.empty_like(self._room)])
        self._room[self.length] = row
        self.length += 1


def sampler(seed: int, **options) -> TPESampler:
    """The sampler of a search. Until `n_startup_trials` (10) are finished its values are random."""
    return TPESampler(seed=seed, **options)
