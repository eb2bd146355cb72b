"""NSGA-II: an evolution strategy for several objectives at once."""

import optuna

NAME = "nsga2"


def sampler(seed: int, **options) -> optuna.samplers.NSGAIISampler:
    """Optuna's NSGA-II (Deb et al., 2002), with 50 trials a generation."""
    return optuna.samplers.NSGAIISampler(seed=seed, **options)
