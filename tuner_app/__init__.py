"""Hyperparameter tuning for Keras: searches, optimizers and losses.

The public names are loaded when they are first used, because TensorFlow takes seconds to import and
the command line must answer at once.

>>> import tuner_app
>>> tuner_app.SearchConfig(dataset="digits").directory.as_posix()
'tuning/digits-mlp'
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "SearchConfig": "tuner_app.config",
    "UserError": "tuner_app.errors",
    "run_search": "tuner_app.experiment",
    "BayesianOptimization": "tuner_app.tuners.drop_in",
    "GridSearch": "tuner_app.tuners.drop_in",
    "Hyperband": "tuner_app.tuners.drop_in",
    "PopulationBasedTraining": "tuner_app.tuners.drop_in",
    "RandomSearch": "tuner_app.tuners.drop_in",
}
_MODULES = ("data", "losses", "optimizers", "oracles", "results", "schedules", "tuners")

__all__ = [*_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"tuner_app.{name}")
    raise AttributeError(f"module 'tuner_app' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
