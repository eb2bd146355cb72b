"""Which of the examples held out for validation are evaluated together."""

import keras
import numpy as np

# Rows evaluated at once where that changes no number.
MOST_ROWS = 512


def rows_a_batch(stack) -> int:
    """Rows a step of evaluation: Keras's batch size, or more where no number changes."""
    size = stack.validation.size
    if not _additive_loss(stack.model):
        return min(stack.batch_size, size)
    if size <= MOST_ROWS:
        return size
    divisors = [d for d in range(MOST_ROWS // 4, MOST_ROWS + 1) if size % d == 0]
    return max(divisors, default=MOST_ROWS)


def whole_batches(stack, at_most: int | None = None) -> list[np.ndarray]:
    """The positions of the examples in each batch, or in the first `at_most`, but a smaller last
    one."""
    rows = rows_a_batch(stack)
    count = stack.validation.size // rows
    count = count if at_most is None else min(count, at_most)
    return [np.arange(i * rows, (i + 1) * rows) for i in range(count)]


def batches(stack, at_most: int) -> list[np.ndarray]:
    """`whole_batches`, and the smaller last one if there is one."""
    size, rows = stack.validation.size, rows_a_batch(stack)
    last = [np.arange(size - size % rows, size)] if size % rows else []
    return [*whole_batches(stack, at_most), *last]


def _additive_loss(model) -> bool:
    """Whether losses and metrics are sums over examples, so that any batch size gives the same."""
    known = ("keras.", "tuner_app.")
    whole_batch = (keras.losses.Dice, keras.losses.Tversky)
    for entry in model._compile_loss._flat_losses or []:
        loss = entry.loss
        function = getattr(loss, "fn", loss)
        origin = getattr(function, "__module__", None) or type(function).__module__
        if not origin.startswith(known) or isinstance(loss, whole_batch):
            return False
        if loss.reduction != "sum_over_batch_size":
            return False
    return all(type(metric).__module__.startswith(known) for metric in model.metrics)
