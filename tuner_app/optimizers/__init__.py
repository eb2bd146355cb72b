"""Optimizers: update rules written once, each a Keras optimizer for any Keras model."""

from tuner_app.errors import unknown
from tuner_app.optimizers.adabelief import AdaBelief
from tuner_app.optimizers.adadelta import Adadelta
from tuner_app.optimizers.adagrad import Adagrad
from tuner_app.optimizers.adam import Adam
from tuner_app.optimizers.adamw import AdamW
from tuner_app.optimizers.amsgrad import AMSGrad
from tuner_app.optimizers.evaluation_point import EvaluateAtPoint, evaluation_point
from tuner_app.optimizers.full_matrix_adagrad import FullMatrixAdagrad
from tuner_app.optimizers.lamb import Lamb
from tuner_app.optimizers.lion import Lion
from tuner_app.optimizers.momentum import Momentum
from tuner_app.optimizers.nadam import Nadam
from tuner_app.optimizers.nesterov import Nesterov
from tuner_app.optimizers.radam import RAdam
from tuner_app.optimizers.rmsprop import RMSprop
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.sgd import SGD

__all__ = [
    "AMSGrad",
    "SGD",
    "AdaBelief",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "EvaluateAtPoint",
    "FullMatrixAdagrad",
    "Lamb",
    "Lion",
    "Momentum",
    "Nadam",
    "Nesterov",
    "RAdam",
    "RMSprop",
    "Range",
    "Rule",
    "RuleOptimizer",
    "evaluation_point",
    "get",
]

_BY_NAME = {
    cls.__module__.rpartition(".")[2]: cls
    for cls in map(globals().get, __all__)
    if isinstance(cls, type) and issubclass(cls, RuleOptimizer) and cls is not RuleOptimizer
}


def get(name: str) -> type[RuleOptimizer]:
    """The optimizer class of a command-line name.

    Raises:
        UserError: no optimizer has that name.

    >>> get("adamw").__name__
    'AdamW'
    """
    if name not in _BY_NAME:
        raise unknown("optimizer", name, _BY_NAME)
    return _BY_NAME[name]
