"""Steps of any Keras optimizer on given gradients: eagerly, or compiled, on every backend."""

from collections.abc import Callable

import keras
import numpy as np

Arrays = list[np.ndarray]


def variables_at(start, dtype: str = "float32") -> list[keras.Variable]:
    """Variables with these values."""
    return [
        keras.Variable(np.asarray(value, dtype), dtype=dtype, name=f"w{i}")
        for i, value in enumerate(start)
    ]


def values_of(variables) -> Arrays:
    """Their values as float64 arrays."""
    return [np.asarray(keras.ops.convert_to_numpy(v), "float64") for v in variables]


def tensors(arrays, like) -> list:
    """The arrays as tensors of the variables' types."""
    return [
        keras.ops.convert_to_tensor(np.asarray(a), dtype=v.dtype)
        for a, v in zip(arrays, like, strict=True)
    ]


def step(optimizer, variables, gradients: Arrays) -> Arrays:
    """One eager step; the variables' values after it."""
    optimizer.apply(tensors(gradients, variables), variables)
    return values_of(variables)


class Compiled:
    """One compiled step of several optimizers, each on float32 variables of its own.

    Attributes:
        traces: how often the step was traced.
    """

    def __init__(self, optimizers: list, variables: list[list[keras.Variable]]):
        self.optimizers, self.variables, self.traces = optimizers, variables, 0
        for optimizer, own in self.pairs():
            optimizer.build(own)
        self._start = [values_of([*o.variables, *own]) for o, own in self.pairs()]
        self._shapes = [tuple(v.shape) for own in variables for v in own]
        self._step = _BACKENDS.get(keras.backend.backend(), _eager)(self)

    def pairs(self):
        """Each optimizer with its variables."""
        return zip(self.optimizers, self.variables, strict=True)

    def reset(self) -> None:
        """Everything as before the first step."""
        for (optimizer, own), start in zip(self.pairs(), self._start, strict=True):
            for variable, value in zip([*optimizer.variables, *own], start, strict=True):
                variable.assign(value)

    def __call__(self, gradients: list[Arrays]) -> list[Arrays]:
        """One step of each; all variables' values after it."""
        # One array to the device and one back: a transfer costs as much as a small rule's step.
        flat = np.concatenate([np.ravel(g) for own in gradients for g in own]).astype("float32")
        after = np.asarray(keras.ops.convert_to_numpy(self._step(flat)), "float64")
        return self.split(after)

    def split(self, flat) -> list[list]:
        """One vector as a list for each optimizer; in NumPy, or while a step is traced."""
        sizes = [int(np.prod(shape)) for shape in self._shapes]
        ends = np.cumsum(sizes)
        pieces = iter(
            flat[end - size : end].reshape(shape)
            if isinstance(flat, np.ndarray)
            else keras.ops.reshape(flat[end - size : end], shape)
            for end, size, shape in zip(ends.tolist(), sizes, self._shapes, strict=True)
        )
        return [[next(pieces) for _ in own] for own in self.variables]


def _joined(values):
    return keras.ops.concatenate([keras.ops.reshape(value, (-1,)) for value in values])


def _on_tensorflow(compiled: Compiled) -> Callable:
    import tensorflow as tf

    @tf.function(autograph=False)
    def stepped(flat):
        compiled.traces += 1
        for (optimizer, own), gradients in zip(compiled.pairs(), compiled.split(flat), strict=True):
            optimizer.apply(gradients, own)
        return _joined(v for own in compiled.variables for v in own)

    return lambda flat: stepped(tf.constant(flat))


def _on_jax(compiled: Compiled) -> Callable:
    import jax

    @jax.jit
    def stepped(states, flat):
        compiled.traces += 1
        after = [
            optimizer.stateless_apply(slots, gradients, weights)
            for optimizer, (weights, slots), gradients in zip(
                compiled.optimizers, states, compiled.split(flat), strict=True
            )
        ]
        return after, _joined(w for weights, _ in after for w in weights)

    def assigned(flat):
        states = [
            ([v.value for v in own], [v.value for v in optimizer.variables])
            for optimizer, own in compiled.pairs()
        ]
        after, joined = stepped(states, flat)
        for (optimizer, own), (weights, slots) in zip(compiled.pairs(), after, strict=True):
            for variable, value in zip(
                [*own, *optimizer.variables], [*weights, *slots], strict=True
            ):
                variable.assign(value)
        return joined

    return assigned


def _eager(compiled: Compiled) -> Callable:
    compiled.traces = 1  # nothing is traced, so nothing is traced again

    def stepped(flat):
        tensor = keras.ops.convert_to_tensor(flat)
        for (optimizer, own), g in zip(compiled.pairs(), compiled.split(tensor), strict=True):
            optimizer.apply(g, own)
        return _joined(v for own in compiled.variables for v in own)

    return stepped


_BACKENDS = {"tensorflow": _on_tensorflow, "jax": _on_jax}
