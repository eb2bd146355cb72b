"""Brute force: every combination of a finite space once, in a random order."""

import optuna

NAME = "brute"
FINITE = True


def sampler(seed: int, **options) -> optuna.samplers.BruteForceSampler:
    """Optuna's exhaustive search of a space, conditions included."""
    return optuna.samplers.BruteForceSampler(seed=seed, **options)
