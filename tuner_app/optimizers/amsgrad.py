"""AMSGrad: Adam whose divisor never shrinks.

For where Adam does not settle, because it forgets rare, large gradients; seldom better in practice.
Keeps 3 numbers a parameter; about 15 operations a parameter and step. Tune as Adam: the learning
rate, then beta_2.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class AMSGradRule(Rule):
    """AMSGrad. Slots m and v as in Adam, and w: the largest v so far."""

    defaults = AdamRule.defaults
    ranges = AdamRule.ranges
    fractions = AdamRule.fractions

    def init_slots(self, param):
        return {name: ops.zeros_like(param) for name in ("m", "v", "w")}

    def update(self, param, grad, slots, hyperparameters, step):
        alpha, epsilon = hyperparameters["learning_rate"], hyperparameters["epsilon"]
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        # m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g², in Adam's faster form
        m = slots["m"] + (1 - beta_1) * (grad - slots["m"])
        v = slots["v"] + (1 - beta_2) * (grad * grad - slots["v"])
        # w ← max(w, v)
        w = ops.maximum(slots["w"], v)
        # x ← x − α m̂ / (√ŵ + ε), with m̂ = m / (1 − β₁ᵗ), ŵ = w / (1 − β₂ᵗ); as in Adam, the
        # corrections are moved off the tensors
        root_correction = ops.sqrt(1 - beta_2**step)
        scale = alpha * root_correction / (1 - beta_1**step)
        new = param - scale * m / (ops.sqrt(w) + epsilon * root_correction)
        return new, {"m": m, "v": v, "w": w}


@keras.saving.register_keras_serializable(package="tuner_app")
class AMSGrad(RuleOptimizer):
    """AMSGrad: Adam with w ← max(w, v) in the divisor, x ← x − α m̂/(√ŵ + ε).

    The paper corrects neither mean for its start at zero; here both are, as in PyTorch and in
    Keras's `Adam(amsgrad=True)`. Optax's default corrects v before taking the largest.

    Args:
        learning_rate: α.
        beta_1: β₁, the share of m kept at each step.
        beta_2: β₂, the share of v kept at each step.
        epsilon: ε.

    >>> w = keras.Variable([4.0])
    >>> optimizer = AMSGrad(learning_rate=0.3)
    >>> for _ in range(100):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.1)
    True

    Reference: S. J. Reddi, S. Kale, S. Kumar, "On the Convergence of Adam and Beyond", 2018.
    """

    rule = AMSGradRule()
