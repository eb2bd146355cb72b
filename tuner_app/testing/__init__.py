"""Conformance suites for what others write: run them on your own oracle or update rule.

from tuner_app.testing import OracleConformance

class TestMyOracle(OracleConformance):
    def make(self, objective, max_trials, seed):
        return MyOracle(objective=objective, max_trials=max_trials, seed=seed)
"""

_HOME = {"OracleConformance": "tuner_app.testing.oracles"}

__all__ = ["OracleConformance"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
