"""Sophia-G: a momentum step divided by an estimate of the curvature, and clipped.

For language models and other classifiers, where the curvature differs much between weights. Keeps
2 numbers a parameter; about 10 operations a parameter and step, and every tenth step is spent on
the curvature. Tune the learning rate (a little below AdamW's), then rho so that 10 to 50% of the
weights are not clipped. End the model with SampledLabels: see there.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class SophiaRule(Rule):
    """Sophia-G. Slots m: the mean of the gradient, h: that of the curvature's estimates."""

    period: int = 10

    defaults = {
        "learning_rate": 0.001,
        "beta_1": 0.965,
        "beta_2": 0.99,
        "rho": 0.04,
        "epsilon": 1e-15,
        "weight_decay": 0.1,
    }
    ranges = {
        "learning_rate": Range(1e-5, 1e-2),
        "beta_1": Range(0.9, 0.98, "linear"),
        "rho": Range(0.005, 0.5),
        "weight_decay": Range(1e-3, 1.0),
    }
    fractions = frozenset({"beta_1", "beta_2"})
    own_decay = True

    def init_slots(self, param):
        return {"m": ops.zeros_like(param), "h": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        # 1 when measuring, else 0: what a step does not do, it does by a share of 0. To choose for
        # each weight would take a third of the whole training step.
        measuring = ops.cast(ops.mod(step - 1, self.period) < 0.5, param.dtype)
        training = 1 - measuring
        # When measuring: h ← β₂ h + (1 − β₂) B ĝ²; √B is part of the gradient of `SampledLabels`
        h = slots["h"] + measuring * (1 - beta_2) * (grad * grad - slots["h"])
        # Else: m ← β₁ m + (1 − β₁) g;  x ← x − α λ x − α clip(m / max(ρ h, ε), ±1)
        m = slots["m"] + training * (1 - beta_1) * (grad - slots["m"])
        scaled = m / ops.maximum(hyperparameters["rho"] * h, hyperparameters["epsilon"])
        clipped = ops.minimum(ops.maximum(scaled, -1.0), 1.0)
        rate = training * hyperparameters["learning_rate"]
        new = param - (rate * hyperparameters["weight_decay"] * param + rate * clipped)
        return new, {"m": m, "h": h}


@keras.saving.register_keras_serializable(package="tuner_app")
class Sophia(RuleOptimizer):
    """Sophia-G: x ← x − α clip(m/max(ρ h, ε), ±1), h the mean of B ĝ², ĝ of sampled labels.

    The first of every `period` steps is spent on the curvature: no weight moves, and the gradient
    is taken to be of the loss with labels drawn from the model's own predictions. The layer
    `SampledLabels`, the model's last, makes it so, and `fit` needs nothing else. Without that layer
    h is the empirical Fisher of the batch's mean gradient, which is not the paper's estimate. Clip
    gradients by none of Keras's ways: they would clip ĝ too.

    Args:
        learning_rate: α.
        beta_1, beta_2: the shares of m and h kept at each update of theirs.
        rho: ρ, the paper's γ: the larger, the shorter and the fewer clipped the steps.
        epsilon: ε.
        weight_decay: λ, decoupled.
        period: k, the steps from one estimate of the curvature to the next.

    >>> w = keras.Variable([4.0])
    >>> optimizer = Sophia(learning_rate=0.25, period=4)
    >>> for _ in range(40):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 1.0)
    True

    Reference: H. Liu, Z. Li, D. Hall, P. Liang, T. Ma, "Sophia: A Scalable Stochastic Second-order
    Optimizer for Language Model Pre-training", 2023.
    """

    rule = SophiaRule()
