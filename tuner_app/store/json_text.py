"""JSON text for the database and for files: always valid JSON, and no number is lost.

JSON has no NaN and no infinity. Inside the project they are kept as `{"__float__": "nan"}`, so that
they come back; in what is exported to others they become null.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

_MARK = '"__float__"'


def to_text(value: Any) -> str:
    """`value` as valid JSON from which `from_text` gives it back, NaN and infinities included.

    >>> to_text({"loss": float("inf"), "epochs": 3})
    '{"loss": {"__float__": "inf"}, "epochs": 3}'
    """
    try:
        return _encoded(value)
    except ValueError:
        return _encoded(_walk(value, _marked))


def from_text(text: str) -> Any:
    """The value that `to_text` was given.

    >>> from_text('{"loss": {"__float__": "inf"}}')
    {'loss': inf}
    """
    # To look at each object takes longer than to read the text, and it is seldom needed.
    return json.loads(text, object_hook=_unmarked if _MARK in text else None)


def from_texts(texts: Sequence[str]) -> list[Any]:
    """`from_text` of each, in a third of the time.

    >>> from_texts(["1", '{"loss": {"__float__": "nan"}}'])
    [1, {'loss': nan}]
    """
    together = f"[{','.join(texts)}]"
    values = json.loads(together)
    if _MARK in together:
        for i, text in enumerate(texts):
            if _MARK in text:
                values[i] = from_text(text)
    return values


def exportable(value: Any) -> Any:
    """`value` with null (None) in place of every NaN and infinity, for JSON that others read.

    >>> exportable({"loss": float("nan"), "curve": [0.5, float("inf")]})
    {'loss': None, 'curve': [0.5, None]}
    """
    return _walk(value, lambda number: None)


def exportable_text(value: Any) -> str:
    """`exportable` as JSON text.

    >>> exportable_text({"loss": float("nan"), "epochs": 3})
    '{"loss": null, "epochs": 3}'
    """
    try:
        return _encoded(value)
    except ValueError:
        return _encoded(exportable(value))


def _walk(value: Any, replaced: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _walk(item, replaced) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(item, replaced) for item in value]
    if hasattr(value, "item") and not isinstance(value, float):
        value = _plain_number(value)
    if isinstance(value, float) and not math.isfinite(value):
        return replaced(value)
    return value


def _marked(number: float) -> dict:
    return {"__float__": repr(float(number))}


def _unmarked(value: dict) -> Any:
    if value.keys() == {"__float__"}:
        return float(value["__float__"])
    return value


def _plain_number(value: Any) -> Any:
    """NumPy's scalars, and whatever else counts as a number to them, as Python's own."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"Expected numbers, strings, lists and dicts; received {value!r}.")


# Made once: `json.dumps` with arguments makes an encoder at each call.
_encoded = json.JSONEncoder(allow_nan=False, default=_plain_number).encode
