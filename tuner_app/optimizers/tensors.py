"""Values of variables, as rules and configurations want them."""

import keras
from keras import ops


def dense(x, dtype):
    """The value of x as a dense tensor. A sparse gradient (of an Embedding) becomes dense."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
    return ops.cast(x, dtype)


def sign(x):
    """1, 0 or −1; NaN where x is, of which torch's own makes 0, so that nobody would see it."""
    found = ops.sign(x)
    return ops.where(x == x, found, x) if keras.backend.backend() == "torch" else found


def plain(variable):
    """A scalar variable as the shortest Python float that means the same: 0.8, not 0.80000001."""
    return float(str(keras.ops.convert_to_numpy(variable)))
