"""What a rule does in some steps only, such as an eigendecomposition in every tenth.

A condition that differs by trial becomes a selection in a stack: both sides would be computed in
every lane at every step. Here the rare side is computed for those lanes whose turn it is, one after
another, and for no other: as often as `fit` would.
"""

import contextlib
import contextvars

import keras
from keras import ops

# By this name of its operation a stack on TensorFlow knows such a condition: seam/rare.py.
NAME = "rarely"

_WANTED = contextvars.ContextVar("the results are wanted", default=None)


@contextlib.contextmanager
def wanted_where(condition):
    """While open, the rare side is computed only where this holds too, a boolean scalar; None:
    everywhere.

    For lanes of several rules in one program, where each lane keeps its own rule's results.
    """
    token = _WANTED.set(condition)
    try:
        yield
    finally:
        _WANTED.reset(token)


def rarely(condition, then, otherwise, *values):
    """`then(*values)` where the condition holds, else `otherwise(*values)`.

    Args:
        condition: a boolean scalar that holds in few steps.
        then, otherwise: pure functions of tensors, with no others from around them; they return
            nests of one structure, shapes and dtypes. `otherwise` is cheap: in a stack it is
            computed for all lanes as soon as the condition differs.
        values: tensors.

    >>> def halved(x):
    ...     return x / 2
    >>> float(rarely(ops.equal(10 % 5, 0), halved, lambda x: x, ops.ones(())))
    0.5
    """
    wanted = _WANTED.get()
    if wanted is not None:
        condition = ops.logical_and(condition, wanted)
        # Where it holds, what is rare inside is wanted; to ask again would let a tensor in.
        then, otherwise = _wanted_inside(then), _wanted_inside(otherwise)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Not by Keras's own, which is a selection in a stack.
        return tf.cond(condition, lambda: then(*values), lambda: otherwise(*values), name=NAME)
    if keras.backend.backend() == "jax":
        import jax

        if not isinstance(condition, jax.core.Tracer):
            # JAX would compile both sides at every call.
            return then(*values) if condition else otherwise(*values)
        return _on_jax(then, otherwise)(condition, *values)
    return ops.cond(condition, lambda: then(*values), lambda: otherwise(*values))


def _wanted_inside(function):
    def inside(*values):
        with wanted_where(None):
            return function(*values)

    return inside


def _on_jax(then, otherwise):
    import jax

    @jax.custom_batching.custom_vmap
    def chosen(condition, *values):
        return jax.lax.cond(condition, then, otherwise, *values)

    @chosen.def_vmap
    def of_lanes(lanes, stacked, condition, *values):
        places = [0 if one else None for one in stacked[1:]]

        def over_lanes(function):
            return lambda *values: jax.vmap(function, places, axis_size=lanes)(*values)

        every = jax.tree.map(lambda _: True, jax.eval_shape(over_lanes(otherwise), *values))
        if not stacked[0]:
            both = (over_lanes(then), over_lanes(otherwise))
            return jax.lax.cond(condition, *both, *values), every
        due = jax.numpy.argsort(~condition)

        def next_lane(i, found):
            lane = due[i]
            mine = [
                v if place is None else v[lane] for v, place in zip(values, places, strict=True)
            ]
            return jax.tree.map(lambda a, b: a.at[lane].set(b), found, then(*mine))

        first = over_lanes(otherwise)(*values)
        return jax.lax.fori_loop(0, jax.numpy.sum(condition), next_lane, first), every

    return chosen
