"""Any Keras optimizer as a function, on TensorFlow too.

Keras's optimizers are written against `BaseOptimizer`, whose `stateless_apply` is a function of
tensors; TensorFlow's own base class replaces a few methods by ones that need `tf.Variable` (for
`tf.distribute`). Inside `functional_optimizers()` those few are `BaseOptimizer`'s again, for every
optimizer at once, built-in or the user's own subclass, so an override in a subclass still counts.
On JAX nothing has to be replaced, except that a condition around a whole update is a selection.
"""

import contextlib

import keras
from keras import ops
from keras.src.optimizers.base_optimizer import BaseOptimizer

_GENERIC = (
    "stateless_apply",
    "assign",
    "assign_add",
    "assign_sub",
    "_apply_weight_decay",
    "_backend_update_step",
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
    replaced["_backend_apply_gradients"] = _apply_gradients
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
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return _apply_scaled(optimizer, slots, gradients, weights)
    return optimizer.stateless_apply(slots, gradients, weights)


def _variable_key(self, variable):
    """TensorFlow's key, from the variable itself and not its value in a stateless scope."""
    return getattr(variable, "_value", variable)._unique_id


def _select(condition, then, otherwise):
    return [ops.where(condition, a, b) for a, b in zip(then, otherwise, strict=True)]


def _apply_gradients(self, gradients, variables):
    """`BaseOptimizer._backend_apply_gradients` with each condition as a selection.

    Follows the JAX backend's: both outcomes are computed, and one is kept.
    """
    steps = self.gradient_accumulation_steps
    if steps:
        due = ops.equal((self._iterations + 1) % steps, 0)
        accumulators = [self._accumulated_gradients[self._get_variable_index(v)] for v in variables]
        touched = [*variables, *self.variables]
        before = [ops.convert_to_tensor(v) for v in touched]
        sums = [g + a for g, a in zip(gradients, accumulators, strict=True)]
        gradients = [s / steps for s in sums]
    gradients = self._clip_gradients(gradients)
    self._apply_weight_decay(variables)
    self._backend_update_step(gradients, variables, self.learning_rate)
    if steps:
        after = [ops.convert_to_tensor(v) for v in touched]
        for v, value in zip(touched, _select(due, after, before), strict=True):
            v.assign(value)
        for a, s in zip(accumulators, sums, strict=True):
            a.assign(ops.where(due, ops.zeros_like(s), s))
    if self.use_ema:
        self._update_model_variables_moving_average(self._trainable_variables)
        if self.ema_overwrite_frequency:
            due = ops.equal((self.iterations + 1) % self.ema_overwrite_frequency, 0)
            averages = self._model_variables_moving_average
            for v, average in zip(self._trainable_variables, averages, strict=True):
                if average is not None:
                    v.assign(ops.where(due, average, v))


def _apply_scaled(optimizer, slots, gradients, weights):
    """`LossScaleOptimizer.stateless_apply`, its conditions as selections."""
    own, inner = list(slots[: len(optimizer._variables)]), slots[len(optimizer._variables) :]
    values = dict(zip((id(v) for v in optimizer._variables), own, strict=True))
    counter = values[id(optimizer.step_counter)]
    scale = values[id(optimizer.dynamic_scale)]
    finite = optimizer.check_finite(gradients)
    unscaled = [g if g is None else ops.divide(g, ops.cast(scale, g.dtype)) for g in gradients]
    new_weights, new_inner = apply_gradients(optimizer.inner_optimizer, inner, unscaled, weights)
    grow = ops.equal(counter, optimizer.dynamic_growth_steps - 1)
    values[id(optimizer.step_counter)] = ops.where(
        ops.logical_and(finite, ops.logical_not(grow)), counter + 1, ops.zeros_like(counter)
    )
    values[id(optimizer.dynamic_scale)] = ops.where(
        finite, ops.where(grow, scale * 2.0, scale), scale * 0.5
    )
    own = [values[id(v)] for v in optimizer._variables]
    return _select(finite, new_weights, weights), own + _select(finite, new_inner, inner)
