"""LAMB: Adam's direction, with a step as long as a share of each tensor's own norm.

For very large batches (thousands of examples), BERT's pre-training above all, where Adam's step is
too long for some layers. Keeps 2 numbers a parameter; about 18 operations a parameter and step, and
two norms. Tune the learning rate, with a warm-up, then the decay (`weight_decay`).
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class LambRule(Rule):
    """LAMB. Slots m and v as in Adam."""

    defaults = AdamRule.defaults | {"epsilon": 1e-6}
    ranges = AdamRule.ranges
    fractions = AdamRule.fractions

    def init_slots(self, param):
        return {"m": ops.zeros_like(param), "v": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        alpha, epsilon = hyperparameters["learning_rate"], hyperparameters["epsilon"]
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        # m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g², in Adam's faster form
        m = slots["m"] + (1 - beta_1) * (grad - slots["m"])
        v = slots["v"] + (1 - beta_2) * (grad * grad - slots["v"])
        # r = m̂ / (√v̂ + ε), with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
        m_hat, v_hat = m / (1 - beta_1**step), v / (1 - beta_2**step)
        r = m_hat / (ops.sqrt(v_hat) + epsilon)
        # x ← x − α ‖x‖ / ‖r‖ · r, and x − α r where either norm is 0
        x_norm, r_norm = ops.sqrt(ops.sum(param * param)), ops.sqrt(ops.sum(r * r))
        usable = ops.logical_and(x_norm > 0, r_norm > 0)
        one = ops.ones_like(r_norm)
        trust = ops.where(usable, x_norm / ops.where(usable, r_norm, one), one)
        return param - alpha * trust * r, {"m": m, "v": v}


@keras.saving.register_keras_serializable(package="tuner_app")
class Lamb(RuleOptimizer):
    """LAMB: r = m̂/(√v̂ + ε), x ← x − α ‖x‖/‖r‖ r, the norms over each variable.

    `weight_decay` is Keras's decoupled decay, outside the norms; in the paper λx is part of r. In
    Keras's Lamb it is as here, and without decay Keras, Optax and this one are equal.

    Args:
        learning_rate: α.
        beta_1: β₁, the share of m kept at each step.
        beta_2: β₂, the share of v kept at each step.
        epsilon: ε.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Lamb(learning_rate=0.1)
    >>> for _ in range(100):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.5)
    True

    Reference: Y. You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76
    minutes", 2020.
    """

    rule = LambRule()
