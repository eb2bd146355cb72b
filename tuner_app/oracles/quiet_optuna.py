"""Optuna without what it prints: each new study, each class that it calls experimental."""

import contextlib
import warnings
from collections.abc import Iterator

import optuna


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Inside it Optuna tells of nothing less than a warning, and of no experiments."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with without_experiments():
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


@contextlib.contextmanager
def without_experiments() -> Iterator[None]:
    """Inside it Optuna does not warn of what it calls experimental. To change its verbosity takes
    half a millisecond, too much for each trial, for which it has nothing to tell anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
