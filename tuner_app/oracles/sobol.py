"""Sobol sequence: quasi-random points, which fill the space more evenly than random ones."""

import optuna

from tuner_app.oracles.dimensions import SearchSpace

NAME = "sobol"
BLIND = True  # to the trials before, but for their number


class SobolSampler(optuna.samplers.QMCSampler):
    """Optuna's scrambled Sobol sequence (Sobol, 1967; Owen, 1998) over all of a space.

    Trial n has point n - 1 of the sequence, whatever became of the others, with a coordinate for
    each hyperparameter, those that are inactive included: Optuna takes the first trial's alone for
    the space. As in Optuna the first trial is random.

    Args:
        seed: Of the scrambling.
        first_random: False: trial n has point n.

    Attributes:
        space: To be set before each trial.
    """

    def __init__(self, seed: int, first_random: bool = True):
        super().__init__(scramble=True, seed=seed, warn_independent_sampling=False)
        self.space: SearchSpace | None = None
        self._skipped = int(first_random)
        self._point = 0

    def infer_relative_search_space(self, study, trial):
        """Every dimension that there is to choose in."""
        self._point = trial.number - self._skipped
        return {} if self._point < 0 else self.space.distributions

    def _find_sample_id(self, study, search_space):
        return self._point


def sampler(seed: int, **options) -> SobolSampler:
    """The sampler of a search."""
    return SobolSampler(seed, **options)
