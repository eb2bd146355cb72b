"""Losses between embeddings: of an example and its truth, of a pair, of three."""

from keras import ops

from tuner_app.errors import UserError
from tuner_app.losses.loss import ExampleLoss, registered, same_shape

__all__ = ["Contrastive", "CosineDistance", "Triplet"]

LARGEST = 1e38  # the largest squared distance that is told from others


def cosine_distance(y_true, y_pred):
    y_true, y_pred = same_shape(y_true, y_pred)
    # 1 − y·ŷ / (‖y‖ ‖ŷ‖)
    return 1 - ops.sum(_direction(y_true) * _direction(y_pred), axis=-1)


def _by_largest(x):
    # x / max |xᵢ|, and what it was divided by; the zero vector stays as it is
    largest = ops.max(ops.abs(x), axis=-1, keepdims=True)
    largest = ops.stop_gradient(ops.where(largest > 0, largest, 1.0))
    return x / largest, largest


def _direction(x):
    # x / ‖x‖, with the largest |xᵢ| taken out first, so that no square overflows or vanishes
    scaled, _ = _by_largest(x)
    square = ops.sum(ops.square(scaled), axis=-1, keepdims=True)
    return scaled * ops.rsqrt(ops.where(square > 0, square, 1.0))


def contrastive(y_true, y_pred, *, margin=1.0):
    one, other = _of(y_pred, 2, "Contrastive", "pair")
    y_true = ops.cast(ops.reshape(y_true, (-1,)), one.dtype)
    apart = one - other
    # y d², with y taken in first: 0 where y is 0, were d² infinite
    drawn = ops.sum(ops.expand_dims(y_true, -1) * apart * apart, axis=-1)
    # d, with the largest difference taken out, so that no square overflows or vanishes. Its slope
    # at 0 is 0, where the root's is infinite.
    scaled, largest = _by_largest(apart)
    square = ops.sum(ops.square(scaled), axis=-1)
    root = ops.where(square > 0, ops.sqrt(ops.where(square > 0, square, 1.0)), 0.0)
    distance = ops.squeeze(largest, -1) * root
    # y d² + (1 − y) max(0, m − d)²
    return drawn + (1 - y_true) * ops.square(ops.relu(margin - distance))


def triplet(y_true, y_pred, *, margin=0.2):
    anchor, positive, negative = _of(y_pred, 3, "Triplet", "triplet")
    near = ops.sum(ops.square(anchor - positive), axis=-1)
    far = ops.sum(ops.square(anchor - negative), axis=-1)
    # max(0, ‖a − p‖² − ‖a − n‖² + m); infinite squares would have no difference
    return ops.relu(ops.minimum(near, LARGEST) - ops.minimum(far, LARGEST) + margin)


def _of(y_pred, number, name, word):
    y_pred = ops.convert_to_tensor(y_pred)
    if len(y_pred.shape) != 3 or y_pred.shape[1] != number:
        raise UserError(
            f"{name} needs predictions of shape (examples, {number}, features), the embeddings of "
            f"each {word}; got {tuple(y_pred.shape)}."
        )
    return [y_pred[:, i] for i in range(number)]


@registered
class CosineDistance(ExampleLoss):
    """Cosine distance: 1 − cos of the angle between truth and prediction, from 0 to 2.

    Right for vectors of any length, where squares would overflow or vanish too; Keras's
    `CosineSimilarity` is −cos, and shrinks for vectors shorter than 1e-6. A zero vector is at
    distance 1 from all.

    >>> loss = CosineDistance()
    >>> print(f"{float(loss([[1.0, 0.0]], [[3.0, 3.0]])):.4f}")  # 1 − √½
    0.2929
    """

    function = staticmethod(cosine_distance)


@registered
class Contrastive(ExampleLoss):
    """Contrastive: draws the embeddings of equal pairs together, others to a margin apart.

    y d² + (1 − y) max(0, m − d)², with d the distance of the two. The truth is 1 for a pair of the
    same kind, 0 for others; the prediction has shape (examples, 2, features).

    Args:
        margin: m, in the units of the embeddings.

    >>> loss = Contrastive(margin=2.0)
    >>> print(f"{float(loss([0], [[[0.0, 0.0], [1.0, 0.0]]])):.1f}")
    1.0

    Reference: R. Hadsell et al., "Dimensionality Reduction by Learning an Invariant Mapping", 2006.
    """

    function = staticmethod(contrastive)


@registered
class Triplet(ExampleLoss):
    """Triplet: an anchor shall be nearer to its like than to another, by a margin.

    max(0, ‖a − p‖² − ‖a − n‖² + m). The prediction has shape (examples, 3, features): anchor,
    positive, negative, which the paper scales to length 1. The truth is not looked at; give zeros.

    Args:
        margin: m, in the squared units of the embeddings.

    >>> loss = Triplet(margin=0.5)
    >>> print(f"{float(loss([0], [[[0.0], [1.0], [1.0]]])):.1f}")
    0.5

    Reference: F. Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and
    Clustering", 2015.
    """

    function = staticmethod(triplet)
