"""Bayesian optimization: a Gaussian process over the trials so far says where to look next."""

import keras_tuner
import numpy as np

from tuner_app.oracles.gaussian_process import GaussianProcess, likeliest_length
from tuner_app.oracles.stored import StoredOracle

NAME = "bayesian"

_ANYWHERE, _NEAR = 512, 256  # candidates: all over the space, and near the best trials
_STEPS = (0.1, 0.03, 0.01)  # of the search around the best candidate, in the unit cube


class BayesianOracle(StoredOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's Gaussian process with an upper confidence bound (Srinivas et al., 2010), in the
    store, and made for many open trials.

    A suggestion depends on the seed and the trials before it alone, so that a resumed search goes
    on as if it had not been interrupted. KerasTuner fits the process anew for each suggestion, 21
    times from different beginnings; here it is fitted when trials have ended, and a trial that is
    open counts as having the score that is expected of it.

    >>> BayesianOracle(objective="val_loss", max_trials=3, seed=0).seed
    0
    """

    _process: tuple | None = None  # (what it was made of, process, open trials in it)
    _lengths: dict[tuple, float] = {}  # replaced, never changed

    def populate_space(self, trial_id):
        completed = [t for t in self.trials.values() if t.status == "COMPLETED"]
        if len(completed) < self.most_open or not self._nonfixed_space():
            return self._random_populate_space()
        process = self._process_of(completed)
        space, seen = self._nonfixed_space(), set()
        for vector in self._candidates(process):
            point = tuple(hp.prob_to_value(p) for hp, p in zip(space, vector, strict=True))
            if point in seen:  # many a vector is one point of a discrete space
                continue
            seen.add(point)
            values = self._vector_to_values(vector)
            if self._compute_values_hash(values) not in self._tried_so_far:
                return {"status": "RUNNING", "values": values}
        return self._random_populate_space()  # which knows when nothing is left

    @property
    def most_open(self) -> int:
        """How many trials are worth having open: more would be drawn at random, or from guesses.

        So many are drawn at random before the process is asked.
        """
        dimensions = len(self.hyperparameters.space)
        return self.num_initial_points or max(3 * dimensions, 3)

    def _process_of(self, completed: list) -> GaussianProcess:
        """The process over the completed trials and the open ones."""
        ids = tuple(trial.trial_id for trial in completed)
        names = tuple(hp.name for hp in self._nonfixed_space())
        ongoing = [trial.trial_id for trial in self.ongoing_trials.values()]
        made_of = ids, names
        if (
            self._process is None
            or self._process[0] != made_of
            or self._process[2] != (ongoing[: len(self._process[2])])
        ):
            x, y = self._vectorize_trials()
            process = GaussianProcess(x, y, self._noise, self._length(x, y))
            process.watch(self._pool(x, y))
            self._process = made_of, process, []
        _, process, known = self._process
        for trial_id in ongoing[len(known) :]:
            process.expect(self._vector(self.trials[trial_id]))
            known.append(trial_id)
        return process

    def _length(self, x: np.ndarray, y: np.ndarray) -> float:
        """The kernel's length scale, found again each time there are a tenth more scores."""
        count = len(y)
        if count > 50:
            count = int(50 * 1.1 ** int(np.log(count / 50) / np.log(1.1) + 1e-9))
        key = count, x.shape[1], float(y[:count].sum())
        if key not in self._lengths:
            self._lengths = {key: likeliest_length(x[:count], y[:count], self._noise)}
        return self._lengths[key]

    @property
    def _noise(self) -> float:
        return max(self.alpha, 1e-8)

    def _vectorize_trials(self) -> tuple[np.ndarray, np.ndarray]:
        """The completed trials' points, and their scores to minimize."""
        sign = -1 if self.objective.direction == "max" else 1
        completed = [t for t in self.trials.values() if t.status == "COMPLETED"]
        x = np.array([self._vector(trial) for trial in completed])
        return x, np.array([sign * trial.score for trial in completed], float)

    def _vector(self, trial) -> np.ndarray:
        """A trial's values in the unit cube; what it lacks is at its default."""
        hps = trial.hyperparameters
        found = []
        for hp in self._nonfixed_space():
            has = hp.name in hps.values and hps.is_active(hp)
            found.append(hp.value_to_prob(hps.values[hp.name] if has else hp.default))
        return np.array(found, float)

    def _pool(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Points of the unit cube: all over it, and near the best trials."""
        random = np.random.default_rng([self.seed, len(y)])
        best = x[np.argsort(y, kind="stable")[:8]]
        near = best[random.integers(len(best), size=_NEAR)]
        near = near + 0.1 * random.standard_normal(near.shape)
        return np.concatenate([random.random((_ANYWHERE, x.shape[1])), np.clip(near, 0.0, 1.0)])

    def _candidates(self, process: GaussianProcess) -> np.ndarray:
        """Points of the unit cube, the most promising first: the pool, and around its best."""
        random = np.random.default_rng([self.seed, len(self.trials), 1])
        points, bound = process.watching, self._bound(*process.watched())
        for step in _STEPS:
            top = points[np.argmin(bound)]
            moved = np.clip(top + step * random.standard_normal((32, len(top))), 0.0, 1.0)
            points = np.concatenate([points, moved])
            bound = np.concatenate([bound, self._bound(*process.predict(moved))])
        return points[np.argsort(bound, kind="stable")]

    def _bound(self, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
        return mean - self.beta * deviation
