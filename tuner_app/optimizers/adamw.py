"""AdamW: Adam with decoupled weight decay, which the running means never see.

For transformers and for whatever is trained with decay: decay is as strong on a weight with large
gradients as on others, unlike an L2 penalty under Adam. Keeps 2 numbers a parameter; about 16
operations a parameter and step. Tune the learning rate and the decay, then beta_1 and beta_2.
"""

import dataclasses

import keras

from tuner_app.optimizers.adam import AdamRule
from tuner_app.optimizers.rule import Range
from tuner_app.optimizers.rule_optimizer import RuleOptimizer


@dataclasses.dataclass(frozen=True)
class AdamWRule(AdamRule):
    """Adam's update; the decay is Keras's own, before it, on the weights that are not excluded."""

    defaults = AdamRule.defaults | {"weight_decay": 0.004}
    ranges = AdamRule.ranges | {"weight_decay": Range(1e-5, 1e-1)}


@keras.saving.register_keras_serializable(package="tuner_app")
class AdamW(RuleOptimizer):
    """Adam with decoupled weight decay: x ← x − α λ x − α m̂/(√v̂ + ε).

    Both terms use the x from before the step. λ is multiplied by the learning rate, as in Keras,
    Optax and PyTorch; the paper's schedule multiplier η is part of our learning rate.

    Args:
        learning_rate: α.
        weight_decay: λ.
        beta_1, beta_2, epsilon, epsilon_inside_root: as in `Adam`.

    >>> w = keras.Variable([4.0])
    >>> optimizer = AdamW(learning_rate=0.5, weight_decay=0.1)
    >>> optimizer.apply([0 * w], [w])  # no gradient: only the decay acts
    >>> print(f"{w.numpy()[0]:.2f}")
    3.80

    Reference: I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    rule = AdamWRule()
