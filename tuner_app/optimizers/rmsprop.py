"""RMSProp: each weight's step is divided by a running root mean square of its gradient.

For recurrent nets and reinforcement learning, where gradients differ in scale and drift. Keeps 1
number a parameter; about 9 operations a parameter and step. Tune the learning rate, then rho, then
epsilon.
"""

import dataclasses

import keras
from keras import ops

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class RMSpropRule(Rule):
    """RMSProp. Slot s: the running mean of the squared gradient."""

    defaults = {"learning_rate": 0.001, "rho": 0.9, "epsilon": 1e-7}
    ranges = {
        "learning_rate": Range(1e-5, 1e-1),
        "rho": (0.9, 0.95, 0.99, 0.999),
        "epsilon": Range(1e-10, 1e-3),
    }
    fractions = frozenset({"rho"})

    def init_slots(self, param):
        return {"s": ops.zeros_like(param)}

    def update(self, param, grad, slots, hyperparameters, step):
        rho = hyperparameters["rho"]
        # s ← ρ s + (1 − ρ) g²
        s = rho * slots["s"] + (1 - rho) * grad * grad
        # x ← x − α g / (√s + ε)
        step_size = hyperparameters["learning_rate"] * grad
        return param - step_size / (ops.sqrt(s) + hyperparameters["epsilon"]), {"s": s}


@keras.saving.register_keras_serializable(package="tuner_app")
class RMSprop(RuleOptimizer):
    """RMSProp: s ← ρ s + (1 − ρ) g², x ← x − α g / (√s + ε).

    ε stands outside the root, as in PyTorch and in Optax with `eps_in_sqrt=False`; Keras adds it
    inside. s starts at 0 and is not corrected, so the first steps are 1/√(1−ρ) times as long.

    Args:
        learning_rate: α.
        rho: ρ, the share of the mean kept at each step.
        epsilon: ε.

    >>> w = keras.Variable([4.0])
    >>> optimizer = RMSprop(learning_rate=0.1)
    >>> for _ in range(100):
    ...     optimizer.apply([2 * w], [w])
    >>> bool(abs(w.numpy()[0]) < 0.1)
    True

    Reference: T. Tieleman and G. Hinton, Lecture 6.5 of "Neural Networks for Machine Learning",
    2012.
    """

    rule = RMSpropRule()
