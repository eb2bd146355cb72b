"""What values a metric can have."""

import math
import re
from collections.abc import Iterable

# Keras's metrics that are shares: of examples, or of an area.
_SHARES = re.compile(r"(^|_)(accuracy|auc|precision|recall|f1_score|fbeta_score|io_?u)$")


def range_of(metric: str, values: Iterable[float] = ()) -> tuple[float, float]:
    """The ends of what the metric can be, infinite where its name does not tell.

    Args:
        metric: As in a model's logs, such as "val_accuracy".
        values: What was seen of it. A metric of one's own may share the name and be in percent.

    >>> range_of("val_accuracy"), range_of("val_loss")
    ((0.0, 1.0), (-inf, inf))
    >>> range_of("val_accuracy", [98.0, 97.5])
    (-inf, inf)
    """
    if _SHARES.search(metric) and all(0 <= value <= 1 for value in values):
        return 0.0, 1.0
    return -math.inf, math.inf
