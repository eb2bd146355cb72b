"""Gaussian process while trials are few, then TPE; for up to a few hundred trials."""

import numpy as np
from optuna.trial import FrozenTrial

from tuner_app.oracles.anisotropic import AnisotropicProcess, log_expected_improvement
from tuner_app.oracles.cube import Cube
from tuner_app.oracles.dimensions import SearchSpace
from tuner_app.oracles.tpe import TPESampler

NAME = "auto"

FEW = 150  # finished trials, up to which the process proposes: then a proposal takes it 40 ms
_ANYWHERE = 512  # candidates all over the space; and near the best trials, by a tenth or less:
_NEAR = ((256, 0.1), (128, 0.02))
_BEST = 5  # trials that candidates are near of
_ROUNDS = (0.1, 0.05, 0.02, 0.01, 0.005)  # steps of the search around the best candidates
_KEPT, _TRIED = 4, 48  # of each round
_APART = 0.01  # of a side: nothing nearer to an open trial is proposed


class AutoSampler(TPESampler):
    """A Gaussian process with expected improvement (Jones et al., 1998), and TPE from trial 150 on.

    Of few trials a process makes more than TPE; of many it takes longer, and TPE is as good. All
    dimensions are in one process: an inactive one is at its middle to the kernel, and is not
    proposed; choices are as many columns. Scores worse than the median are compressed by a
    logarithm, since where the bad ones are matters, not how bad they are. An open trial counts as
    having the score that is expected of it, and a pruned one as its last report, moved by what
    completed trials gained from there to their end. Several objectives are TPE's from the start.

    Args:
        few: How many trials have finished when TPE takes over.
        **options: Of TPE. Until `n_startup_trials` (10) are finished the values are random.

    Attributes:
        space: To be set before each trial.
    """

    def __init__(self, few: int = FEW, **options):
        super().__init__(**options)
        self.space: SearchSpace | None = None
        self._few = few
        self._fitted: tuple = (None, None)  # finished trials and labels; hyperparameters

    def _process_proposes(self, study) -> bool:
        if len(study.directions) > 1 or self.space is None:
            return False
        self._trials.look(study)
        return self._n_startup_trials <= self._trials.finished < self._few

    def infer_relative_search_space(self, study, trial):
        """Every dimension that there is to choose in, while the process proposes."""
        if not self._process_proposes(study):
            return super().infer_relative_search_space(study, trial)
        return self.space.distributions

    def sample_relative(self, study, trial, search_space):
        """Values of every dimension, those included that turn out to be inactive."""
        if not search_space or not self._process_proposes(study):
            return super().sample_relative(study, trial, search_space)
        cube = Cube(self.space)
        sign = 1 if study.direction.name == "MINIMIZE" else -1
        numbers, epochs, scores, values = self._trials.table(cube.labels)
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        scores = warped(sign * foreseen([trials[number] for number in numbers], epochs, scores))
        places = cube.places(values)
        waiting = [t.params for t in self._trials.open if t.number != trial.number]
        opened = cube.places(
            np.array(
                [
                    [_inner(params, name, search_space[name]) for name in cube.labels]
                    for params in waiting
                    if params
                ]
            ).reshape(-1, len(cube.labels))
        )
        process, best = self._process(cube, places, scores, opened)
        random = np.random.default_rng(self._rng.rng.randint(2**31))
        place = _most_promising(cube, process, best, random, places, scores, opened)
        # What is inactive there is not asked for; it needs some value all the same.
        value = cube.values(np.nan_to_num(place[None], nan=0.5))[0].tolist()
        return {
            name: search_space[name].to_external_repr(inner)
            for name, inner in zip(cube.labels, value, strict=True)
        }

    def _process(self, cube: Cube, places, scores, opened) -> tuple[AnisotropicProcess, float]:
        """The process of the finished trials and the open ones, and the best of their scores."""
        x, key = cube.columns(places), (len(scores), tuple(cube.labels))
        if self._fitted[0] != key:
            process = AnisotropicProcess(x, scores, cube.dimension_of)
            self._fitted = key, process.hyperparameters
        else:
            process = AnisotropicProcess(x, scores, cube.dimension_of, self._fitted[1])
        if not len(opened):
            return process, scores.min()
        more = cube.columns(opened)
        x, scores = np.concatenate([x, more]), np.append(scores, process.predict(more)[0])
        process = AnisotropicProcess(x, scores, cube.dimension_of, self._fitted[1])
        return process, scores.min()


def _most_promising(cube, process, best, random, places, scores, opened) -> np.ndarray:
    """The place whose expected improvement is the largest, of those that nobody has tried."""
    top = places[np.argsort(scores, kind="stable")[:_BEST]]

    def gains(candidates: np.ndarray) -> np.ndarray:
        return log_expected_improvement(*process.predict(cube.columns(candidates)), best)

    drawn = [random.random((_ANYWHERE, places.shape[1]))]
    drawn += [cube.near(random, top, number, step) for number, step in _NEAR]
    candidates = cube.settled(np.concatenate(drawn))
    gain = gains(candidates)
    for step in _ROUNDS:
        top = candidates[np.argsort(-gain, kind="stable")[:_KEPT]]
        more = cube.settled(cube.near(random, top, _TRIED, step))
        candidates, gain = np.concatenate([candidates, more]), np.append(gain, gains(more))
    tried = {_key(place) for place in places}
    opened = np.nan_to_num(opened, nan=-1.0)
    for i in np.argsort(-gain, kind="stable"):
        apart = np.abs(opened - np.nan_to_num(candidates[i], nan=-1.0)).max(axis=1, initial=0.0)
        if _key(candidates[i]) not in tried and (apart > _APART).all():
            return candidates[i]
    return candidates[0]


def foreseen(trials: list[FrozenTrial], epochs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The scores, those of pruned trials as they would be expected in the end.

    Args:
        epochs: After which a trial was pruned; 0: it was not.
    """
    found = scores.copy()
    for epoch in np.unique(epochs[epochs > 0]):
        gains = [
            score - trial.intermediate_values[epoch]
            for trial, ended, score in zip(trials, epochs, scores, strict=True)
            if not ended and epoch in trial.intermediate_values
        ]
        found[epochs == epoch] += np.median(gains) if gains else 0.0
    return found


def warped(scores: np.ndarray) -> np.ndarray:
    """Scores to minimize, of mean 0 and variance 1, with those above the median compressed.

    >>> warped(np.array([1.0, 2.0, 3.0, 1e6])).round(2).tolist()
    [-0.58, -0.58, -0.58, 1.73]
    """
    worst = scores[np.isfinite(scores)].max(initial=0.0)
    scores = np.where(np.isfinite(scores), scores, worst)
    low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75])
    scores = (scores - middle) / (high - low or scores.std() or 1.0)
    scores = np.where(scores > 0, np.log1p(np.maximum(scores, 0.0)), scores)
    return (scores - scores.mean()) / (scores.std() or 1.0)


def _inner(params: dict, name: str, distribution) -> float:
    return distribution.to_internal_repr(params[name]) if name in params else np.nan


def _key(place: np.ndarray) -> tuple:
    return tuple(np.nan_to_num(place, nan=-1.0).round(9).tolist())


def sampler(seed: int, **options) -> AutoSampler:
    """The sampler of a search."""
    return AutoSampler(seed=seed, **options)
