"""Dropout whose rate is a value: rate 0 runs the same program and leaves its input as it is."""

import keras
from keras import ops

from tuner_app.regularization.penalties import strength


@keras.saving.register_keras_serializable("tuner_app")
class Dropout(keras.layers.Layer):
    """Sets a random share of its inputs to 0 while training and scales the rest by `1/(1 - rate)`.

    `keras.layers.Dropout` with one difference: that one branches on `rate > 0`, this one computes
    with the rate, so trials with and without dropout share one program. Inputs of any shape; the
    output has the same shape and dtype.

    Args:
        rate: Probability that an input is dropped, in [0, 1).
        seed: Integer, or None for one drawn from Keras's global seed.

    Raises:
        ValueError: `rate` is outside [0, 1).

    Reference: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: A simple way
    to prevent neural networks from overfitting", 2014.

    >>> layer = Dropout(0.5, seed=1)
    >>> sorted(set(keras.ops.convert_to_numpy(layer(keras.ops.ones(99), training=True)).tolist()))
    [0.0, 2.0]
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not strength("rate", rate, most=1) < 1:
            raise ValueError(f"Received rate={rate}; expected a number of at least 0, below 1.")
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training=False):
        if not training:
            return inputs
        # Drawn in float32: half precision has too few values for a rate such as 0.01.
        drawn = keras.random.uniform(ops.shape(inputs), dtype="float32", seed=self.seed_generator)
        scale = ops.where(drawn >= self.rate, 1 / (1 - self.rate), 0.0)
        return inputs * ops.cast(scale, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": float(self.rate), "seed": self.seed}
