"""Checks to make before a search: the data, and a model of the space on them.

Each gives a `Finding`: pass, warn or fail, what was found, and what to do about it. They are the
habits that practitioners teach (Karpathy, "A recipe for training neural networks", 2019), made one
command.
"""

from tuner_app.answers.checking.data_checks import data_findings
from tuner_app.answers.checking.finding import Finding
from tuner_app.answers.checking.model_checks import model_findings

__all__ = ["Finding", "data_findings", "model_findings"]
