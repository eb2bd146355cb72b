"""Small numeric functions whose TensorFlow form has no vectorized kernel."""

import math

import tensorflow as tf

from tuner_app.population.errors import CannotStack


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


def leaky_relu(x, negative_slope=0.2):
    """x where it is positive, else its part `negative_slope`, which may be a tensor.

    >>> leaky_relu(tf.constant([-2.0, 0.0, 3.0]), tf.constant(0.5)).numpy().tolist()
    [-1.0, 0.0, 3.0]
    """
    x = tf.convert_to_tensor(x)
    return tf.where(x > 0, x, negative_slope * x)


def bincount(x, weights=None, minlength=0, sparse=False):
    """How often, or of what weight, each of 0 .. minlength - 1 is on the last axis of x.

    >>> bincount([[0, 2, 2], [1, 1, 1]], minlength=3).numpy().tolist()
    [[1, 0, 2], [0, 3, 0]]
    """
    if not minlength or sparse:
        raise CannotStack("bincount has no stacked form without a minlength, or sparse")
    dtype = tf.int32 if weights is None else tf.convert_to_tensor(weights).dtype
    places = tf.one_hot(tf.cast(x, tf.int32), minlength, dtype=dtype)
    if weights is not None:
        places *= tf.convert_to_tensor(weights)[..., None]
    return tf.reduce_sum(places, -2)


def dense_bincount(inputs, depth, binary_output, dtype, count_weights=None):
    """`bincount` as Keras's CategoryEncoding asks for it; binary_output: whether, not how often.

    >>> dense_bincount(tf.constant([[0, 2, 2]]), 3, True, "float32").numpy().tolist()
    [[1.0, 0.0, 1.0]]
    """
    counts = tf.cast(bincount(inputs, count_weights, depth), dtype)
    return tf.minimum(counts, 1) if binary_output else counts


def scatter(indices, values, shape):
    """An array of `shape` (static) with the values added at the indices, zero elsewhere.

    >>> scatter([[0, 1], [1, 0], [0, 1]], tf.constant([1, 2, 3]), (2, 2)).numpy().tolist()
    [[0, 4], [2, 0]]
    """
    shape = [int(d) for d in (tf.get_static_value(shape) if tf.is_tensor(shape) else shape)]
    indices = tf.cast(indices, tf.int32)
    depth = indices.shape[-1]
    strides = [math.prod(shape[i + 1 : depth]) for i in range(depth)]
    places = tf.reduce_sum(indices * tf.constant(strides, tf.int32), -1)
    total = math.prod(shape[:depth])
    return tf.reshape(tf.math.unsorted_segment_sum(values, places, total), shape)
