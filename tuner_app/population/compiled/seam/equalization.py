"""Equalization's table of levels, without asking where a lane's first pixel level is."""

import tensorflow as tf


def apply_equalization(self, channel, hist):
    """`Equalization._apply_equalization`: levels so that their distribution is an even one.

    Args:
        channel: float (batch, height, width), 0 to 255; hist: int (bins,), how often each occurs.
    """
    reached = tf.cumsum(hist)
    whole = reached[-1]
    least = tf.reduce_min(tf.where(reached > 0, reached, whole))
    levels = (reached - least) * 255 / tf.maximum(whole - least, 1)
    levels = tf.clip_by_value(tf.round(tf.cast(levels, channel.dtype)), 0, 255)
    places = tf.clip_by_value(channel / 255.0 * (self.bins - 1), 0, self.bins - 1)
    return tf.gather(levels, tf.cast(places, tf.int32))
