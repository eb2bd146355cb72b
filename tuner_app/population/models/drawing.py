"""Initial values of variables that are drawn when they are read, all of a model's in one call.

Half the time of building a small model goes into starting the few operations of each initializer.
Keras's own initializers are functions of their seed, shape and dtype, so they may run later, and
those of one model together in one traced function, whose kernels are the same ones. (On JAX they
run one by one: compiled together their last digits would differ. See `drawing_on_jax`.)
"""

import contextlib
import functools
import json

import keras
import numpy as np
from keras.src.initializers.random_initializers import RandomInitializer
from keras.src.random.seed_generator import SeedGenerator

_KEPT_FUNCTIONS = 64


class _Given(SeedGenerator):
    """A seed generator whose next state is given."""

    def __init__(self, state):
        self._given = state

    def next(self, ordered=True):
        return self._given


def can_wait(initializer) -> bool:
    """Whether a call of the initializer gives the same values whenever it is made."""
    return filling(initializer) is not None or _seeded(initializer) or _state_of(initializer)


def filling(initializer):
    """The number that a constant initializer fills its array with, or None."""
    numbers = {keras.initializers.Zeros: 0, keras.initializers.Ones: 1}
    if type(initializer) in numbers:
        return numbers[type(initializer)]
    constant = type(initializer) is keras.initializers.Constant
    return initializer.value if constant and np.isscalar(initializer.value) else None


def _seeded(initializer) -> bool:
    own = type(initializer).__module__.startswith("keras.")
    return own and isinstance(initializer, RandomInitializer) and type(initializer.seed) is int


def _state_of(initializer) -> bool:
    """Whether it is the function by which a seed generator sets its own state."""
    name = getattr(initializer, "__qualname__", "")
    return name == "SeedGenerator.__init__.<locals>.seed_initializer"


def drawn_quickly():
    """A context in which new variables begin with the same values, and sooner."""
    if keras.backend.backend() == "jax":
        from tuner_app.population.models import drawing_on_jax

        return drawing_on_jax.by_numpy()
    if keras.backend.backend() == "tensorflow":
        from tuner_app.population.models import seeding_tensorflow

        return seeding_tensorflow.kernels_kept()
    return contextlib.nullcontext()


def drawn(variables) -> list[np.ndarray]:
    """The variables' values on the host, those that wait drawn together."""
    values, waiting = [None] * len(variables), []
    for i, variable in enumerate(variables):
        initializer = variable._initializer if variable._value is None else None
        if initializer is None:
            values[i] = np.array(keras.ops.convert_to_numpy(variable))
        elif filling(initializer) is not None:
            kind = numpy_dtype(variable._dtype)
            values[i] = np.full(variable._shape, filling(initializer), kind)
        elif _seeded(initializer) and keras.backend.backend() == "tensorflow":
            waiting.append(i)
        else:
            with drawn_quickly():
                value = initializer(variable._shape, dtype=variable._dtype)
            values[i] = keras.ops.convert_to_numpy(value)
    if waiting:
        chosen = [variables[i] for i in waiting]
        for i, value in zip(waiting, _drawn_together(chosen), strict=True):
            values[i] = np.array(value)
    return values


@functools.cache
def numpy_dtype(dtype: str) -> np.dtype:
    return keras.ops.convert_to_numpy(keras.ops.zeros((), dtype)).dtype


def _drawn_together(variables) -> list:
    initializers = [variable._initializer for variable in variables]
    kinds = tuple(
        (type(i), json.dumps({**i.get_config(), "seed": None}), tuple(v._shape), v._dtype)
        for i, v in zip(initializers, variables, strict=True)
    )
    seeds = np.zeros((len(kinds), 2), "uint32")
    seeds[:, 0] = [i.seed % 2**32 for i in initializers]
    return _function(kinds)(seeds)


@functools.lru_cache(_KEPT_FUNCTIONS)
def _function(kinds):
    """uint32 seeds of shape (n, 2) to n values."""
    import tensorflow as tf

    makers = [kind.from_config(json.loads(config)) for kind, config, _, _ in kinds]

    def draw(seeds):
        values = []
        for i, (maker, (_, _, shape, dtype)) in enumerate(zip(makers, kinds, strict=True)):
            maker.seed = _Given(seeds[i])
            values.append(maker(shape, dtype=dtype))
        return values

    # A partial, as in `vectorize.compiled`: TensorFlow would take all of them for one that is
    # traced again and again, and warn.
    signature = [tf.TensorSpec((len(kinds), 2), tf.uint32)]
    return tf.function(functools.partial(draw), autograph=False, input_signature=signature)
