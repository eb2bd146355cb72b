"""Building a trial's model for its configuration and initial values only.

Two fifths of building a small Keras model on TensorFlow is creating `tf.Variable`s, for weights
and for the optimizer's slots, and they stay in memory (0.36 MB a model). A trial whose signature
has been traced and checked needs none: inside `light_variables()` a Keras variable holds a plain
tensor, drawn by the same initializer with the same seed, so the values are the same ones.
"""

import contextlib
import types

import keras

from tuner_app.population.functional import functional_optimizers


@contextlib.contextmanager
def light_variables():
    """While open, new Keras variables hold plain tensors: to be read, not to be trained."""
    if keras.backend.backend() != "tensorflow":  # JAX's variables are light by themselves
        yield
        return
    import tensorflow as tf
    from keras.src.backend.tensorflow.core import Variable
    from keras.src.backend.tensorflow.optimizer import TFOptimizer
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    def assign(self, value):
        self._value = tf.cast(value, self._dtype)

    def initialize(self, value):
        value = value() if callable(value) else value
        self._value = tf.cast(tf.convert_to_tensor(value), self._dtype)
        # For good: it may be assigned to after this context, to hold weights for a moment.
        self._direct_assign = types.MethodType(assign, self)

    replaced = [
        (Variable, "_initialize", initialize),
        (
            TFOptimizer,
            "add_variable_from_reference",
            BaseOptimizer.add_variable_from_reference,
        ),
    ]
    kept = [(owner, name, vars(owner)[name]) for owner, name, _ in replaced]
    for owner, name, method in replaced:
        setattr(owner, name, method)
    try:
        with functional_optimizers():
            yield
    finally:
        for owner, name, method in kept:
            setattr(owner, name, method)


def built(build, seed: int, light: bool = False):
    """`build()`'s model with its optimizer built, every random draw decided by `seed`.

    Args:
        build: function without arguments that returns a compiled Keras model. It may be called
            more than once.
        light: whether the model is only to be read.
    """
    keras.utils.set_random_seed(seed % 2**32)
    with light_variables() if light else contextlib.nullcontext():
        model = build()
        build_optimizer(model)
    return model


def build_optimizer(model) -> None:
    if getattr(model, "optimizer", None) is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
