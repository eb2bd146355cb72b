"""Small numeric functions whose TensorFlow form has no vectorized kernel."""

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


def in_top_k(targets, predictions, k):
    """Whether the target's prediction is among the k largest, ties counted as inside.

    >>> x = tf.constant([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])
    >>> in_top_k([2, 1], x, 1).numpy().tolist(), in_top_k([2, 1], x, 2).numpy().tolist()
    ([False, True], [True, True])
    """
    predictions = tf.convert_to_tensor(predictions)
    chosen = tf.one_hot(targets, predictions.shape[-1], dtype=predictions.dtype)
    own = tf.reduce_sum(tf.where(chosen > 0, predictions, 0), -1, keepdims=True)
    larger = tf.reduce_sum(tf.cast(predictions > own, tf.int32), -1)
    finite = tf.reduce_all(tf.math.is_finite(predictions), -1)
    return (larger < k) & finite & (tf.reduce_sum(chosen, -1) > 0)
