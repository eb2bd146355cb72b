"""All that a training changes in a model, and where the process's random numbers are, as arrays."""

import contextlib
import random
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

# What Keras makes when it first trains, and begins anew with every epoch.
_OF_AN_EPOCH = ("_compile_metrics", "_loss_tracker")


def taken(model: keras.Model) -> dict[str, Any]:
    """The values of a model's variables, its optimizers' and its seed generators', and the state of
    the random numbers of Python, NumPy and Keras, for `stack_checkpoint`."""
    python, numpy = random.getstate(), np.random.get_state()
    shared = _shared_generator()
    number = len(model.trainable_variables)
    whole = number == len(getattr(model.optimizer, "_trainable_variables", ()))
    return {
        "optimized": number if whole else None,  # None: the optimizer is not for all variables
        "variables": [keras.ops.convert_to_numpy(v) for v in variables(model)],
        "build": model.get_build_config() if model.built else None,
        "python": (python[0], np.array(python[1], "uint32"), python[2]),
        "numpy": numpy,
        "keras": None if shared is None else keras.ops.convert_to_numpy(shared.state),
    }


def give(model: keras.Model, state: Mapping[str, Any]) -> None:
    """Gives back what `taken` took, to a model that it fits."""
    for variable, value in zip(variables(model), state["variables"], strict=True):
        variable.assign(value)
    random.setstate(_of_python(state))
    np.random.set_state(state["numpy"])
    shared = _shared_generator()
    if shared is not None and state["keras"] is not None:
        shared.state.assign(state["keras"])


def fits(model: keras.Model, state: Mapping[str, Any]) -> bool:
    """Whether a model has variables of the shapes and dtypes of a state's."""
    own = [(tuple(v.shape), _dtype(v)) for v in variables(model)]
    return own == [(value.shape, value.dtype.name) for value in state["variables"]]


def made_to_fit(model: keras.Model, state: Mapping[str, Any], step: Callable[[], Any]) -> bool:
    """Gives a model the variables that it has when it trains, where it was built without; whether
    it has those of the state then. Their values are of no account.

    Args:
        step: Trains the model for a moment: the way for models that Keras can't build otherwise.
    """
    if fits(model, state):
        return True
    try:
        if not model.built and state["build"] is not None:
            with contextlib.suppress(Exception):  # Keras can't: then it has to train
                model.build_from_config(state["build"])
        if len(model.trainable_variables) == state["optimized"] and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        if not fits(model, state):
            step()
    except Exception:  # whatever a user's own layers raise
        return False
    return fits(model, state)


def check(state: Mapping[str, Any]) -> None:
    """Raises, whatever it is, where a state can't be one that `taken` took."""
    random.Random().setstate(_of_python(state))
    np.random.RandomState().set_state(state["numpy"])
    if not all(isinstance(value, np.ndarray) for value in state["variables"]):
        raise ValueError("a variable is no array")
    if state["keras"] is not None and state["keras"].shape != (2,):
        raise ValueError("a seed generator has two numbers")


def variables(model: keras.Model) -> list:
    """All variables that a model, its layers and the objects in their attributes have, those of
    optimizers and seed generators among them, and those that are TensorFlow's own; each once."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    for variable in (*model.trainable_variables, *model.non_trainable_variables):
        found[id(variable)] = variable
    for layer in model._flatten_layers():
        for name, value in vars(layer).items():
            if name not in _OF_AN_EPOCH:
                for variable in _held(value, seen):
                    found.setdefault(id(variable), variable)
    return list(found.values())


def _held(value: Any, seen: set[int]) -> Iterator:
    if isinstance(value, (str, int, float, types.FunctionType, type)) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, (keras.optimizers.Optimizer, keras.metrics.Metric)) or _is_module(value):
        yield from value.variables
    elif isinstance(value, keras.Variable) or _is_tensorflows(value):
        yield value
    elif isinstance(value, keras.layers.Layer):
        return  # it comes by itself, if it is a part of the model
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _held(item, seen)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _held(item, seen)
    elif isinstance(value, keras.random.SeedGenerator) or not _is_a_librarys(value):
        for item in list(getattr(value, "__dict__", {}).values()):
            yield from _held(item, seen)


def _is_module(value: Any) -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return isinstance(value, tf.Module)


def _is_tensorflows(value: Any) -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return isinstance(value, tf.Variable)


def _is_a_librarys(value: Any) -> bool:
    library = type(value).__module__.split(".")[0]
    # A tf.random.Generator has its state in an attribute.
    generator = type(value).__name__ == "Generator" and library == "tensorflow"
    return library in ("keras", "tensorflow", "jax", "numpy", "builtins") and not generator


def _dtype(variable: Any) -> str:
    return getattr(variable.dtype, "name", variable.dtype)  # TensorFlow's is no string


def _of_python(state: Mapping[str, Any]) -> tuple:
    version, numbers, gauss = state["python"]
    return version, tuple(int(number) for number in numbers), gauss


def _shared_generator() -> keras.random.SeedGenerator | None:
    """What layers without a generator of their own draw from, once one has. Asking Keras for it
    would make it, and draw its seed."""
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

    return global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
