"""AdEMAMix: Adam with a second, very slow mean of the gradient added to the first.

For long runs (tens of thousands of steps and more), where gradients of long ago still help. Keeps
3 numbers a parameter; about 20 operations a parameter and step. Tune the learning rate and the
decay as AdamW's, then alpha; let alpha and beta_3 rise over the run by a schedule, and take a
smaller beta_3 for short runs.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class AdEMAMixRule(Rule):
    """AdEMAMix. Slots m, slow and v: the gradient's fast and slow means, and its square's."""

    defaults = AdamRule.defaults | {"beta_3": 0.9999, "alpha": 5.0, "weight_decay": 0.004}
    ranges = AdamRule.ranges | {
        "beta_3": (0.99, 0.999, 0.9999),
        "alpha": Range(1.0, 10.0),
        "weight_decay": Range(1e-5, 1e-1),
    }
    fractions = AdamRule.fractions | {"beta_3"}

    def init_slots(self, param):
        return {name: ops.zeros_like(param) for name in ("m", "slow", "v")}

    def update(self, param, grad, slots, hyperparameters, step):
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        # m₁ ← β₁ m₁ + (1 − β₁) g;  m₂ ← β₃ m₂ + (1 − β₃) g;  v ← β₂ v + (1 − β₂) g²
        m = slots["m"] + (1 - beta_1) * (grad - slots["m"])
        slow = slots["slow"] + (1 - hyperparameters["beta_3"]) * (grad - slots["slow"])
        v = slots["v"] + (1 - beta_2) * (grad * grad - slots["v"])
        # x ← x − η (m̂₁ + α m₂) / (√v̂ + ε); m₂ is not corrected, so that it comes in slowly. As in
        # Adam, the corrections are moved off the tensors
        correction = ops.sqrt(1 - beta_2**step)
        rate = hyperparameters["learning_rate"] * correction
        direction = rate / (1 - beta_1**step) * m + rate * hyperparameters["alpha"] * slow
        root = ops.sqrt(v) + hyperparameters["epsilon"] * correction
        return param - direction / root, {"m": m, "slow": slow, "v": v}


@keras.saving.register_keras_serializable(package="tuner_app")
class AdEMAMix(RuleOptimizer):
    """AdEMAMix: x ← x − η (m̂₁ + α m₂)/(√v̂ + ε), where m₂ is the gradient's mean by β₃.

    The paper lets α rise linearly and β₃ by equal factors of its half-life: give schedules for
    `alpha` and `beta_3`. Constants, as here by default, are Optax's.

    Args:
        learning_rate: η.
        beta_1, beta_2, epsilon: as in `Adam`.
        beta_3: β₃, the share of the slow mean kept at each step.
        alpha: α, the weight of the slow mean.
        weight_decay: λ, decoupled.

    >>> w = keras.Variable([4.0])
    >>> optimizer = AdEMAMix(learning_rate=0.2)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.5)
    True

    Reference: M. Pagliardini, P. Ablin, D. Grangier, "The AdEMAMix Optimizer: Better, Faster,
    Older", 2024.
    """

    rule = AdEMAMixRule()
