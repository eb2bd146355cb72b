"""Covariance matrix adaptation: an evolution strategy for many trials of numbers only."""

import optuna

NAME = "cmaes"
PACKAGE, EXTRA = "cmaes", "cmaes"
OBJECTIVES = 1
REPLAYED = True  # its state is no JSON: on a resume the search is told to it again


def sampler(seed: int, **options) -> optuna.samplers.CmaEsSampler:
    """Optuna's CMA-ES (Hansen and Ostermeier, 2001).

    It knows numbers that every trial has: choices without an order, and what is active only under a
    condition, are drawn at random.
    """
    return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False, **options)
