"""Cautious: any rule, but for the weights that it would move with the gradient.

For AdamW, Lion and other rules with momentum, as a change of one line that usually saves steps.
Keeps 0 numbers a parameter beside the inner rule's; about 6 operations a parameter and step more.
Tune as the inner rule.
"""

import dataclasses
import math

import keras
from keras import ops

from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.wrapper import Wrapper


@dataclasses.dataclass(frozen=True)
class CautiousRule(Wrapper):
    """Cautious. It keeps no slots of its own."""

    def check_inner(self, inner):
        if inner.eval_param is not None:
            raise self._refused(
                "its variable is not the point that it is evaluated at, so a step of it can't be "
                "held back. Put it the other way round, as in SAM(inner='cautious')."
            )

    def update(self, param, grad, slots, hyperparameters, step):
        new, slots = self.inner_rule.update(param, grad, slots, hyperparameters, step)
        # u = x − x⁺;  φ = 1 where u g > 0, else 0
        u = param - new
        phi = ops.cast(u * grad > 0, u.dtype)
        # x ← x − u φ n / (Σφ + 1), for n numbers
        scale = math.prod(param.shape) / (ops.sum(phi) + 1)
        return param - scale * (u * phi), slots


@keras.saving.register_keras_serializable(package="tuner_app")
class Cautious(RuleOptimizer):
    """Cautious: x ← x − u ⊙ φ n/(Σφ + 1), φ = 1 where the inner step u and g agree in sign.

    Where they agree nowhere nothing moves. Decoupled decay is not held back, except in rules that
    decay by themselves.

    Args:
        inner: the name of the inner rule. Its hyperparameters are arguments too.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Cautious(inner="lion", learning_rate=0.4, beta_1=0.5)
    >>> for _ in range(40):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.0)
    True

    Reference: K. Liang, L. Chen, B. Liu, Q. Liu, "Cautious Optimizers: Improving Training with One
    Line of Code", 2024.
    """

    rule = CautiousRule()
