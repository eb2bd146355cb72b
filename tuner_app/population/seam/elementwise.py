"""Elementwise functions whose TensorFlow form has no vectorized kernel."""

import tensorflow as tf


def signbit(x):
    """Whether the sign is negative, -0.0 included. (Keras's looks at the bits.)

    >>> signbit(tf.constant([-1.0, -0.0, 0.0, 2.0])).numpy().tolist()
    [True, True, False, False]
    """
    x = tf.convert_to_tensor(x)
    if x.dtype.is_bool:
        return tf.zeros_like(x)
    if x.dtype.is_integer:
        return x < 0
    # 1 / -0.0 is minus infinity.
    return tf.where(tf.equal(x, 0), 1 / x < 0, x < 0)
