"""Adan: Nesterov's look-ahead by the difference of two gradients, scaled as in Adam.

For large models and long schedules, vision transformers above all, where it takes fewer epochs
than AdamW. Keeps 4 numbers a parameter; about 30 operations a parameter and step. Tune the
learning rate, which may be 5 to 10 times AdamW's, then the decay; beta_2 least.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class AdanRule(Rule):
    """Adan. Slots m, v, n: means of gradient, its change, and a square; and the last gradient."""

    own_decay = True

    defaults = {
        "learning_rate": 0.001,
        "beta_1": 0.98,
        "beta_2": 0.92,
        "beta_3": 0.99,
        "epsilon": 1e-8,
        "weight_decay": 0.02,
    }
    ranges = {
        "learning_rate": Range(1e-4, 1e-1),
        "beta_1": Range(0.9, 0.99, "linear"),
        "beta_2": Range(0.8, 0.98, "linear"),
        "beta_3": (0.9, 0.95, 0.99, 0.999),
        "weight_decay": Range(1e-5, 1e-1),
    }
    fractions = frozenset({"beta_1", "beta_2", "beta_3"})

    def init_slots(self, param):
        return {name: ops.zeros_like(param) for name in ("m", "v", "n", "last")}

    def update(self, param, grad, slots, hyperparameters, step):
        alpha, epsilon = hyperparameters["learning_rate"], hyperparameters["epsilon"]
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        beta_3 = hyperparameters["beta_3"]
        # d = g − gₜ₋₁, and 0 in the first step
        d = ops.cast(step > 1.5, grad.dtype) * (grad - slots["last"])
        # m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) d;  n ← β₃ n + (1 − β₃) (g + β₂ d)²
        ahead = grad + beta_2 * d
        m = slots["m"] + (1 - beta_1) * (grad - slots["m"])
        v = slots["v"] + (1 - beta_2) * (d - slots["v"])
        n = slots["n"] + (1 - beta_3) * (ahead * ahead - slots["n"])
        # x ← (x − α (m̂ + β₂ v̂) / (√n̂ + ε)) / (1 + α λ); as in Adam, corrections and divisions by
        # scalars are moved off the tensors
        correction = ops.sqrt(1 - beta_3**step)
        m_scale = alpha * correction / (1 - beta_1**step)
        v_scale = alpha * correction * beta_2 / (1 - beta_2**step)
        direction = (m_scale * m + v_scale * v) / (ops.sqrt(n) + epsilon * correction)
        new = 1 / (1 + alpha * hyperparameters["weight_decay"]) * (param - direction)
        return new, {"m": m, "v": v, "n": n, "last": grad}


@keras.saving.register_keras_serializable(package="tuner_app")
class Adan(RuleOptimizer):
    """Adan: x ← (x − α (m̂ + β₂ v̂)/(√n̂ + ε))/(1 + αλ), v of g − gₜ₋₁ and n of (g + β₂(g − gₜ₋₁))².

    Our β are the shares kept, as in Adam, Optax and the authors' code; the paper's are one minus
    them. The decay is the paper's, by division. Without decay it is Optax's.

    Args:
        learning_rate: α.
        beta_1, beta_2, beta_3: the shares of m, v and n kept at each step.
        epsilon: ε.
        weight_decay: λ.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Adan(learning_rate=0.5)
    >>> for _ in range(30):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.5)
    True

    Reference: X. Xie, P. Zhou, H. Li, Z. Lin, S. Yan, "Adan: Adaptive Nesterov Momentum Algorithm
    for Faster Optimizing Deep Models", 2022.
    """

    rule = AdanRule()
