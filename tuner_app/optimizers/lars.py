"""LARS: momentum whose step is a share of each tensor's own norm.

For convolutional nets in very large batches (thousands of examples), where one learning rate is
too long for some layers and too short for others. Keeps 1 number a parameter; about 10 operations
a parameter and step, and two norms. Tune the learning rate (around 1 and above, with warm-up),
then the decay.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class LARSRule(Rule):
    """LARS. Slot v: the velocity."""

    own_decay = True

    defaults = {"learning_rate": 1.0, "rho": 0.9, "trust": 0.001, "weight_decay": 0.0}
    ranges = {
        "learning_rate": Range(1e-1, 10.0),
        "rho": Range(0.8, 0.99, "linear"),
    }
    fractions = frozenset({"rho"})

    def init_slots(self, param):
        return {"v": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        decay = hyperparameters["weight_decay"]
        x_norm, g_norm = ops.sqrt(ops.sum(param * param)), ops.sqrt(ops.sum(grad * grad))
        # r = η ‖x‖ / (‖g‖ + λ ‖x‖), and 1 where x or the divisor is 0
        divisor = g_norm + decay * x_norm
        usable = ops.logical_and(x_norm > 0, divisor > 0)
        one = ops.ones_like(divisor)
        r = ops.where(
            usable, hyperparameters["trust"] * x_norm / ops.where(usable, divisor, one), one
        )
        # v ← ρ v + α r (g + λ x);  x ← x − v
        step_size = hyperparameters["learning_rate"] * r
        v = hyperparameters["rho"] * slots["v"] + step_size * (grad + decay * param)
        return param - v, {"v": v}


@keras.saving.register_keras_serializable(package="tuner_app")
class LARS(RuleOptimizer):
    """LARS: v ← ρ v + α r (g + λx), x ← x − v, with r = η ‖x‖/(‖g‖ + λ‖x‖) for each variable.

    λ is part of the step, as in the paper, and 0 for variables that are excluded from decay. Where
    x or g is zero throughout r is 1. Without decay it is Optax's.

    Args:
        learning_rate: α.
        rho: ρ, the share of the velocity kept at each step.
        trust: η, the length of a step as a share of the variable's norm.
        weight_decay: λ.

    >>> w = keras.Variable([4.0])
    >>> optimizer = LARS(trust=0.1, rho=0.5)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.5)
    True

    Reference: Y. You, I. Gitman, B. Ginsburg, "Large Batch Training of Convolutional Networks",
    2017.
    """

    rule = LARSRule()
