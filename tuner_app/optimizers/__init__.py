"""Optimizers: update rules written once, each a Keras optimizer for any Keras model.

What is imported here from this package's files is public, and a rule that is imported has a name on
the command line: that of its file.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tuner_app.errors import unknown
from tuner_app.optimizers import keras_own
from tuner_app.optimizers.adabelief import AdaBelief
from tuner_app.optimizers.adabound import AdaBound
from tuner_app.optimizers.adadelta import Adadelta
from tuner_app.optimizers.adagrad import Adagrad
from tuner_app.optimizers.adam import Adam
from tuner_app.optimizers.adamw import AdamW
from tuner_app.optimizers.adan import Adan
from tuner_app.optimizers.ademamix import AdEMAMix
from tuner_app.optimizers.adopt import ADOPT
from tuner_app.optimizers.amsgrad import AMSGrad
from tuner_app.optimizers.asam import ASAM
from tuner_app.optimizers.cautious import Cautious
from tuner_app.optimizers.d_adaptation import DAdaptAdam
from tuner_app.optimizers.evaluation_point import EvaluateAtPoint, evaluation_point
from tuner_app.optimizers.full_matrix_adagrad import FullMatrixAdagrad
from tuner_app.optimizers.lamb import Lamb
from tuner_app.optimizers.lars import LARS
from tuner_app.optimizers.lion import Lion
from tuner_app.optimizers.lookahead import Lookahead
from tuner_app.optimizers.mars import MARS
from tuner_app.optimizers.momentum import Momentum
from tuner_app.optimizers.muon import Muon
from tuner_app.optimizers.nadam import Nadam
from tuner_app.optimizers.nadamw import NAdamW
from tuner_app.optimizers.nesterov import Nesterov
from tuner_app.optimizers.prodigy import Prodigy
from tuner_app.optimizers.radam import RAdam
from tuner_app.optimizers.rmsprop import RMSprop
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.sam import SAM
from tuner_app.optimizers.sampled_labels import SampledLabels
from tuner_app.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from tuner_app.optimizers.schedule_free_sgd import ScheduleFreeSGD
from tuner_app.optimizers.sgd import SGD
from tuner_app.optimizers.shampoo import Shampoo
from tuner_app.optimizers.signsgd import SignSGD
from tuner_app.optimizers.signum import Signum
from tuner_app.optimizers.soap import SOAP
from tuner_app.optimizers.sophia import Sophia
from tuner_app.optimizers.swa import SWA
from tuner_app.optimizers.wrapper import Wrapper
from tuner_app.optimizers.yogi import Yogi


def get(name: str) -> type:
    """The optimizer class of a command-line name; Keras's own are named keras:NAME.

    Raises:
        UserError: no optimizer has that name.

    >>> get("adamw").__module__, get("keras:adamw").__name__
    ('tuner_app.optimizers.adamw', 'AdamW')
    """
    if name in keras_own.OWN:
        return keras_own.keras_class(name)
    if name not in _BY_NAME:
        raise unknown("optimizer", name, [*_BY_NAME, *keras_own.OWN])
    return _BY_NAME[name]


@dataclass(frozen=True)
class Offer:
    """What a search space needs of an optimizer.

    Attributes:
        make: The class.
        defaults: Its numbers, by name.
        ranges: Where to search: a `Range` or a tuple of choices, by name.
        of_steps: The numbers that are to be a share of a trial's steps, with that share.
    """

    make: type
    defaults: Mapping[str, float]
    ranges: Mapping[str, Range | tuple]
    of_steps: Mapping[str, float]


def offer(name: str) -> Offer:
    """What a search space needs of the optimizer of a command-line name.

    Raises:
        UserError: no optimizer has that name.

    >>> offer("sgd").ranges
    {'learning_rate': Range(low=0.001, high=1.0, scale='log')}
    """
    if name in keras_own.OWN:
        make, defaults = keras_own.keras_class(name), keras_own.keras_defaults(name)
        return Offer(make, defaults, keras_own.RANGES[name], {})
    rule = get(name).rule
    return Offer(get(name), rule.defaults, rule.ranges, rule.of_steps)


__all__ = sorted(
    name
    for name, item in globals().items()
    if getattr(item, "__module__", "").startswith(__name__) and not name.startswith("_")
)
_BY_NAME = {
    cls.__module__.rpartition(".")[2]: cls
    for cls in map(globals().get, __all__)
    if isinstance(cls, type) and issubclass(cls, RuleOptimizer) and cls is not RuleOptimizer
}
