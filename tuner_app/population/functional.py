"""Any Keras optimizer as a function, on TensorFlow too.

Keras's optimizers are written against `BaseOptimizer`, whose `stateless_apply` is a function of
tensors; TensorFlow's own base class replaces a few methods by ones that need `tf.Variable` (for
`tf.distribute`). Inside `functional_optimizers()` those few are `BaseOptimizer`'s again, for every
optimizer at once, built-in or the user's own subclass, so an override in a subclass still counts.
Their conditions (gradient accumulation, loss scaling) are selections by the seam. On JAX nothing
has to be replaced.
"""

import contextlib

import keras
from keras.src.optimizers.base_optimizer import BaseOptimizer

_GENERIC = (
    "stateless_apply",
    "assign",
    "assign_add",
    "assign_sub",
    "_apply_weight_decay",
    "_backend_update_step",
    "_backend_increment_gradient_accumulators",
    "_overwrite_model_variables_with_average_value",
    "_clip_by_norm",
)


@contextlib.contextmanager
def functional_optimizers():
    """While open, `apply_gradients` works on any optimizer on this backend."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    from keras.src.backend.tensorflow.optimizer import TFOptimizer

    replaced = {name: getattr(BaseOptimizer, name) for name in _GENERIC}
    replaced["_var_key"] = _variable_key
    # Some of these TFOptimizer inherits: then what was put in its place is deleted again.
    kept = {name: vars(TFOptimizer).get(name) for name in replaced}
    for name, method in replaced.items():
        setattr(TFOptimizer, name, method)
    try:
        yield
    finally:
        for name, method in kept.items():
            if method is None:
                delattr(TFOptimizer, name)
            else:
                setattr(TFOptimizer, name, method)


def apply_gradients(optimizer, slots, gradients, weights):
    """One update of one lane.

    Args:
        optimizer: a built Keras optimizer.
        slots: the values of `optimizer.variables`, in order.
        gradients, weights: tensors, one for each trainable variable; a gradient may be None.

    Returns (weights, slots), both updated.
    """
    return optimizer.stateless_apply(slots, gradients, weights)


def _variable_key(self, variable):
    """TensorFlow's key, from the variable itself and not its value in a stateless scope."""
    value = getattr(variable, "_value", variable)
    return getattr(value, "_unique_id", id(variable))
