"""What is to be predicted: classes or a number, found from the targets themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner_app.data.splitting import check_classes
from tuner_app.errors import UserError, unknown

MOST_CLASSES = 20
TASKS = ("classification", "regression")
LARGEST = float(np.finfo("float32").max)


def check_task(task: str | None) -> None:
    """Raise `UserError` unless it is None or one of `TASKS`."""
    if task is not None and task not in TASKS:
        raise unknown("task", task, TASKS)


def find_task(
    what: str,
    values: Sequence,
    codes: np.ndarray,
    task: str | None,
    *,
    name: str = "",
    minimum: int = 3,
) -> tuple[np.ndarray, tuple[str, ...] | None, str]:
    """Targets, class names and a sentence on how the task was found.

    The rule: text, or at most 20 different whole numbers that occur three times each on average,
    are classes; other numbers are a regression target. Labels follow the order of the values.

    Args:
        what: Names the data in an error.
        values: Numbers, or text, that occur as targets; more than once is the same class.
        codes: Each example's place in `values`, int of shape (n,).
        task: One of `TASKS` to overrule the rule, else None.
        name: The target's own name, where it has one.
        minimum: Fewest examples of a class: one for each split that it is to be in.

    Returns:
        int32 labels and the classes' names, or float64 numbers and None; and the sentence.

    >>> labels, names, _ = find_task("it", ["b", "a"], np.array([0, 1, 0, 1, 0, 1]), None)
    >>> labels.tolist(), names
    ([1, 0, 1, 0, 1, 0], ('a', 'b'))
    """
    numeric = not any(isinstance(value, str) for value in values)
    used = sorted({values[code] for code in np.unique(codes)})
    whole = numeric and all(float(value).is_integer() for value in used)
    few = len(used) <= MOST_CLASSES and 3 * len(used) <= len(codes)
    found = "classification" if not numeric or (whole and few) else "regression"
    holds = f"{len(used)} different {'whole ' * whole}numbers" if numeric else "text"
    rule = f"Target{' ' + repr(name) if name else ''}: {task or found}, " + (
        "as asked for."
        if task
        else f"because it holds {holds} (text, or at most {MOST_CLASSES} different whole numbers, "
        "are classes; ?task= overrules that)."
    )
    if (task or found) == "classification":
        names = [_label(value) for value in used]
        label = {value: i for i, value in enumerate(used)}
        labels = np.array([label.get(value, -1) for value in values], "int32")[codes]
        hint = " Or ask for ?task=regression." if numeric else ""
        check_classes(what, names, np.bincount(labels), minimum=minimum, hint=hint)
        return labels, tuple(names), rule
    if not numeric:
        text = next((value for value in used if not _is_number(value)), used[0])
        raise UserError(f"{what}: regression needs numbers, and it holds {text!r}.")
    if any(not abs(value) <= LARGEST for value in used):
        raise UserError(f"{what} holds a number that is infinite or beyond 3.4e38.")
    if len(used) < 2:
        raise UserError(f"{what} has only one value, {_label(used[0])}; nothing to learn.")
    return np.array(values, "float64")[codes], None, rule


def _label(value) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else str(float(value))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
