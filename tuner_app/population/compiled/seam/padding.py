"""Padding with a mirror image by lane: TensorFlow's vectorizer has no rule for it."""

import contextlib

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor


def _of_each_lane(operation):
    def convert(converted):
        paddings = converted.unstacked_input(1)
        with_lanes = tf.concat([tf.zeros([1, 2], paddings.dtype), paddings], 0)
        mode = converted.get_attr("mode")
        output = operation(input=converted.stacked_input(0), paddings=with_lanes, mode=mode)
        return pfor.wrap(output, True)

    return convert


# A TensorFlow that has a rule of its own asserts that there is no other.
with contextlib.suppress(AssertionError):
    pfor.RegisterPFor("MirrorPad")(_of_each_lane(tf.raw_ops.MirrorPad))
with contextlib.suppress(AssertionError):
    pfor.RegisterPFor("MirrorPadGrad")(_of_each_lane(tf.raw_ops.MirrorPadGrad))
