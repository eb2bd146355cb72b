"""Lookahead: slow weights that go part of the way to where any rule went in a few steps.

For a steadier run of any rule, and less care in its learning rate. Keeps 1 number a parameter
beside the inner rule's; about 4 operations a parameter and step more. Tune the inner rule, then
slow_step and period. Evaluate and save at the slow weights: see EvaluateAtPoint.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.wrapper import Wrapper


@dataclasses.dataclass(frozen=True)
class LookaheadRule(Wrapper):
    """Lookahead. The parameter is the fast weight; slot slow: the slow one."""

    own_defaults = {"slow_step": 0.5, "period": 5}
    own_ranges = {"slow_step": Range(0.2, 0.9, "linear"), "period": (5, 10)}
    averages = True

    def check_inner(self, inner):
        if inner.averages:
            raise self._refused("it is evaluated at a mean of its own, which x ← φ would not move.")

    def init_slots(self, param):
        return self.inner_rule.init_slots(param) | {"slow": param}

    def update(self, param, grad, slots, hyperparameters, step):
        inner = {name: value for name, value in slots.items() if name != "slow"}
        fast, inner = self.inner_rule.update(param, grad, inner, hyperparameters, step)
        # Every k steps φ ← φ + a (x − φ), and x ← φ. The variable may lie beside x, as Nesterov's
        # and SAM's do: it stays as far beside φ.
        x = self.inner_point(fast, inner, hyperparameters)
        slow = slots["slow"]
        # By shares of 1 and 0: to choose for each weight would take longer.
        due = ops.cast(ops.mod(step, hyperparameters["period"]) < 0.5, param.dtype)
        slow = slow + due * hyperparameters["slow_step"] * (x - slow)
        start = slow if x is fast else slow + (fast - x)
        return (1 - due) * fast + due * start, inner | {"slow": slow}

    def eval_param(self, param, slots, hyperparameters):
        return slots["slow"]


@keras.saving.register_keras_serializable(package="tuner_app")
class Lookahead(RuleOptimizer):
    """Lookahead: every k steps of the inner rule φ ← φ + a (x − φ), x ← φ; evaluated at φ.

    The inner rule's slots go on as they are. Set weights by hand before the first step only: φ
    starts where they are when the optimizer is built.

    Args:
        inner: the name of the inner rule. Its hyperparameters are arguments too.
        slow_step: a.
        period: k.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Lookahead(inner="sgd", learning_rate=0.3)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.2)
    True

    Reference: M. Zhang, J. Lucas, G. Hinton, J. Ba, "Lookahead Optimizer: k steps forward, 1 step
    back", 2019.
    """

    rule = LookaheadRule()
