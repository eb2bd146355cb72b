"""Who runs the trials.

    PopulationTuner(oracle, hypermodel, directory=..., project_name=..., observers=[...], ...)
    SequentialTuner(oracle, hypermodel, ...)

train them together in one compiled program, or one by one. Each is a `keras_tuner.Tuner` that keeps
its state in the store; see `StoredTuner` for its arguments, and for what it takes to write another
tuner. `SearchFailed` is raised when a search has no result.

Keras is imported when a tuner is first asked for: an observer alone does not need it.
"""

from typing import TYPE_CHECKING

from tuner_app.tuners.observer import Observer

if TYPE_CHECKING:
    from tuner_app.oracles.failure import SearchFailed
    from tuner_app.tuners.base import StoredTuner
    from tuner_app.tuners.population import PopulationTuner
    from tuner_app.tuners.sequential import SequentialTuner

__all__ = ["Observer", "PopulationTuner", "SearchFailed", "SequentialTuner", "StoredTuner"]


def __getattr__(name: str):
    if name == "SearchFailed":
        from tuner_app.oracles.failure import SearchFailed as found
    elif name == "StoredTuner":
        from tuner_app.tuners.base import StoredTuner as found
    elif name == "PopulationTuner":
        from tuner_app.tuners.population import PopulationTuner as found
    elif name == "SequentialTuner":
        from tuner_app.tuners.sequential import SequentialTuner as found
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found
