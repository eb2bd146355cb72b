"""Gradient descent: a step of fixed length against the gradient.

For convex problems, very large models, and as the baseline of all others; on images with a good
schedule it often generalizes best. Keeps 0 numbers a parameter; 2 operations a parameter and step.
Tune the learning rate: the largest at which the loss does not diverge, falling towards the end.
"""

import dataclasses

import keras

from tuner_app.optimizers.rule import Range, Rule
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class SGDRule(Rule):
    """Gradient descent. It keeps no slots."""

    defaults = {"learning_rate": 0.01}
    ranges = {"learning_rate": Range(1e-3, 1.0)}

    def init_slots(self, param):
        return {}

    def update(self, param, grad, slots, hyperparameters, step):
        # x ← x − α g
        return param - hyperparameters["learning_rate"] * grad, {}


@keras.saving.register_keras_serializable(package="tuner_app")
class SGD(RuleOptimizer):
    """Gradient descent: x ← x − α g.

    Stochastic or mini-batch as the batches that give g are. Keras's SGD also does momentum by an
    argument; here `Momentum` and `Nesterov` are methods of their own.

    Args:
        learning_rate: α.

    >>> w = keras.Variable([4.0])  # the loss w² has the gradient 2w
    >>> optimizer = SGD(learning_rate=0.3)
    >>> for _ in range(4):
    ...     optimizer.apply([2 * w], [w])
    >>> print(f"{w.numpy()[0]:.4f}")
    0.1024

    Reference: H. Robbins and S. Monro, "A Stochastic Approximation Method", 1951.
    """

    rule = SGDRule()
