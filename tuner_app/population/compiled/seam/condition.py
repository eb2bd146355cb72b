"""A condition as a selection: both outcomes are computed, and each lane keeps one."""

import numpy as np
import tensorflow as tf
from keras import tree
from keras.src.backend.common.stateless_scope import get_stateless_scope

from tuner_app.population.errors import CannotStack


def cond(pred, true_fn, false_fn):
    """`keras.ops.cond` on TensorFlow for a predicate that may differ by lane.

    Variables assigned in a branch keep the value of the branch taken.
    """
    known = pred if isinstance(pred, (bool, np.bool_)) else tf.get_static_value(pred)
    if known is not None:
        return true_fn() if known else false_fn()
    scope = get_stateless_scope()
    if scope is None:  # no variables, as where a scaled loss decides over an optimizer's update
        return _chosen(pred, true_fn(), false_fn())
    before = scope.state_mapping
    scope.state_mapping = dict(before)
    then, after_then = true_fn(), scope.state_mapping
    scope.state_mapping = dict(before)
    otherwise, after_otherwise = false_fn(), scope.state_mapping
    scope.state_mapping = dict(before)
    for variable in {**after_then, **after_otherwise}:
        a, b = after_then.get(variable), after_otherwise.get(variable)
        if a is None or b is None:
            raise CannotStack("it changes a variable that no layer, metric or optimizer owns")
        scope.state_mapping[variable] = a if a is b else tf.where(pred, a, b)
    return _chosen(pred, then, otherwise)


def _chosen(pred, then, otherwise):
    if then is None or otherwise is None:
        return None
    return tree.map_structure(lambda a, b: tf.where(pred, a, b), then, otherwise)
