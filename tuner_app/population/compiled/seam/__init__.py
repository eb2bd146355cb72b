"""Functions of Keras's backend replaced while a stack is traced: one table.

Almost every Keras layer has a stacked form once these few functions of the backend, which do not,
are replaced by equal ones that do. Each entry is held to the original by tests/population: the
deterministic ones by their values, the random ones by the distribution they draw from. They are
private to Keras, so the project pins the range of Keras versions it works with.
"""

import contextlib

import keras

from tuner_app.population.backend.swapping import swapped
from tuner_app.population.compiled.seam import convolution, crop, pooling
from tuner_app.population.signatures.lane_scalar import LaneMath

RANDOM = "uniform normal truncated_normal randint dropout shuffle categorical gamma beta".split()
CONVOLUTION = "conv depthwise_conv separable_conv conv_transpose".split()
IMAGE = "affine_transform perspective_transform gaussian_blur rgb_to_hsv hsv_to_rgb".split()


@contextlib.contextmanager
def seam(native: bool = False, plain: bool = False):
    """While open, the backend's functions are the table's.

    With native=True the backend keeps its own kernels for what is not random, but for those that
    are slow: for a program of one lane. With plain=True it keeps all of them: for plain Keras,
    which a stack is compared with. The random functions are replaced in every mode, so that a
    trial's random numbers do not depend on the mode.
    """
    with swapped(table(native, plain)):
        yield


def table(native: bool = False, plain: bool = False) -> list[tuple]:
    """(module or class, name, replacement) for the backend in use."""
    if keras.backend.backend() == "jax":
        always = [*_numbers(), *_jax_random()]
        if plain:
            return always
        return [*always, *(_jax_native() if native else _jax())]
    always = [*_numbers(), *_tensorflow_random()]
    return always if native or plain else [*always, *_tensorflow_rest()]


def _numbers():
    from keras.src.layers.regularization import gaussian_dropout

    # It takes the square root of its rate in Python.
    return [(gaussian_dropout, "math", LaneMath())]


def _jax_random():
    from keras.src.backend.jax import image
    from keras.src.backend.jax import random as original

    from tuner_app.population.compiled.seam import elastic, random_on_jax

    names = ("uniform", "normal", "dropout")
    drawn = (image, "elastic_transform", elastic.elastic_transform)
    return [*((original, name, getattr(random_on_jax, name)) for name in names), drawn]


def _jax():
    import jax
    from keras.src.backend.jax import nn

    # Elsewhere than on the CPU the backend's own grouped convolutions are the faster ones.
    return [_crop(), *(_windows(nn) if jax.default_backend() == "cpu" else [])]


def _jax_native():
    import jax
    from keras.src.backend.jax import nn

    # With XLA's own, max pooling is more than half the time of a CNN on 32 by 32 images on a CPU.
    return [(nn, "max_pool", pooling.max_pool)] if jax.default_backend() == "cpu" else []


def _windows(nn):
    convolutions = [(nn, name, getattr(convolution, name)) for name in CONVOLUTION]
    return [*convolutions, (nn, "max_pool", pooling.max_pool)]


def _crop():
    layer = keras.layers.RandomCrop
    return (layer, "transform_images", crop.crop_images(layer.transform_images))


def _tensorflow_random():
    from keras.src.backend.tensorflow import image
    from keras.src.backend.tensorflow import random as original

    from tuner_app.population.compiled.seam import elastic, random

    drawn = (image, "elastic_transform", elastic.elastic_transform)
    return [*((original, name, getattr(random, name)) for name in RANDOM), drawn]


def _tensorflow_rest():
    import tensorflow as tf
    from keras.src import backend
    from keras.src.backend.tensorflow import core, math, nn, numpy
    from keras.src.backend.tensorflow import image as original_image
    from keras.src.utils import tf_utils
    from tensorflow.python.ops.parallel_for import pfor

    from tuner_app.population.compiled.seam import (  # noqa: F401, two are registered by being imported
        condition,
        ctc,
        decomposition,
        equalization,
        image,
        numeric,
        padding,
        rare,
        recurrence,
    )

    return [
        *_windows(nn),
        *((original_image, name, getattr(image, name)) for name in IMAGE),
        (tf.image, "resize", image.resize_as_products(tf.image.resize)),
        (core, "cond", condition.cond),
        (pfor, "_pfor_converter_registry", rare.converters()),
        (core, "scatter", numeric.scatter),
        (backend, "rnn", recurrence.unrolled(backend.rnn)),
        (backend, "lstm", recurrence.no_fused_kernel),
        (backend, "gru", recurrence.no_fused_kernel),
        (numpy, "signbit", numeric.signbit),
        (numpy, "bincount", numeric.bincount),
        (tf_utils, "dense_bincount", numeric.dense_bincount),
        (nn, "leaky_relu", numeric.leaky_relu),
        (nn, "ctc_loss", ctc.ctc_loss),
        (math, "in_top_k", numeric.in_top_k),
        (keras.layers.Equalization, "_apply_equalization", equalization.apply_equalization),
        _crop(),
    ]
