"""AdaBelief: Adam that divides by how far gradients stray from their mean.

For what Adam is for, images and GANs above all: where a gradient is as its running mean foretold,
the step is long. Keeps 2 numbers a parameter; about 15 operations a parameter and step. Tune the
learning rate, then epsilon, which matters more than in Adam (1e-16 to 1e-8), then beta_2.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class AdaBeliefRule(Rule):
    """AdaBelief. Slots m and s: running means of the gradient and of its squared surprise."""

    defaults = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-16}
    ranges = {
        "learning_rate": Range(1e-4, 1e-1),
        "beta_1": Range(0.8, 0.98, "linear"),
        "beta_2": (0.9, 0.95, 0.99, 0.999),
        "epsilon": Range(1e-16, 1e-6),
    }
    fractions = frozenset({"beta_1", "beta_2"})

    def init_slots(self, param):
        return {"m": ops.zeros_like(param), "s": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        alpha, epsilon = hyperparameters["learning_rate"], hyperparameters["epsilon"]
        beta_1, beta_2 = hyperparameters["beta_1"], hyperparameters["beta_2"]
        # m ← β₁ m + (1 − β₁) g, in Adam's faster form
        m = slots["m"] + (1 - beta_1) * (grad - slots["m"])
        # s ← β₂ s + (1 − β₂) (g − m)² + ε. With the new m: of the one before XLA would keep a copy.
        surprise = grad - m
        s = slots["s"] + ((1 - beta_2) * (surprise * surprise - slots["s"]) + epsilon)
        # x ← x − α m̂ / (√ŝ + ε), with m̂ = m / (1 − β₁ᵗ), ŝ = s / (1 − β₂ᵗ); as in Adam, the
        # corrections are moved off the tensors
        root_correction = ops.sqrt(1 - beta_2**step)
        scale = alpha * root_correction / (1 - beta_1**step)
        return param - scale * m / (ops.sqrt(s) + epsilon * root_correction), {"m": m, "s": s}


@keras.saving.register_keras_serializable(package="tuner_app")
class AdaBelief(RuleOptimizer):
    """AdaBelief: Adam with s ← β₂s + (1−β₂)(g−m)² + ε in v's place, x ← x − α m̂/(√ŝ + ε).

    A gradient near its mean is believed and the step is long. ε enters s at every step, so it is
    far smaller than Adam's. Equal to Optax's.

    Args:
        learning_rate: α.
        beta_1: β₁, the share of m kept at each step.
        beta_2: β₂, the share of s kept at each step.
        epsilon: ε.

    >>> w = keras.Variable([4.0])
    >>> optimizer = AdaBelief(learning_rate=0.3)
    >>> for _ in range(100):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.1)
    True

    Reference: J. Zhuang et al., "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed
    Gradients", 2020.
    """

    rule = AdaBeliefRule()
