"""Losses between classes that bear wrong labels. The truth is class numbers, or one-hot."""

from keras import ops

from tuner_app.losses.loss import ExampleLoss, log_probability, one_hot_of, registered
from tuner_app.optimizers.rule import Range

__all__ = ["GeneralizedCrossEntropy", "SymmetricCrossEntropy"]

LOG_OF_ZERO = -4.0  # A in Wang et al.: what log 0 counts in the reverse term


def generalized_cross_entropy(y_true, y_pred, *, from_logits=False, q=0.7):
    y_true, log_p = one_hot_of(y_true, y_pred), log_probability(y_pred, from_logits)
    # (1 − p^q) / q = −log p · (eᵘ − 1) / u with u = q log p, which has a value at q = 0 too
    return -ops.sum(y_true * log_p * _expm1_share(q * log_p), axis=-1)


def _expm1_share(u):
    # (eᵘ − 1) / u, by its series near 0; the quotient is kept away from 0 / 0, for its gradient
    # and the series away from infinity
    near = ops.abs(u) < 1e-2
    apart, u = ops.where(near, -1.0, u), ops.where(near, u, 0.0)
    return ops.where(near, 1 + u / 2 * (1 + u / 3 * (1 + u / 4)), ops.expm1(apart) / apart)


def symmetric_cross_entropy(y_true, y_pred, *, from_logits=False, alpha=0.1, beta=1.0):
    y_true, log_p = one_hot_of(y_true, y_pred), log_probability(y_pred, from_logits)
    p = ops.exp(log_p) if from_logits else y_pred
    log_y = ops.maximum(ops.log(ops.maximum(y_true, 1e-7)), LOG_OF_ZERO)
    # −α Σ y log p − β Σ p log y
    return -alpha * ops.sum(y_true * log_p, axis=-1) - beta * ops.sum(p * log_y, axis=-1)


@registered
class GeneralizedCrossEntropy(ExampleLoss):
    """Generalized cross-entropy for noisy labels: Σ y (1 − p^q) / q.

    Between cross-entropy (q = 0), which learns fast, and 1 − p (q = 1), which a wrong label moves
    no more than a right one.

    Args:
        from_logits: the prediction is logits, not probabilities.
        q: from 0 to 1.

    >>> loss = GeneralizedCrossEntropy(q=0.5)
    >>> print(f"{float(loss([1], [[0.75, 0.25]])):.1f}")  # (1 − √¼) / ½
    1.0

    Reference: Z. Zhang and M. Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural
    Networks with Noisy Labels", 2018.
    """

    function = staticmethod(generalized_cross_entropy)
    limits = {"q": (0.0, 1.0)}
    task = "classification"
    ranges = {"q": Range(0.1, 0.9, "linear")}


@registered
class SymmetricCrossEntropy(ExampleLoss):
    """Symmetric cross-entropy for noisy labels: −α Σ y log p − β Σ p log y, with log 0 = −4.

    Args:
        from_logits: the prediction is logits, not probabilities.
        alpha: α, of cross-entropy: more overfits wrong labels.
        beta: β, of the reverse term, which bears them.

    >>> loss = SymmetricCrossEntropy(alpha=1.0, beta=1.0)
    >>> print(f"{float(loss([1], [[0.5, 0.5]])):.4f}")  # log 2 + ½ · 4
    2.6931

    Reference: Y. Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels",
    2019.
    """

    function = staticmethod(symmetric_cross_entropy)
    task = "classification"
    ranges = {"alpha": Range(0.01, 10.0), "beta": Range(0.1, 10.0)}
