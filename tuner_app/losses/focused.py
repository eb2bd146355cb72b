"""Cross-entropies that weigh an example by how right it already is: focal and polynomial."""

from keras import ops

from tuner_app.losses.loss import (
    ExampleLoss,
    continued_log,
    log_probability,
    one_hot_of,
    registered,
    same_shape,
)
from tuner_app.optimizers.rule import Range

__all__ = ["BinaryFocal", "CategoricalFocal", "CategoricalPoly"]


def _smoothed_parts(y_true, y_pred, from_logits, label_smoothing):
    """The smoothed truth, log p, and 1 − p without cancellation."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = one_hot_of(y_true, y_pred)
    # y ← (1 − s) y + s / C
    y_true = (1 - label_smoothing) * y_true + label_smoothing / y_pred.shape[-1]
    log_p = log_probability(y_pred, from_logits)
    return y_true, log_p, -ops.expm1(log_p) if from_logits else 1 - y_pred


def _power(not_p, gamma):
    # (1 − p)^γ as exp(γ log(1 − p)), whose gradient is finite at p = 1 for every γ ≥ 0
    return ops.exp(gamma * continued_log(not_p))


def categorical_focal(
    y_true, y_pred, *, from_logits=False, alpha=0.25, gamma=2.0, label_smoothing=0.0
):
    y, log_p, not_p = _smoothed_parts(y_true, y_pred, from_logits, label_smoothing)
    # −α Σ y (1 − p)^γ log p
    return -alpha * ops.sum(y * _power(not_p, gamma) * log_p, axis=-1)


def binary_focal(y_true, y_pred, *, from_logits=False, alpha=0.25, gamma=2.0):
    y, y_pred = same_shape(y_true, y_pred)
    if from_logits:
        # Stable form of log σ(z) and log(1 − σ(z)): −log(1 + e⁻ᶻ) and −log(1 + eᶻ)
        log_p, log_not_p = -ops.softplus(-y_pred), -ops.softplus(y_pred)
        easy, hard = ops.exp(gamma * log_not_p), ops.exp(gamma * log_p)
    else:
        log_p, log_not_p = continued_log(y_pred), continued_log(1 - y_pred)
        easy, hard = _power(1 - y_pred, gamma), _power(y_pred, gamma)
    # −mean [α y (1 − p)^γ log p + (1 − α) (1 − y) p^γ log(1 − p)]
    return -ops.mean(alpha * y * easy * log_p + (1 - alpha) * (1 - y) * hard * log_not_p, axis=-1)


def categorical_poly(
    y_true, y_pred, *, from_logits=False, epsilon=1.0, gamma=0.0, label_smoothing=0.0
):
    y, log_p, not_p = _smoothed_parts(y_true, y_pred, from_logits, label_smoothing)
    # Σ y (1 − p)^γ (−log p + ε (1 − p))
    return ops.sum(y * _power(not_p, gamma) * (epsilon * not_p - log_p), axis=-1)


@registered
class CategoricalFocal(ExampleLoss):
    """Focal loss: cross-entropy that counts examples already right less, −α Σ y (1 − p)^γ log p.

    The truth is class numbers, or one-hot.

    Args:
        from_logits: the prediction is logits, not probabilities.
        alpha: α, a factor on the whole.
        gamma: γ; 0 gives α times the cross-entropy.
        label_smoothing: s, from 0 to 1: the truth becomes (1 − s) y + s / classes.

    >>> loss = CategoricalFocal(alpha=1.0, gamma=2.0)
    >>> print(f"{float(loss([[0.0, 1.0]], [[0.5, 0.5]])):.4f}")  # ¼ log 2
    0.1733

    Reference: T.-Y. Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """

    function = staticmethod(categorical_focal)
    limits = {"label_smoothing": (0.0, 1.0)}
    task = "classification"
    # Lin et al. try γ from 0 to 5; α is a factor on the whole, as the learning rate is.
    ranges = {"gamma": Range(0.0, 5.0, "linear"), "label_smoothing": Range(0.0, 0.2, "linear")}


@registered
class BinaryFocal(ExampleLoss):
    """Focal loss of independent yes-or-no outputs, balanced by alpha.

    −mean [α y (1 − p)^γ log p + (1 − α) (1 − y) p^γ log(1 − p)].

    Args:
        from_logits: the prediction is logits, not probabilities.
        alpha: α, from 0 to 1: the weight of yes; 1 − α is that of no.
        gamma: γ; 0 gives the balanced cross-entropy.

    >>> loss = BinaryFocal(alpha=0.5, gamma=2.0)
    >>> print(f"{float(loss([[1.0]], [[0.5]])):.4f}")  # ⅛ log 2
    0.0866

    Reference: T.-Y. Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """

    function = staticmethod(binary_focal)
    limits = {"alpha": (0.0, 1.0)}


@registered
class CategoricalPoly(ExampleLoss):
    """PolyLoss (Poly-1): cross-entropy whose first polynomial coefficient is changed by epsilon.

    −log p is the series Σ (1 − p)^j / j; the loss is Σ y (1 − p)^γ (−log p + ε (1 − p)).
    Cross-entropy (ε = γ = 0), focal loss (ε = 0) and label smoothing are among its values, so one
    search can choose between them by numbers alone. The truth is class numbers, or one-hot.

    Args:
        from_logits: the prediction is logits, not probabilities.
        epsilon: ε, from −1.
        gamma: γ; 0 gives the Poly-1 of cross-entropy, others that of focal loss.
        label_smoothing: s, from 0 to 1: the truth becomes (1 − s) y + s / classes.

    >>> loss = CategoricalPoly(epsilon=2.0)
    >>> print(f"{float(loss([1], [[0.5, 0.5]])):.4f}")  # log 2 + 2 · ½
    1.6931

    Reference: Z. Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss
    Functions", 2022.
    """

    function = staticmethod(categorical_poly)
    limits = {"epsilon": (-1.0, float("inf")), "label_smoothing": (0.0, 1.0)}
    task = "classification"
    # Leng et al. try ε from −1 to 8, and settle on 2 and below.
    ranges = {
        "epsilon": Range(-0.9, 5.0, "linear"),
        "gamma": Range(0.0, 3.0, "linear"),
        "label_smoothing": Range(0.0, 0.2, "linear"),
    }
