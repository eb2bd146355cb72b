"""Prodigy: AdamW that finds its own learning rate from how far the weights have moved.

For when no time can go into tuning a learning rate: leave it at 1 and give it a schedule that
falls to 0. Keeps 4 numbers a parameter; about 24 operations a parameter and step, and two sums
over all of them. Tune growth_weight (0.5 to 2) if steps come out too short or long, then the
decay.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class ProdigyRule(Rule):
    """Prodigy. Slots m and v as in Adam, s: the weighted sum of gradients, start: the first x."""

    own_decay = True

    defaults = AdamRule.defaults | {
        "learning_rate": 1.0,
        "initial_d": 1e-6,
        "growth_weight": 1.0,
        "weight_decay": 0.0,
    }
    ranges = {
        "learning_rate": Range(0.3, 3.0),
        "beta_1": Range(0.8, 0.98, "linear"),
        "beta_2": (0.99, 0.999),
        "growth_weight": Range(0.3, 3.0),
    }
    fractions = AdamRule.fractions

    def init_slots(self, param):
        return {name: ops.zeros_like(param) for name in ("m", "v", "s")} | {"start": param}

    def init_shared(self):
        # d and the numerator r, both in units of d₀.
        return {"growth": 1.0, "numerator": 0.0}

    def shared(self, params, grads, slots, values, hyperparameters, step):
        # β₃ = √β₂
        beta_3 = ops.sqrt(hyperparameters["beta_2"])
        growth, rate = values["growth"], _rate(hyperparameters, step)
        # r ← β₃ r + γ d² ⟨g, x₀ − x⟩ / d₀, and s ← β₃ s + γ d² g / d₀ as in `update`
        pairs = zip(params, grads, slots, strict=True)
        ahead = sum(ops.sum(g * (slot["start"] - x)) for x, g, slot in pairs)
        weight = rate * growth * growth
        numerator = beta_3 * values["numerator"] + weight * ahead
        weight = weight * hyperparameters["initial_d"]
        pairs = zip(grads, slots, strict=True)
        length = sum(ops.sum(ops.abs(beta_3 * slot["s"] + weight * g)) for g, slot in pairs)
        # d ← max(d, r / ‖s‖₁)
        moved = length > 0
        estimate = numerator / ops.where(moved, length, ops.ones_like(length))
        estimate = hyperparameters["growth_weight"] * estimate
        new = ops.where(moved, ops.maximum(growth, estimate), growth)
        d = hyperparameters["initial_d"] * growth
        return {"d": d}, {"growth": new, "numerator": numerator}

    def update(self, param, grad, slots, hyperparameters, step):
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        d, rate = hyperparameters["d"], _rate(hyperparameters, step)
        # m ← β₁ m + (1 − β₁) d g;  v ← β₂ v + (1 − β₂) d² g²
        scaled = d * grad
        m = slots["m"] + (1 - beta_1) * (scaled - slots["m"])
        v = slots["v"] + (1 - beta_2) * (scaled * scaled - slots["v"])
        # s ← β₃ s + γ d² g / d₀
        weight = rate * d * d / hyperparameters["initial_d"]
        s = ops.sqrt(beta_2) * slots["s"] + weight * grad
        # x ← x − γ d λ x − γ d m / (√v + d ε)
        root = ops.sqrt(v) + d * hyperparameters["epsilon"]
        # Where there never was a gradient m and root are 0.
        direction = m / ops.where(root > 0, root, ops.ones_like(root))
        new = param - rate * d * (hyperparameters["weight_decay"] * param + direction)
        return new, {"m": m, "v": v, "s": s, "start": slots["start"]}


def _rate(hyperparameters, step):
    """γ: the learning rate with Adam's bias corrections."""
    corrections = ops.sqrt(1 - hyperparameters["beta_2"] ** step)
    corrections = corrections / (1 - hyperparameters["beta_1"] ** step)
    return hyperparameters["learning_rate"] * corrections


@keras.saving.register_keras_serializable(package="tuner_app")
class Prodigy(RuleOptimizer):
    """Prodigy: Adam on d g with x ← x − γ d (λx + m/(√v + dε)), d ← max(d, r/‖s‖₁).

    r ← √β₂ r + γ d²/d₀ ⟨g, x₀ − x⟩ and s ← √β₂ s + γ d²/d₀ g sum over all variables: d grows until
    it is about the distance from the start x₀ to a solution. γ is the learning rate with Adam's
    bias corrections, as in Optax's `prodigy` (in the authors' code they are an option).

    Args:
        learning_rate: a factor of the step; keep 1, or a schedule from 1 to 0.
        beta_1, beta_2, epsilon: as in `Adam`.
        initial_d: d₀, far smaller than any sensible learning rate.
        growth_weight: multiplies the estimate r/‖s‖₁.
        weight_decay: λ.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Prodigy(initial_d=1e-3)
    >>> for _ in range(60):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.0)
    True

    Reference: K. Mishchenko, A. Defazio, "Prodigy: An Expeditiously Adaptive Parameter-Free
    Learner", 2023.
    """

    rule = ProdigyRule()
