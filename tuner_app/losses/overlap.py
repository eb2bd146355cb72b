"""Losses by the overlap of a predicted region and the true one.

Everything of one example, its pixels and channels, is one region: one value an example, while
Keras's own add up the whole batch by default, so that sample weights have no meaning.
"""

from keras import ops

from tuner_app.losses.loss import ExampleLoss, registered, same_shape

__all__ = ["Dice", "Tversky"]


def tversky(y_true, y_pred, *, from_logits=False, alpha=0.5, beta=0.5, smooth=1.0):
    y, p = same_shape(y_true, y_pred)
    if from_logits:
        p = ops.sigmoid(p)
    inside = tuple(range(1, len(p.shape)))
    hit = ops.sum(y * p, axis=inside)
    false_alarm, miss = ops.sum((1 - y) * p, axis=inside), ops.sum(y * (1 - p), axis=inside)
    # 1 − (Σ yp + s) / (Σ yp + α Σ (1 − y)p + β Σ y(1 − p) + s), written as what is missed, so that
    # little of it keeps its digits. With s > 0 no empty region divides by zero.
    missed = alpha * false_alarm + beta * miss
    return missed / (hit + missed + ops.maximum(smooth * ops.ones_like(hit), 1e-7))


def dice(y_true, y_pred, *, from_logits=False, smooth=1.0):
    # 1 − (2 Σ yp + s) / (Σ y + Σ p + s): Tversky's with α = β = ½, and half of s
    return tversky(y_true, y_pred, from_logits=from_logits, smooth=0.5 * smooth)


@registered
class Dice(ExampleLoss):
    """Dice: 1 − (2 Σ yp + s) / (Σ y + Σ p + s) over all of an example, for segmentation.

    Args:
        from_logits: the prediction is logits of independent yes-or-no outputs.
        smooth: s, which keeps an example without a region from counting in full.

    >>> loss = Dice(smooth=0.0)
    >>> print(f"{float(loss([[1.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])):.4f}")  # 1 − 2 / 3
    0.3333

    Reference: F. Milletari et al., "V-Net: Fully Convolutional Neural Networks for Volumetric
    Medical Image Segmentation", 2016.
    """

    function = staticmethod(dice)


@registered
class Tversky(ExampleLoss):
    """Tversky: Dice that counts false alarms (alpha) and misses (beta) differently.

    1 − (Σ yp + s) / (Σ yp + α Σ (1 − y)p + β Σ y(1 − p) + s) over all of an example.

    Args:
        from_logits: the prediction is logits of independent yes-or-no outputs.
        alpha: α, of what is predicted and not true.
        beta: β, of what is true and not predicted; 0.7 beside an α of 0.3 finds small regions.
        smooth: s, which keeps an example without a region from counting in full.

    >>> loss = Tversky(alpha=0.0, beta=1.0, smooth=0.0)
    >>> print(f"{float(loss([[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]])):.1f}")  # half is missed
    0.5

    Reference: S. Salehi et al., "Tversky Loss Function for Image Segmentation Using 3D Fully
    Convolutional Deep Networks", 2017.
    """

    function = staticmethod(tversky)
