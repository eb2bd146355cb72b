"""The last step of every in-memory source: examples, targets and parts become a `Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner_app.data.dataset import SPLITS, Dataset, DataSpec, Split
from tuner_app.data.in_memory import InMemorySplit

if TYPE_CHECKING:
    import keras


def standardised(targets: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Regression targets as float32 of shape (n, 1), with the training rows' mean and deviation.

    >>> targets, mean, std = standardised(np.array([1.0, 3.0, 9.0]), np.array([0, 1]))
    >>> targets.ravel().tolist(), mean, std
    ([-1.0, 1.0, 7.0], 2.0, 1.0)
    """
    targets = np.asarray(targets, "float64").reshape(-1, 1)
    mean, std = float(targets[train].mean()), float(targets[train].std())
    std = std if std > 0 else 1.0
    return ((targets - mean) / std).astype("float32"), mean, std


def assemble(
    name: str,
    kind: str,
    parts: Sequence[np.ndarray],
    targets: np.ndarray,
    class_names: Sequence[str] | None,
    preprocessing: keras.Model,
    split: Callable[[np.ndarray, np.ndarray], Split],
    notes: Sequence[str] = (),
    feature_names: Sequence[str] | None = None,
) -> Dataset:
    """A data set out of indices into one pool of examples.

    Args:
        name, kind: See `DataSpec`.
        parts: Indices of the train, validation and test examples.
        targets: Of all examples: int labels, or numbers when `class_names` is None.
        class_names: In the order of the labels; None for regression.
        preprocessing: The fitted model from raw inputs to features.
        split: Makes a split of (indices, their targets).
        notes, feature_names: See `Dataset`.
    """
    scale: dict[str, Any] = {}
    if class_names is None:
        targets, mean, std = standardised(targets, parts[0])
        scale = {"target_mean": mean, "target_std": std}
    else:
        targets = np.asarray(targets, "int32")
        class_names = tuple(str(name) for name in class_names)
    spec = DataSpec(
        name=name,
        task="regression" if class_names is None else "classification",
        kind=kind,
        input_shape=tuple(preprocessing.output_shape[1:]),
        num_classes=None if class_names is None else len(class_names),
        class_names=class_names,
        sizes={name: len(part) for name, part in zip(SPLITS, parts, strict=True)},
        **scale,
    )
    splits = [split(part, targets[part]) for part in parts]
    return Dataset(
        spec,
        *splits,
        preprocessing=preprocessing,
        notes=tuple(notes),
        feature_names=None if feature_names is None else tuple(feature_names),
    )


def in_memory(raw, preprocessing: keras.Model) -> Callable[[np.ndarray, np.ndarray], Split]:
    """What `assemble` needs to cut raw inputs (an array, or column name to array) into splits."""
    from tuner_app.data.in_memory import rows

    return lambda part, targets: InMemorySplit(rows(raw, part), targets, preprocessing)
