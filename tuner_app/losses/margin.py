"""Losses that ask a score to win by a margin."""

from keras import ops

from tuner_app.losses.loss import ExampleLoss, one_hot_of, registered
from tuner_app.optimizers.rule import Range

__all__ = ["MulticlassHinge"]


def multiclass_hinge(y_true, y_pred, *, margin=1.0):
    scores = ops.convert_to_tensor(y_pred)
    one_hot = one_hot_of(y_true, scores)
    # Σ_{j≠y} max(0, s_j − s_y + Δ)
    true_score = ops.sum(one_hot * scores, axis=-1, keepdims=True)
    return ops.sum((1 - one_hot) * ops.relu(scores - true_score + margin), axis=-1)


@registered
class MulticlassHinge(ExampleLoss):
    """Multi-class hinge (SVM): the sum over wrong classes of max(0, s_j − s_y + margin).

    The truth is class numbers, or one-hot. Every class within the margin counts, as in Weston and
    Watkins; Keras's `CategoricalHinge` counts only the worst one.

    Args:
        margin: Δ, in the units of the scores.

    >>> loss = MulticlassHinge()
    >>> print(f"{float(loss([0], [[3.2, 5.1, -1.7]])):.1f}")
    2.9

    Reference: J. Weston and C. Watkins, "Support Vector Machines for Multi-Class Pattern
    Recognition", 1999.
    """

    function = staticmethod(multiclass_hinge)
    task = "classification"
    ranges = {"margin": Range(0.1, 10.0)}
