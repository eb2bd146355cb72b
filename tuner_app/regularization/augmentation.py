"""Image augmentation whose strength is a value, drawn anew for each example; strength 0 is exact.

Every layer takes (n, height, width, channels) images of a floating dtype and returns the same shape
and dtype. It acts only while training. A strength is a plain float attribute that is read when the
layer is called and never branched on, so trials that differ in strengths share one program. Keras's
own geometric layers branch on them and go through an image transform that can't be stacked.
"""

import math

import keras
from keras import ops

from tuner_app.regularization.penalties import strength
from tuner_app.regularization.sampling import grid, sample


class Augmentation(keras.layers.Layer):
    """What the layers share: identity at inference, one seed. A subclass writes `augment`."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def augment(self, images):
        """The images as they are to be trained on."""
        raise NotImplementedError(f"{type(self).__name__} must define augment(images).")

    def call(self, images, training=False):
        return self.augment(images) if training else images

    def uniform(self, images, low=-1.0, high=1.0):
        """One float32 number an example, shaped (n, 1, 1) to broadcast over height and width."""
        shape = (ops.shape(images)[0], 1, 1)
        return keras.random.uniform(shape, low, high, dtype="float32", seed=self.seed_generator)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("tuner_app")
class RandomShift(Augmentation):
    """Moves each image up or down and left or right by its own random part of its size.

    Args:
        fraction: The largest move as a fraction of height and of width, at least 0. Moves are
            uniform in [-fraction, fraction], interpolated bilinearly; edge pixels fill the gap.
        seed: Integer, or None for one drawn from Keras's global seed.

    Raises:
        ValueError: `fraction` is negative.

    >>> images = keras.ops.ones((2, 8, 8, 1))
    >>> RandomShift(0.25)(images, training=True).shape
    TensorShape([2, 8, 8, 1])
    """

    def __init__(self, fraction, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.fraction = strength("fraction", fraction)

    def augment(self, images):
        height, width = images.shape[1:3]
        rows, columns = grid(height, width)
        down = self.uniform(images) * self.fraction * height
        across = self.uniform(images) * self.fraction * width
        shape = (ops.shape(images)[0], height, width)
        return sample(
            images,
            ops.broadcast_to(rows - down, shape),
            ops.broadcast_to(columns - across, shape),
        )

    def get_config(self):
        return {**super().get_config(), "fraction": float(self.fraction)}


@keras.saving.register_keras_serializable("tuner_app")
class RandomRotation(Augmentation):
    """Turns each image about its centre by its own random angle.

    Args:
        degrees: The largest turn, at least 0. Angles are uniform in [-degrees, degrees], the result
            is interpolated bilinearly; edge pixels fill the corners.
        seed: Integer, or None for one drawn from Keras's global seed.

    Raises:
        ValueError: `degrees` is negative.

    >>> RandomRotation(15)(keras.ops.ones((2, 8, 8, 1)), training=True).shape
    TensorShape([2, 8, 8, 1])
    """

    def __init__(self, degrees, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.degrees = strength("degrees", degrees)

    def augment(self, images):
        height, width = images.shape[1:3]
        rows, columns = grid(height, width)
        middle_row, middle_column = (height - 1) / 2, (width - 1) / 2
        angle = self.uniform(images) * self.degrees * (math.pi / 180)
        cos, sin = ops.cos(angle), ops.sin(angle)
        rows, columns = rows - middle_row, columns - middle_column
        # The inverse turn: where each pixel of the result comes from.
        return sample(
            images,
            cos * rows - sin * columns + middle_row,
            sin * rows + cos * columns + middle_column,
        )

    def get_config(self):
        return {**super().get_config(), "degrees": float(self.degrees)}


@keras.saving.register_keras_serializable("tuner_app")
class RandomFlip(Augmentation):
    """Mirrors each image, left to right, with some probability.

    Args:
        rate: The probability, in [0, 1]; 0.5 for what looks alike both ways, 0 for text.
        seed: Integer, or None for one drawn from Keras's global seed.

    Raises:
        ValueError: `rate` is outside [0, 1].

    >>> images = keras.ops.reshape(keras.ops.arange(2.0), (1, 1, 2, 1))
    >>> [float(p) for p in RandomFlip(1.0)(images, training=True)[0, 0, :, 0]]
    [1.0, 0.0]
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.rate = strength("rate", rate, most=1)

    def augment(self, images):
        flipped = self.uniform(images, 0.0, 1.0)[..., None] < self.rate
        return ops.where(flipped, ops.flip(images, axis=2), images)

    def get_config(self):
        return {**super().get_config(), "rate": float(self.rate)}


@keras.saving.register_keras_serializable("tuner_app")
class Noise(Augmentation):
    """Adds independent Gaussian noise to every number of inputs of any shape.

    Args:
        stddev: Its standard deviation in the inputs' own unit (1 is the spread of normalized
            inputs), at least 0.
        seed: Integer, or None for one drawn from Keras's global seed.

    Raises:
        ValueError: `stddev` is negative.

    >>> Noise(0.1)(keras.ops.zeros((2, 8)), training=True).shape
    TensorShape([2, 8])
    """

    def __init__(self, stddev, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.stddev = strength("stddev", stddev)

    def augment(self, images):
        drawn = keras.random.normal(ops.shape(images), dtype="float32", seed=self.seed_generator)
        return images + ops.cast(self.stddev * drawn, images.dtype)

    def get_config(self):
        return {**super().get_config(), "stddev": float(self.stddev)}
