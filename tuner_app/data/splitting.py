"""Cut examples into train, validation and test by seed, keeping the share of each class."""

import numpy as np

from tuner_app.errors import UserError

VALIDATION_SHARE = 0.15
TEST_SHARE = 0.15
MINIMUM_EXAMPLES = 10


def check_size(what: str, size: int) -> None:
    """Raise `UserError` unless there are enough examples to cut into three."""
    if size < MINIMUM_EXAMPLES:
        raise UserError(
            f"{what} has {size} example{'s' * (size != 1)}, too few to split into train, "
            f"validation and test: at least {MINIMUM_EXAMPLES} are needed."
        )


def check_classes(what: str, names, counts, *, minimum: int = 3, hint: str = "") -> None:
    """Raise `UserError` for a single class, or for a class that can't be in every split."""
    if len(names) < 2:
        found = f"only one class, {str(names[0])!r}" if len(names) else "no class"
        raise UserError(f"{what} has {found}; at least two are needed to learn from.")
    rarest = int(np.argmin(counts))
    fewest = int(counts[rarest])
    if fewest < minimum:
        raise UserError(
            f"{what}: class {str(names[rarest])!r} has {fewest} "
            f"example{'s' * (fewest != 1)}, and each class needs at least {minimum} to be "
            f"in every split; add examples, or merge or remove the class.{hint}"
        )


def carve(
    size: int,
    shares: tuple[float, ...],
    *,
    seed: int,
    labels: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Indices of the parts: the rest first, then one part for each share, each in random order.

    With `labels` (int, shape (size,)) every class is cut on its own, so that each part has each
    class, at least once, in the same proportion. The result depends on the arguments alone.

    >>> rest, held_out = carve(10, (0.2,), seed=0)
    >>> len(rest), len(held_out), sorted([*rest, *held_out]) == list(range(10))
    (8, 2, True)
    """
    random = np.random.default_rng(seed)
    groups = (
        [np.arange(size)]
        if labels is None
        else [np.flatnonzero(labels == label) for label in np.unique(labels)]
    )
    parts = [[] for _ in range(len(shares) + 1)]
    owed = [0.0] * len(shares)  # what rounding took from the classes before
    for group in groups:
        group = random.permutation(group)
        start = 0
        for place, share in enumerate(shares, start=1):
            exact = share * len(group) + owed[place - 1]
            count = max(1, round(exact))
            owed[place - 1] = exact - count
            parts[place].append(group[start : start + count])
            start += count
        parts[0].append(group[start:])
    return [random.permutation(np.concatenate(part)) for part in parts]


def divide(
    train: int,
    validation: int | None,
    test: int | None,
    *,
    seed: int,
    labels: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Indices of the three splits where some are given: what is missing is carved from train.

    Args:
        train, validation, test: How many examples the source has of each, None for no such split.
            The indices count through all of them in this order.
        seed: Fixes what is carved, and the order of the training examples.
        labels: Labels of all, to keep the classes' shares; None for regression.

    >>> [part.tolist() for part in divide(4, 1, 2, seed=0)][1:]
    [[4], [5, 6]]
    """
    given = {"validation": validation, "test": test}
    shares = {"validation": VALIDATION_SHARE, "test": TEST_SHARE}
    missing = [name for name, size in given.items() if size is None]
    own = None if labels is None else labels[:train]
    rest, *carved = carve(train, tuple(shares[name] for name in missing), seed=seed, labels=own)
    parts = dict(zip(missing, carved, strict=True))
    start = train
    for name, size in given.items():
        if size is not None:
            parts[name] = np.arange(start, start + size)
            start += size
    return [rest, parts["validation"], parts["test"]]
