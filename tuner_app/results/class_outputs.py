"""What the outputs of a model for classes say, whatever its last layer and its loss are."""

from typing import Any

LEAST = 1e-7  # as Keras's losses clip probabilities
NEAR = 0.01  # probabilities in half precision add up to 1 only so nearly


def log_probabilities(outputs: Any, loss: Any = None) -> Any:
    """The logarithm of each class's probability, as float64 of shape (examples, classes).

    Outputs that are probabilities already (softmax) are taken as such, and any other numbers as
    logits. A model of one output tells of the second of two classes: its probability (sigmoid), or
    its logit.

    Args:
        outputs: As the model gives them, a row an example.
        loss: What the model was compiled with: one output within 0 and 1 is a logit where the loss
            says `from_logits`.

    >>> import numpy as np
    >>> three = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
    >>> np.allclose(np.exp(log_probabilities(three)), three)
    True
    >>> np.exp(log_probabilities([[0.0, 0.0], [9.0, 9.0]])).round(3).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    >>> np.exp(log_probabilities([[0.25], [1.0]])).round(3).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    import numpy as np

    found = np.asarray(outputs, "float64")
    found = found[:, None] if found.ndim == 1 else found
    shares = bool(((found >= 0) & (found <= 1)).all())
    if found.shape[1] == 1:
        if shares and not getattr(loss, "from_logits", False):
            found = np.concatenate([1 - found, found], axis=1)
            return np.log(np.clip(found, LEAST, 1))
        found = np.concatenate([np.zeros_like(found), found], axis=1)
    elif shares and (np.abs(found.sum(axis=1) - 1) < NEAR).all():
        return np.log(np.clip(found, LEAST, 1))
    found = found - found.max(axis=1, keepdims=True)
    return found - np.log(np.exp(found).sum(axis=1, keepdims=True))
