"""The CTC loss on TensorFlow, whose own scatters labels in a way that has no stacked form.

Graves, Fernández, Gomez and Schmidhuber, "Connectionist temporal classification", 2006, section
4.1: the forward variables, in logarithms, one time step after another.
"""

import tensorflow as tf

from tuner_app.population.errors import CannotStack

LONGEST = 256  # time steps, which are unrolled
_NEVER = -1e30  # the logarithm of zero, without the NaNs that infinity has for gradients


def ctc_loss(target, output, target_length, output_length, mask_index=0):
    """float32 of shape (batch,): minus the logarithm of the targets' probability.

    Args:
        target: int (batch, labels); output: logits (batch, steps, classes).
        target_length, output_length: int (batch,).
        mask_index: the blank's class.

    >>> loss = ctc_loss([[1]], tf.zeros([1, 2, 2]), [1], [2])  # "1-", "-1" and "11" of four
    >>> round(float(loss[0]), 6) == round(-float(tf.math.log(3 / 4)), 6)
    True
    """
    output, target = tf.convert_to_tensor(output), tf.cast(target, tf.int32)
    target_length, output_length = (
        tf.cast(length, tf.int32)[:, None] for length in (target_length, output_length)
    )
    batch, steps, classes = output.shape
    if steps > LONGEST:
        raise CannotStack(f"the CTC loss of more than {LONGEST} time steps")
    # A blank before each label, and one after the last.
    blank = tf.fill([batch, 1], mask_index)
    labels = tf.unstack(target, axis=1)
    states = tf.concat([p for label in labels for p in (blank, label[:, None])] + [blank], 1)
    before = tf.concat([blank, blank, states[:, :-2]], 1)
    skips = (states != mask_index) & (states != before)
    chosen = tf.one_hot(states, classes)
    scores = tf.matmul(tf.nn.log_softmax(tf.cast(output, tf.float32)), chosen, transpose_b=True)
    place = tf.range(2 * len(labels) + 1)[None]
    reached = tf.where(place < 2, scores[:, 0], _NEVER)
    for step in range(1, steps):
        one, two = (_later(reached, by) for by in (1, 2))
        ways = tf.stack([reached, one, tf.where(skips, two, _NEVER)])
        further = tf.reduce_logsumexp(ways, 0) + scores[:, step]
        reached = tf.where(step < output_length, further, reached)
    ends = (place == 2 * target_length) | (place == 2 * target_length - 1)
    return -tf.reduce_logsumexp(tf.where(ends, reached, _NEVER), 1)


def _later(reached, by):
    return tf.concat([tf.fill([reached.shape[0], by], _NEVER), reached[:, :-by]], 1)
