"""Conformance suites for what others write: run them on your own oracle or update rule.

from tuner_app.testing import OracleConformance

class TestMyOracle(OracleConformance):
    def make(self, objective, max_trials, seed):
        return MyOracle(objective=objective, max_trials=max_trials, seed=seed)

from tuner_app.testing import RuleConformance, check_rule

class TestMyRule(RuleConformance):
    optimizer = MyRule              # any keras.optimizers.Optimizer
    reference = my_numpy_update     # where there is one

check_rule(MyRule)                  # the same, without pytest
"""

_HOME = {
    "OracleConformance": "tuner_app.testing.oracles",
    "RuleConformance": "tuner_app.testing.rules",
    "check_rule": "tuner_app.testing.check",
}

__all__ = ["OracleConformance", "RuleConformance", "check_rule"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
