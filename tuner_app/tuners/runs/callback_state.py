"""What a callback knows, as plain values that a file can hold, and back.

Nothing of it is code: a comparison such as `keras.ops.less` is kept by its name.
"""

import copy
import types
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import keras
import numpy as np

_SET_BY_KERAS = ("_model", "params", "model")
_FILES = {keras.callbacks.CSVLogger: "filename", keras.callbacks.ModelCheckpoint: "filepath"}
WITH_FILES = (*_FILES, keras.callbacks.TensorBoard)  # they write to files of the trial's own

# What can't change while a model trains.
_CONSTANT = (
    *(types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType),
    *(type, PurePath),
)


def own_files(callbacks: Iterable[keras.callbacks.Callback], trial_id: str, execution: int) -> None:
    """Gives each run files of its own: trials that train at the same time would overwrite each
    other's. `logs/log.csv` becomes `logs/0007/execution0/log.csv`, as KerasTuner does for
    TensorBoard."""
    for callback in callbacks:
        attribute = _FILES.get(type(callback))
        if attribute is not None:
            path = Path(getattr(callback, attribute))
            path = path.parent / trial_id / f"execution{execution}" / path.name
            path.parent.mkdir(parents=True, exist_ok=True)
            setattr(callback, attribute, str(path))


def of(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Its attributes, as far as they are plain values, arrays, or nests of them."""
    found = {}
    for name, value in vars(callback).items():
        if name not in _SET_BY_KERAS:
            is_plain, value = plain(value)
            if is_plain:
                found[name] = value
    if type(callback) is keras.callbacks.CSVLogger:
        found.pop("append", None)
        found.pop("append_header", None)
        path = Path(callback.filename)
        found["rows"] = len(path.read_text().splitlines()) if path.exists() else 0
    return found


def prepare(callback: keras.callbacks.Callback, state: Mapping[str, Any]) -> None:
    """Before `on_train_begin`: a log begun before is gone on with, and not begun again."""
    if type(callback) is keras.callbacks.CSVLogger:
        path = Path(callback.filename)
        callback.append = path.exists()
        if callback.append and "rows" in state:
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(lines[: state["rows"]]))  # later ones come again


def give_back(callback: keras.callbacks.Callback, state: Mapping[str, Any]) -> None:
    """After `on_train_begin`: gives a callback what `of` took."""
    vars(callback).update(_resolved(copy.deepcopy(dict(state))))


def not_kept(callback: keras.callbacks.Callback) -> str | None:
    """What `of` would lose of a callback's state, in words; None: nothing.

    Keras's own and ours are known to need no more than it keeps.

    >>> not_kept(keras.callbacks.EarlyStopping())
    >>> own = type("Own", (keras.callbacks.Callback,), {"__module__": "mine"})()
    >>> own.seen = [1, 2]
    >>> not_kept(own)
    >>> own.seen = {1, 2}
    >>> not_kept(own)
    'its callback Own keeps a set, as `seen`'
    """
    name = type(callback).__name__
    if type(callback).__module__.split(".")[0] in ("keras", "tuner_app"):
        return None
    for attribute, value in vars(callback).items():
        if attribute in _SET_BY_KERAS or isinstance(value, _CONSTANT) or plain(value)[0]:
            continue
        return f"its callback {name} keeps a {type(value).__name__}, as `{attribute}`"
    return None


def plain(value: Any) -> tuple[bool, Any]:
    """Whether a value can be kept without its class, and the form it is kept in."""
    if value is None or isinstance(value, (bool, int, float, str, np.ndarray, np.generic)):
        return True, value
    if type(value) in (list, tuple):
        items = [plain(item) for item in value]
        return all(is_plain for is_plain, _ in items), type(value)(item for _, item in items)
    if type(value) is dict and all(isinstance(key, (str, int)) for key in value):
        items = {key: plain(item) for key, item in value.items()}
        return all(p for p, _ in items.values()), {key: item for key, (_, item) in items.items()}
    if keras.ops.is_tensor(value):
        return True, keras.ops.convert_to_numpy(value)
    name = _function_name(value)
    return (True, {_FUNCTION: name}) if name else (False, None)


# Keras's callbacks keep the comparison they use (keras.ops.less) beside values that depend on it.
# No other function is taken from a file: a name there would be somebody's code.
_FUNCTION = "comparison"
_COMPARISONS = {
    f"{home.__name__}.{name}": getattr(home, name)
    for home in (keras.ops, np)
    for name in ("less", "less_equal", "greater", "greater_equal")
}


def _function_name(value: Any) -> str | None:
    return next((name for name, known in _COMPARISONS.items() if known is value), None)


def _resolved(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with comparisons for their names; what names something else is left out."""
    found = {}
    for name, value in attributes.items():
        if isinstance(value, dict) and set(value) == {_FUNCTION}:
            if value[_FUNCTION] not in _COMPARISONS:
                continue
            value = _COMPARISONS[value[_FUNCTION]]
        found[name] = value
    return found
