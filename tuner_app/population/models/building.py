"""Building a trial's model for its configuration and initial values only.

Most of building a small Keras model on TensorFlow is creating `tf.Variable`s for weights and slots,
which stay in memory (0.36 MB a model), drawing their values one operation at a time, asking for the
signatures of the same functions, and keeping track of attributes for checkpoints. A trial whose
signature has been traced and checked needs none of it: inside `light_building()` a Keras variable
holds a plain tensor, or waits until its value is read (see `drawing`). The values are the same
ones: of the same initializer with the same seed.
"""

import contextlib
import functools
import inspect
import types

import keras

from tuner_app.population.backend.swapping import swapped
from tuner_app.population.models import drawing
from tuner_app.population.models.functional import functional_optimizers
from tuner_app.population.models.without_tensorflow import set_random_seed


class _Signatures:
    """The module `inspect`, which remembers the signatures of functions."""

    def __getattr__(self, name):
        return getattr(inspect, name)

    getfullargspec = staticmethod(functools.lru_cache(1024)(inspect.getfullargspec))

    @staticmethod
    @functools.lru_cache(1024)
    def _of(function):
        return inspect.signature(function)

    @classmethod
    def signature(cls, function):
        # A bound method is remembered by its function: the object is another each time.
        if isinstance(function, types.MethodType):
            whole = cls._of(function.__func__)
            return whole.replace(parameters=list(whole.parameters.values())[1:])
        return (
            cls._of(function)
            if isinstance(function, type | types.FunctionType)
            else (inspect.signature(function))
        )


@contextlib.contextmanager
def light_building():
    """While open, new Keras variables hold plain tensors: to be read, not to be trained."""
    with swapped(_replaced()), functional_optimizers():
        yield


def looked_at(light: bool):
    """A context in which models are built for a look: with `light`, without their variables."""
    return light_building() if light else contextlib.nullcontext()


@functools.cache
def _replaced() -> list[tuple]:
    """(module or class, name, replacement)."""
    from keras.src.layers import layer
    from keras.src.ops import operation

    signatures = [(layer, "inspect", _Signatures()), (operation, "inspect", _Signatures())]
    own = {"tensorflow": _on_tensorflow, "jax": _on_jax}.get(keras.backend.backend(), list)
    return [*signatures, *own()]


def _on_jax() -> list[tuple]:
    """A variable's values may wait; all else is light by itself."""
    from keras.src.backend.common import KerasVariable
    from keras.src.backend.jax.core import JaxVariable

    from tuner_app.population.models.drawing_on_jax import initialize as initialize_now

    def initialize_with(self, initializer):
        if self._layout is None and drawing.can_wait(initializer):
            self._value, self._initializer = None, initializer
        else:
            initialize_now(self, initializer)

    return [
        (JaxVariable, "_initialize_with_initializer", initialize_with),
        (KerasVariable, "_deferred_initialize", _deferred(KerasVariable)),
    ]


def _deferred(kind: type):
    """Keras forgets the initializer of a variable whose turn has come, but it may wait longer."""
    original = kind._deferred_initialize

    def deferred_initialize(self):
        initializer = self._initializer
        original(self)
        if self._value is None:
            self._initializer = initializer

    return deferred_initialize


def _on_tensorflow() -> list[tuple]:
    import tensorflow as tf
    from keras.src.backend.tensorflow.core import Variable
    from keras.src.backend.tensorflow.optimizer import TFOptimizer
    from keras.src.backend.tensorflow.trackable import KerasAutoTrackable
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    def assign(self, value):
        self._value = tf.cast(value, self._dtype)

    def initialize(self, value):
        value = value() if callable(value) else value
        self._value = tf.cast(tf.convert_to_tensor(value), self._dtype)
        # For good: it may be assigned to after this context, to hold weights for a moment.
        self._direct_assign = types.MethodType(assign, self)

    def initialize_with(self, initializer):
        if not drawing.can_wait(initializer):
            initialize(self, initializer(self._shape, dtype=self._dtype))
            return
        self._value, self._initializer = None, initializer
        self._direct_assign = types.MethodType(assign, self)

    def set_attribute(self, name, value):
        # Not tracked for TensorFlow's checkpoints; but Keras knows some slots (of Nadam, Adafactor)
        # only by its own tracking.
        kind = BaseOptimizer if isinstance(self, BaseOptimizer) else object
        kind.__setattr__(self, name, value)

    return [
        (Variable, "_initialize", initialize),
        (Variable, "_initialize_with_initializer", initialize_with),
        (Variable, "_deferred_initialize", _deferred(Variable)),
        (
            TFOptimizer,
            "add_variable_from_reference",
            BaseOptimizer.add_variable_from_reference,
        ),
        (KerasAutoTrackable, "__setattr__", set_attribute),
    ]


def built(build, seed: int, light: bool = False):
    """`build()`'s model with its optimizer built, every random draw decided by `seed`.

    Args:
        build: function without arguments that returns a compiled Keras model. It may be called
            more than once.
        light: whether the model is only to be read.
    """
    with looked_at(light), drawing.drawn_quickly():
        set_random_seed(seed)
        model = build()
        build_optimizer(model)
    return model


def build_optimizer(model) -> None:
    if getattr(model, "optimizer", None) is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
