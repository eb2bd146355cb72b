"""Brute force: every combination of a finite space once, in a random order."""

import optuna

from tuner_app.errors import UserError
from tuner_app.oracles.dimensions import SearchSpace

NAME = "brute"


def sampler(seed: int, **options) -> optuna.samplers.BruteForceSampler:
    """Optuna's exhaustive search of a space, conditions included."""
    return optuna.samplers.BruteForceSampler(seed=seed, **options)


def check(space: SearchSpace) -> None:
    """Raises `UserError` for a space that has no end."""
    if not space.is_finite:
        raise UserError(
            f"The oracle {NAME} tries every combination, and this space has a Float without a "
            "step. Give it one, or take another oracle."
        )
