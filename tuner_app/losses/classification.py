"""Losses between classes, from probabilities or from logits.

Where the plain formula has log 0, the logarithm is continued below 1e-7 by its tangent. So a
probability of exactly 0 or 1 gives a finite value, and a confident mistake keeps a gradient that
leads away from it; clipping, Keras's way, gives the same finite values to within 1 and no gradient.
From logits nothing of the kind is needed: use logits where you can.
"""

from keras import ops

from tuner_app.losses.loss import (
    ExampleLoss,
    continued_log,
    labels_of,
    log_probability,
    registered,
    same_shape,
)
from tuner_app.optimizers.rule import Range

__all__ = [
    "BinaryCrossEntropy",
    "CategoricalCrossEntropy",
    "KLDivergence",
    "SparseCategoricalCrossEntropy",
]


def categorical_cross_entropy(y_true, y_pred, *, from_logits=False, label_smoothing=0.0):
    y_true, y_pred = same_shape(y_true, y_pred)
    # y ← (1 − s) y + s / C
    y_true = (1 - label_smoothing) * y_true + label_smoothing / y_pred.shape[-1]
    # −Σ y log p
    return -ops.sum(y_true * log_probability(y_pred, from_logits), axis=-1)


def sparse_categorical_cross_entropy(y_true, y_pred, *, from_logits=False, label_smoothing=0.0):
    labels = labels_of(y_true, y_pred)
    log_p = log_probability(y_pred, from_logits)
    log_p_true = ops.squeeze(
        ops.take_along_axis(log_p, ops.expand_dims(labels, -1), axis=-1), axis=-1
    )
    # −(1 − s) log p_y − s mean(log p)
    return -(1 - label_smoothing) * log_p_true - label_smoothing * ops.mean(log_p, axis=-1)


def binary_cross_entropy(y_true, y_pred, *, from_logits=False, label_smoothing=0.0):
    y_true, y_pred = same_shape(y_true, y_pred)
    # y ← (1 − s) y + s / 2
    y_true = (1 - label_smoothing) * y_true + 0.5 * label_smoothing
    if from_logits:
        # Stable form of −log σ(z) and −log(1 − σ(z)): log(1 + e⁻ᶻ) and log(1 + eᶻ)
        log_p, log_not_p = -ops.softplus(-y_pred), -ops.softplus(y_pred)
    else:
        log_p, log_not_p = continued_log(y_pred), continued_log(1 - y_pred)
    # −mean [y log p + (1 − y) log(1 − p)]
    return -ops.mean(y_true * log_p + (1 - y_true) * log_not_p, axis=-1)


def kl_divergence(y_true, y_pred, *, from_logits=False):
    y_true, y_pred = same_shape(y_true, y_pred)
    # Σ y (log y − log p); a y of 0 adds nothing
    return ops.sum(y_true * (continued_log(y_true) - log_probability(y_pred, from_logits)), axis=-1)


@registered
class CategoricalCrossEntropy(ExampleLoss):
    """Cross-entropy with one-hot (or soft) truth: −Σ y log p.

    Probabilities are taken as they are; Keras first divides them by their sum.

    Args:
        from_logits: the prediction is logits, not probabilities.
        label_smoothing: s, from 0 to 1: the truth becomes (1 − s) y + s / classes.

    >>> loss = CategoricalCrossEntropy(from_logits=True)
    >>> print(f"{float(loss([[0.0, 1.0]], [[0.0, 0.0]])):.4f}")  # log 2
    0.6931
    """

    function = staticmethod(categorical_cross_entropy)


@registered
class SparseCategoricalCrossEntropy(ExampleLoss):
    """Cross-entropy with class numbers as truth: −log p_y.

    Args:
        from_logits: the prediction is logits, not probabilities.
        label_smoothing: s, from 0 to 1: the truth becomes (1 − s) y + s / classes.

    >>> loss = SparseCategoricalCrossEntropy(from_logits=True)
    >>> print(f"{float(loss([1], [[0.0, 0.0]])):.4f}")
    0.6931
    """

    function = staticmethod(sparse_categorical_cross_entropy)
    task = "classification"
    ranges = {"label_smoothing": Range(0.0, 0.2, "linear")}


@registered
class BinaryCrossEntropy(ExampleLoss):
    """Cross-entropy of independent yes-or-no outputs: −mean [y log p + (1 − y) log(1 − p)].

    Args:
        from_logits: the prediction is logits, not probabilities.
        label_smoothing: s, from 0 to 1: the truth becomes (1 − s) y + s / 2.

    >>> loss = BinaryCrossEntropy()
    >>> print(f"{float(loss([[1.0]], [[0.5]])):.4f}")
    0.6931
    """

    function = staticmethod(binary_cross_entropy)


@registered
class KLDivergence(ExampleLoss):
    """Kullback-Leibler divergence of the prediction from the truth: Σ y (log y − log p).

    Args:
        from_logits: the prediction is logits, not probabilities.

    >>> loss = KLDivergence()
    >>> print(f"{float(loss([[0.0, 1.0]], [[0.5, 0.5]])):.4f}")
    0.6931

    Reference: S. Kullback and R. A. Leibler, "On Information and Sufficiency", 1951.
    """

    function = staticmethod(kl_divergence)
