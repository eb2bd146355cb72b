"""Named columns of numbers and text: their preprocessing, fitted on the training rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuner_app.data.moments import moments

if TYPE_CHECKING:
    import keras

MOST_CATEGORIES = 100
OTHERS = "<others>"  # in the name of the feature for texts that have none of their own
_DATE = re.compile(r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})\b")

# Column name to values of shape (n, 1): float32 with NaN where missing, or str objects.
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """What was learned from the training rows.

    Attributes:
        numbers: Names of the numeric columns, with their `mean` and `variance`.
        categories: Text column to its categories, the commonest first.
        rare: Text column to how many of its categories are treated as unseen.
    """

    numbers: tuple[str, ...]
    mean: np.ndarray
    variance: np.ndarray
    categories: dict[str, list[str]]
    rare: dict[str, int]

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.numbers) + sum(len(seen) + 1 for seen in self.categories.values())

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of every feature, in the order of `model`: its column, and of text the category too."""
        categories = (
            f"{name}={value}"
            for name, seen in self.categories.items()
            for value in (OTHERS, *(text or "''" for text in seen))
        )
        return (*self.numbers, *categories)

    def model(self) -> keras.Model:
        """The preprocessing model."""
        from tuner_app.data import preprocessing

        return preprocessing.columns(self.numbers, self.mean, self.variance, self.categories)


def fit(
    numbers: Sequence[str],
    texts: Sequence[str],
    chunks: Callable[[], Iterable[Columns]],
) -> Fitted:
    """Learn means, deviations and categories.

    Args:
        numbers, texts: Names of the columns of each kind.
        chunks: Gives the training rows, in one piece or many.
    """
    counters = {name: Counter() for name in texts}

    def matrices():
        for chunk in chunks():
            for name, counter in counters.items():
                counter.update(chunk[name].ravel().tolist())
            yield np.concatenate([chunk[name] for name in numbers], 1) if numbers else _NOTHING

    mean, variance = moments(matrices())
    ranked = {
        # Ties in alphabetical order: the same file gives the same features.
        name: [value for value, _ in sorted(counter.items(), key=lambda kv: (-kv[1], kv[0]))]
        for name, counter in counters.items()
    }
    return Fitted(
        numbers=tuple(numbers),
        mean=mean,
        variance=variance,
        categories={name: values[:MOST_CATEGORIES] for name, values in ranked.items()},
        rare={name: len(values) - MOST_CATEGORIES for name, values in ranked.items()},
    )


_NOTHING = np.zeros((0, 0))


def of_dates(values: Iterable[str]) -> str:
    """What to say besides of a column with these texts, if they look like dates.

    >>> of_dates(["2025-01-31", ""]), of_dates(["red", "2025-01-31"]), of_dates([""])
    (' They look like dates: as numbers, such as days, they would keep their order.', '', '')
    """
    values = [value for value in values if value]
    if not values or not all(map(_DATE.match, values)):
        return ""
    return " They look like dates: as numbers, such as days, they would keep their order."


def notes(fitted: Fitted, missing: Mapping[str, int]) -> list[str]:
    """One sentence for each column that is filled or encoded.

    Args:
        fitted: From `fit`.
        missing: Numeric column to how many rows of the whole file lack it.
    """
    lines = []
    for name, mean in zip(fitted.numbers, fitted.mean, strict=True):
        if missing.get(name):
            lines.append(
                f"Column {name!r}: {missing[name]} missing filled with the training mean "
                f"{mean:.6g}."
            )
    for name, seen in fitted.categories.items():
        rare = fitted.rare[name]
        lines.append(
            f"Column {name!r}: text, one feature for each of "
            + (f"the {len(seen)} commonest" if rare > 0 else f"{len(seen)}")
            + " categories of the training rows and one for all others."
            + of_dates(seen)
        )
    return lines
