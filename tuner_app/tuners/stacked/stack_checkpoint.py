"""Where the trials of a stack stand, in one file: written beside and renamed, never half there.

The file is NumPy's NPZ: the arrays, and one JSON text of everything else, which names the arrays by
number. Nothing in it is code.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

FILE_NAME = "search.lanes.npz"
_VERSION = 1


def write(directory: str | Path, content: Any, name: str = FILE_NAME) -> None:
    """Writes a nest of dicts (of strings), lists, tuples, arrays, numbers, strings and None.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write(folder, {"epoch": 3, "weights": [np.ones(2)], "shape": (1, None), "best": math.inf})
    >>> read(folder)
    {'epoch': 3, 'weights': [array([1., 1.])], 'shape': (1, None), 'best': inf}
    """
    arrays: list[np.ndarray] = []
    text = json.dumps({"version": _VERSION, "content": _encoded(content, arrays)})
    final = Path(directory) / name
    partial = final.with_name(f"{name}.partial")
    with open(partial, "wb") as file:
        named = {str(i): array for i, array in enumerate(arrays)}
        np.savez(file, text=np.frombuffer(text.encode(), "uint8"), **named)
    # Not forced to the disk: a file that a power cut leaves half there is not believed.
    os.replace(partial, final)


def read(directory: str | Path, name: str = FILE_NAME) -> Any:
    """What was written last; None where there is nothing, or nothing that can be read."""
    path = Path(directory) / name
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            found = json.loads(file["text"].tobytes().decode())
            if found["version"] != _VERSION:
                return None
            return _decoded(found["content"], file)
    except Exception:  # rubbish fails in zipfile, NumPy, JSON or here, each in ways of its own
        return None  # the trials begin again


def delete(directory: str | Path, name: str = FILE_NAME) -> None:
    """Deletes the file, if there is one."""
    for file in (name, f"{name}.partial"):
        (Path(directory) / file).unlink(missing_ok=True)


def _encoded(value, arrays: list[np.ndarray]):
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        found = {"is": "array" if isinstance(value, np.ndarray) else "scalar", "value": len(arrays)}
        if array.dtype.kind == "V":  # bfloat16 and its kin, which NumPy's files don't know
            found["dtype"], array = array.dtype.name, array.view(f"u{array.dtype.itemsize}")
        arrays.append(array)
        return found
    if isinstance(value, float) and not math.isfinite(value):
        return {"is": "float", "value": str(value)}
    if isinstance(value, tuple):
        return {"is": "tuple", "value": [_encoded(item, arrays) for item in value]}
    if isinstance(value, list):
        return [_encoded(item, arrays) for item in value]
    if isinstance(value, dict):
        pairs = [[_encoded(k, arrays), _encoded(v, arrays)] for k, v in value.items()]
        return {"is": "dict", "value": pairs}
    return value


def _decoded(value, arrays):
    if isinstance(value, list):
        return [_decoded(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value["is"], value["value"]
    if kind in ("array", "scalar"):
        array = arrays[str(inner)]
        array = array.view(value["dtype"]) if "dtype" in value else array
        return array if kind == "array" else array[()]
    if kind == "float":
        return float(inner)
    if kind == "tuple":
        return tuple(_decoded(item, arrays) for item in inner)
    return {_decoded(k, arrays): _decoded(v, arrays) for k, v in inner}
