"""Checks of the data alone: labels, duplicates, columns, scale. NumPy and scikit-learn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tuner_app.answers.checking.finding import Finding, graded
from tuner_app.data.tabular import OTHERS

MOST_ROWS = 50_000  # of a split that are looked at
RARE = 0.1  # a class with fewer examples than this share of the largest is rare
FEW = 10  # examples of a class are few
LEAK = 0.98  # of the validation examples are told by one column alone
LARGE = 100.0  # a feature this far from 0 is not scaled

Split = tuple[np.ndarray, np.ndarray]


def data_findings(
    splits: Mapping[str, Split], spec: Any, names: Sequence[str] | None = None
) -> Iterator[Finding]:
    """Every check of the data.

    Args:
        splits: "train", "validation" and "test" to features (examples, ...) and targets. Of the
            test split only duplicates and labels are counted; no model sees it.
        spec: The `DataSpec`.
        names: Of every feature, where its column has one.
    """
    if names is None:
        width = int(np.prod(splits["train"][0].shape[1:]))
        names = [f"feature {i}" for i in range(width)]
    yield numbers_are_finite(splits)
    if spec.task == "classification":
        yield labels_are_balanced(splits, spec.class_names or range(spec.num_classes))
        yield labels_agree(splits["train"])
    else:
        yield targets_are_spread(splits["train"][1])
    yield splits_are_apart(splits)
    yield columns_vary(splits["train"][0], spec.kind, names)
    yield features_are_scaled(splits["train"][0])
    if spec.kind == "tabular":
        yield no_column_leaks(splits["train"], splits["validation"], spec.task, names)


def numbers_are_finite(splits: Mapping[str, Split]) -> Finding:
    """No feature or target is NaN or infinite."""
    bad = {
        name: int((~np.isfinite(_flat(x)).all(axis=1) | ~np.isfinite(_flat(y)).all(axis=1)).sum())
        for name, (x, y) in splits.items()
    }
    wrong = {name: count for name, count in bad.items() if count}
    told = ", ".join(f"{count} of {name}" for name, count in wrong.items())
    return graded(
        "finite numbers",
        f"examples with NaN or infinity: {told}" if wrong else "every number is finite",
        fail="Fill or drop them: one such number makes every loss NaN." if wrong else "",
    )


def labels_are_balanced(splits: Mapping[str, Split], names: Any) -> Finding:
    """Every class is in every split, and none is rare."""
    names = list(map(str, names))
    counts = {
        split: np.bincount(y.astype(int), minlength=len(names)) for split, (_, y) in splits.items()
    }
    train = counts["train"]
    missing = [names[i] for i in np.flatnonzero(train == 0)]
    elsewhere = [split for split, found in counts.items() if (found == 0).any()]
    rare = [names[i] for i in np.flatnonzero((train < RARE * train.max()) | (train < FEW))]
    found = (
        f"{len(names)} classes with {train.min():,} to {train.max():,} training examples; always "
        f"choosing {names[int(train.argmax())]} is right for {train.max() / train.sum():.1%}"
    )
    return graded(
        "class balance",
        found,
        fail=f"No training example of {_few(missing)}: split anew, or leave the class out."
        if missing
        else "",
        warn=f"A class is missing in {_few(elsewhere)}: its accuracy is not measured there."
        if elsewhere
        else f"Rare: {_few(rare)}. Look at the confusion matrix beside the accuracy, or weight the "
        "classes."
        if rare
        else "",
    )


def labels_agree(train: Split) -> Finding:
    """Examples with the same features have the same label."""
    x, y = train
    _, first, inverse = np.unique(_digests(x), return_index=True, return_inverse=True)
    wrong = int((y[first][inverse] != y).sum())
    return graded(
        "labels agree",
        f"{wrong} of {len(y)} training examples have the features of another with another label"
        if wrong
        else "examples with equal features have equal labels",
        warn="No model can get all of them right: look at these rows." if wrong else "",
    )


def targets_are_spread(y: np.ndarray) -> Finding:
    """The targets vary, and no few of them dominate a squared loss."""
    y = np.ravel(y).astype("float64")
    spread = y.std()
    far = int((np.abs(y - y.mean()) > 6 * spread).sum()) if spread else 0
    return graded(
        "targets",
        f"standardised, from {y.min():.2f} to {y.max():.2f}; {far} beyond six standard deviations",
        fail="Every target is the same: there is nothing to learn." if not spread else "",
        warn="They pull a squared loss towards them: look at them, or take an absolute loss."
        if far
        else "",
    )


def splits_are_apart(splits: Mapping[str, Split]) -> Finding:
    """No example is in two splits."""
    digests = {name: _digests(x) for name, (x, _) in splits.items()}
    shared = []
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        if one in digests and other in digests:
            count = int(np.isin(digests[other], digests[one]).sum())
            if count:
                shared.append((count / len(digests[other]), f"{count} of {other} are in {one}"))
    own = len(digests["train"]) - len(np.unique(digests["train"]))
    told = "; ".join(text for _, text in shared) or "no example is in two splits"
    most = max((share for share, _ in shared), default=0.0)
    advice = "A score on examples that were trained on is too good: drop the copies, then split."
    return graded(
        "duplicates",
        f"{told}; {own} copies within train",
        fail=advice if most > 0.01 else "",
        warn=advice if shared else "",
    )


def columns_vary(x: np.ndarray, kind: str, names: Sequence[str]) -> Finding:
    """No feature is the same for all training examples, but the one of a text column that waits
    for categories which the training examples lack."""
    flat = _flat(x)
    constant = np.flatnonzero(np.ptp(flat, axis=0) == 0)
    constant = [i for i in constant if not names[i].endswith(f"={OTHERS}")]
    found = f"{len(constant)} of {flat.shape[1]} features are constant"
    if kind == "image":
        found += " (pixels at an image's border often are)" if len(constant) else ""
        whole = len(constant) == flat.shape[1]
        return graded("constant features", found, fail="The images are all the same." * whole)
    named = _few([names[i] for i in constant])
    return graded(
        "constant features",
        found,
        warn=f"They tell nothing: leave out {named}." if len(constant) else "",
    )


def features_are_scaled(x: np.ndarray) -> Finding:
    """Features have a size that a network with usual initial weights can take."""
    flat = _flat(x)
    size = float(np.abs(flat[np.isfinite(flat)]).max(initial=0.0))
    return graded(
        "feature scale",
        f"mean {np.nanmean(flat):.3g}, deviation {np.nanstd(flat):.3g}, largest {size:.3g}",
        warn="Standardise the features, or take logarithms of the far ones."
        if size > LARGE
        else "",
    )


def no_column_leaks(train: Split, validation: Split, task: str, names: Sequence[str]) -> Finding:
    """No single column tells the target almost alone, as an id or a later measurement does."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
    (x, y), (other, truth) = train, validation
    x, other, y, truth = _flat(x), _flat(other), np.ravel(y), np.ravel(truth)
    if not np.isfinite(x).all() or not np.isfinite(other).all():
        return Finding("leaking columns", "warn", "not looked at", "Fill what is not finite first.")
    usual = max(np.unique(truth, return_counts=True)[1]) / len(truth)
    scores = [
        kind(max_depth=5, random_state=0).fit(x[:, [i]], y).score(other[:, [i]], truth)
        for i in range(x.shape[1])
    ]
    limit = max(LEAK, usual + 0.5 * (1 - usual)) if task == "classification" else LEAK
    leaking = [names[i] for i in np.flatnonzero(np.array(scores) >= limit)]
    best = int(np.argmax(scores))
    measure = "accuracy" if task == "classification" else "R²"
    return graded(
        "leaking columns",
        f"the most telling column, {names[best]}, alone gives a validation {measure} of "
        f"{scores[best]:.3f}",
        warn=f"{_few(leaking)} nearly gives the answer away: will it be known when you predict?"
        if leaking
        else "",
    )


def _flat(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, "float64").reshape(len(values), -1)


def _digests(x: np.ndarray) -> np.ndarray:
    """A number an example, equal for equal examples (and, but for 1 in 2^63, for no others)."""
    rows = np.ascontiguousarray(_flat(x) + 0.0).view("uint64")  # + 0.0: there is a -0.0 too
    weights = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], dtype="uint64") | 1
    mixed = (rows ^ (rows >> np.uint64(29))) * weights
    return (mixed ^ (mixed >> np.uint64(32))).sum(axis=1, dtype="uint64")


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
