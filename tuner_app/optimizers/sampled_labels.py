"""The layer that gives Sophia-G its second gradient: that of labels drawn from the predictions."""

import keras
from keras import ops

from tuner_app.errors import UserError


@keras.saving.register_keras_serializable(package="tuner_app")
class SampledLabels(keras.layers.Layer):
    """Logits as they are; in the first of every `period` training steps, another loss's gradient.

    In those steps the model's loss sends no gradient back through this layer. In its place goes
    the gradient of √B times the cross-entropy of the logits with labels drawn from them, for a
    batch of B, so that its square is the Gauss-Newton-Bartlett estimate B ĝ². The value of the loss
    is never changed. The layer counts the training steps it has seen: use it from the start of
    training with a `Sophia` of the same period.

    Args:
        period: Sophia's.
        seed: of the drawn labels.

    Input: logits of shape (batch, ..., classes); output: the same.

    Raises:
        UserError: the period is not a positive whole number.

    >>> from tuner_app.optimizers import Sophia
    >>> layers = [keras.layers.Dense(3), SampledLabels(period=10, seed=1)]
    >>> model = keras.Sequential([keras.layers.Input((2,)), *layers])
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile(Sophia(learning_rate=0.01, period=10), loss)

    Reference: H. Liu et al., "Sophia: A Scalable Stochastic Second-order Optimizer for Language
    Model Pre-training", 2023, Algorithm 2.
    """

    def __init__(self, period=10, seed=None, **arguments):
        super().__init__(**arguments)
        if not isinstance(period, int) or isinstance(period, bool) or period < 1:
            raise UserError(f"period is {period!r}, expected a whole number of steps, 1 or more.")
        self.period, self.seed = period, seed
        self.generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape):
        self.steps = self.add_weight(
            shape=(), dtype="float32", initializer="zeros", trainable=False, name="steps"
        )

    def call(self, logits, training=False):
        if not training:
            return logits
        measuring = ops.mod(self.steps, self.period) < 0.5
        self.steps.assign(self.steps + 1.0)
        logits32 = ops.cast(logits, "float32")
        classes = logits32.shape[-1]
        # A label drawn from softmax(logits): the largest of logits + Gumbel noise.
        uniform = keras.random.uniform(
            ops.shape(logits32), 1e-7, 1.0 - 1e-7, dtype="float32", seed=self.generator
        )
        noisy = ops.stop_gradient(logits32) - ops.log(-ops.log(uniform))
        drawn = ops.one_hot(ops.argmax(noisy, axis=-1), classes)
        entropy = -ops.mean(ops.sum(drawn * ops.log_softmax(logits32), axis=-1))
        batch = ops.cast(ops.size(logits32) // classes, "float32")
        other = ops.sqrt(batch) * entropy
        # Zero, whose gradient is that of the other loss when measuring.
        self.add_loss(ops.where(measuring, other - ops.stop_gradient(other), 0.0))
        return ops.where(measuring, ops.stop_gradient(logits), logits)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"period": self.period, "seed": self.seed}
