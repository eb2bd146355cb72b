"""Mix-up: train on blends of two examples and of their labels (Zhang et al. 2018)."""

import math

import keras
from keras import ops

from tuner_app.regularization.penalties import strength


@keras.saving.register_keras_serializable("tuner_app")
class MixUp(keras.layers.Layer):
    """Blends each example of a batch with the one before it: `λx + (1 - λ)·roll(x)`.

    λ is drawn once a batch from Beta(alpha, alpha), the larger of λ and 1 - λ is used, and it is
    kept in the non-trainable variable `share` for the loss, which `MixUpModel` blends alike. Inputs
    of any shape with the batch first; identity at inference. alpha = 0 gives λ = 1 exactly.

    The paper pairs with a random permutation; batches are shuffled already, so the neighbour is as
    random, and a fixed pairing lets the labels be paired without passing a permutation along. The
    larger share only says which of the two is called first.

    Args:
        alpha: At least 0; the paper's values for images are 0.1 to 0.4; 1 is a uniform λ.
        seed: Integer, or None for one drawn from Keras's global seed.

    Raises:
        ValueError: `alpha` is negative.

    Reference: Zhang, Cissé, Dauphin and Lopez-Paz, "mixup: Beyond empirical risk minimization",
    2018.

    >>> layer = MixUp(0.2, seed=3)
    >>> layer(keras.ops.ones((4, 8)), training=True).shape, 0.5 <= float(layer.share.value) <= 1
    (TensorShape([4, 8]), True)
    """

    def __init__(self, alpha, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.alpha = strength("alpha", alpha)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.share = self.add_weight(
            name="share", shape=(), initializer="ones", dtype="float32", trainable=False
        )

    def call(self, inputs, training=False):
        if not training:
            return inputs
        self.share.assign(self.draw())
        share = ops.cast(self.share, inputs.dtype)
        return share * inputs + (1 - share) * ops.roll(inputs, 1, axis=0)

    def draw(self):
        """max(λ, 1 - λ) for one λ ~ Beta(alpha, alpha): a float32 scalar in [0.5, 1]."""
        drawn = keras.random.uniform((2,), dtype="float32", seed=self.seed_generator)
        return larger_share(drawn[0], drawn[1], ops.cast(self.alpha, "float32"))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "alpha": float(self.alpha), "seed": self.seed}


def larger_share(u, v, alpha):
    """max(λ, 1 - λ) for λ ~ Beta(alpha, alpha), from two tensors of uniform numbers in [0, 1).

    Devroye ("Random variate generation in one line of code", 1996) gives a symmetric beta without
    a rejection loop:
        λ = ½ ± ½ / √(1 + 1 / ((u^(-1/α) - 1) cos²(2πv)))
    written here with q = u^(1/α), which is 0 at α = 0, so that the share is exactly 1 there.
    """
    q = ops.exp(ops.log(u) / alpha)
    return 0.5 + 0.5 / ops.sqrt(1 + q / ((1 - q) * ops.square(ops.cos(2 * math.pi * v))))


@keras.saving.register_keras_serializable("tuner_app")
class MixUpModel(keras.Model):
    """A functional model with one `MixUp` layer; its training loss is blended as its inputs are.

    `λ·loss(y) + (1 - λ)·loss(roll(y))`, where `roll` pairs each example with the one before it.
    Penalties count once. Evaluation is unchanged. Training metrics compare the outputs for blended
    inputs with the first example's labels, so training accuracy reads low.

    Only `compute_loss` differs from `keras.Model`.

    Raises:
        ValueError: At the first training step, if it has no `MixUp` layer or several.

    >>> inputs = keras.Input((3,))
    >>> model = MixUpModel(inputs, keras.layers.Dense(2)(MixUp(0.2, seed=1)(inputs)))
    >>> model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    >>> history = model.fit(keras.ops.ones((4, 3)), keras.ops.zeros(4), verbose=0)
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        share = ops.cast(self.mixing_layer().share, loss.dtype)
        partner_y = rolled(y)
        partner = super().compute_loss(x, partner_y, y_pred, rolled(sample_weight), training)
        return share * loss + (1 - share) * partner

    def mixing_layer(self):
        found = [layer for layer in self.layers if isinstance(layer, MixUp)]
        if len(found) != 1:
            raise ValueError(f"MixUpModel has {len(found)} MixUp layers; expected one.")
        return found[0]


def rolled(tree):
    """Every tensor of a structure with its examples moved by one; None stays None."""
    return keras.tree.map_structure(
        lambda leaf: None if leaf is None else ops.roll(leaf, 1, axis=0), tree
    )
