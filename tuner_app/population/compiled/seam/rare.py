"""What a rule does rarely, by lane: `tuner_app.optimizers.rarely` on TensorFlow.

TensorFlow's own vectorized condition sorts the lanes into two groups of unknown size, which XLA
does not compile. Here the rare side is a loop over the lanes whose turn it is.
"""

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

from tuner_app.optimizers.rarely import NAME


def converters() -> dict:
    """TensorFlow's table of vectorized operations, with conditions as they are wanted here."""
    known = pfor._pfor_converter_registry
    ours = {name: _of_due_lanes(known[name]) for name in ("If", "StatelessIf")}
    return {**known, **ours}


def _of_due_lanes(convert):
    """The converter `convert`, replaced for conditions of that name that differ by lane."""

    def converted(one):
        due, differs, _ = one.input(0)
        if not differs or one.op.name.rsplit("/", 1)[-1].rsplit("_", 1)[0] != NAME:
            return convert(one)
        inputs = one.inputs[1:]
        first = pfor._outputs_for_branch(one.get_attr("else_branch").name, None, one, inputs)
        then = one.op.graph._get_function(one.get_attr("then_branch").name)
        order = tf.argsort(tf.cast(due, tf.int32), direction="DESCENDING")
        count = tf.reduce_sum(tf.cast(due, tf.int32))

        def next_lane(i, found):
            lane = order[i]
            # A slice would make a constant of `lane` to XLA, and each other turn another program.
            mine = then.call_flat(*(tf.gather(x.t, lane) if x.is_stacked else x.t for x in inputs))
            place = tf.reshape(lane, [1, 1])
            new = [
                tf.tensor_scatter_nd_update(a, place, b[None])
                for a, b in zip(found, tf.nest.flatten(mine), strict=True)
            ]
            return i + 1, new

        _, found = tf.while_loop(lambda i, _: i < count, next_lane, (tf.constant(0), first))
        return [pfor.wrap(x, True) for x in found]

    return converted
