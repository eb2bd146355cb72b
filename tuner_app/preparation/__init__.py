"""A search made ready to run, from its configuration: data, objective, oracle and tuner."""

from tuner_app.preparation.oracle_options import oracle_plan
from tuner_app.preparation.prepared import FINGERPRINT, Prepared, prepare

__all__ = ["FINGERPRINT", "Prepared", "oracle_plan", "prepare"]
