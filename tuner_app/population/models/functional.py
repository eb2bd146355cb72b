"""Any Keras optimizer as a function, on TensorFlow too.

Keras's optimizers are written against `BaseOptimizer`, whose `stateless_apply` is a function of
tensors; TensorFlow's own base class replaces a few methods by ones that need `tf.Variable` (for
`tf.distribute`). Inside `functional_optimizers()` those few are `BaseOptimizer`'s again, for every
optimizer at once, built-in or the user's own subclass, so an override in a subclass still counts.
Their conditions (gradient accumulation, loss scaling) are selections by the seam. On JAX nothing
has to be replaced.

On TensorFlow a variable's `value` is the variable: read after an assignment it gives what was
assigned. Keras's ScheduleFreeAdamW keeps one as "momentum_old" and reads it afterwards, so what it
computes there is not what it computes on JAX. `fit` is what a stack is held to: here too the value
is read late.
"""

import contextlib
import functools

import keras
from keras.src.optimizers.base_optimizer import BaseOptimizer

from tuner_app.population.backend.swapping import swapped

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

    schedule_free = keras.optimizers.ScheduleFreeAdamW
    late = _reading_late(schedule_free.update_step, "_momentums")
    generic = [(TFOptimizer, name, getattr(BaseOptimizer, name)) for name in _GENERIC]
    own = [(TFOptimizer, "_var_key", _variable_key), (schedule_free, "update_step", late)]
    with swapped([*generic, *own]):
        yield


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


def _reading_late(update_step, slots):
    """`update_step` of an optimizer, which sees the values of its `slots` when it uses them."""

    @functools.wraps(update_step)
    def update(self, gradient, variable, learning_rate):
        kept = vars(self)[slots]
        # Straight into __dict__: Keras's attribute tracking would see it otherwise.
        vars(self)[slots] = [None if slot is None else _Late(slot) for slot in kept]
        try:
            return update_step(self, gradient, variable, learning_rate)
        finally:
            vars(self)[slots] = kept

    return update


class _Late:
    """A Keras variable whose `value` is itself: it becomes a tensor where it is used."""

    def __init__(self, variable):
        self._variable = variable

    @property
    def value(self):
        return self

    def __tf_tensor__(self, dtype=None, name=None):
        return keras.ops.convert_to_tensor(self._variable.value, dtype)

    def __getattr__(self, name):
        return getattr(self._variable, name)
