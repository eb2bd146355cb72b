"""RAdam: Adam that trusts its divisor only as far as it has been measured.

For what Adam is for, without a warm-up: while the divisor is known from few gradients, its steps
are short, or plain momentum's. Keeps 2 numbers a parameter; about 16 operations a parameter and
step. Tune as Adam: the learning rate, then beta_2, which also says how long the warm-up lasts (some
2/(1 − beta_2) steps).
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class RAdamRule(Rule):
    """RAdam. Slots m and v as in Adam."""

    defaults = AdamRule.defaults
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
        # ρ∞ = 2 / (1 − β₂) − 1, ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ): over how many gradients v averages
        power = beta_2**step
        longest = 2 / (1 - beta_2) - 1
        rho = longest - 2 * step * power / (1 - power)
        # r = √[(ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ)]
        ratio = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
        r = ops.sqrt(ops.maximum(ratio, 0.0))
        # x ← x − α r m̂ / (√v̂ + ε) where ρ ≥ 5, else x ← x − α m̂; as in Adam, the corrections are
        # moved off the tensors
        root_correction = ops.sqrt(1 - power)
        known = rho >= 5
        one = ops.ones_like(r)
        scale = ops.where(known, r * root_correction, one) / (1 - beta_1**step)
        # √v + ε √(1 − β₂ᵗ) or 1, chosen by scalars: a choice for each weight is a tenth of the step
        share, rest = ops.cast(known, r.dtype), ops.where(known, epsilon * root_correction, one)
        return param - alpha * scale * m / (share * ops.sqrt(v) + rest), {"m": m, "v": v}


@keras.saving.register_keras_serializable(package="tuner_app")
class RAdam(RuleOptimizer):
    """RAdam: Adam's step times a factor r that grows from 0 to 1; plain momentum at the very first.

    In the first steps v is an average of few gradients and may be far too small. While it averages
    over fewer than ρ = 5 (as in the authors' code and Optax; the paper says 4) the step is α m̂.
    It acts like a warm-up of 2/(1−β₂) steps.

    Args:
        learning_rate: α.
        beta_1: β₁, the share of m kept at each step.
        beta_2: β₂, the share of v kept at each step.
        epsilon: ε.

    >>> w = keras.Variable([4.0])
    >>> optimizer = RAdam(learning_rate=0.3, beta_2=0.9)
    >>> for _ in range(100):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.1)
    True

    Reference: L. Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020.
    """

    rule = RAdamRule()
