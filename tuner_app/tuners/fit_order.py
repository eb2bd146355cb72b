"""Arguments of `fit` whose arrays a trial sees in an order of its own: its seed's and the epoch's.

Keras draws the order of arrays from a state that can't be kept, so a training that was interrupted
could not go on with it.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from tuner_app.population.in_order import in_order

_SIGNATURE = inspect.signature(keras.Model.fit)
_KERAS_BATCH_SIZE = 32


def in_own_order(args: tuple, kwargs: Mapping[str, Any], seed: int) -> dict[str, Any] | None:
    """The arguments of `fit` with what shows its arrays in the order of a trial of this seed.

    Returns:
        None where the data are no arrays in memory, or are asked for in some other order.

    >>> x = np.arange(6, dtype="float32")
    >>> given = in_own_order((x, x), {"validation_split": 0.5, "epochs": 2}, seed=0)
    >>> sorted(given), len(given["validation_data"][0])
    (['callbacks', 'epochs', 'shuffle', 'validation_data', 'x'], 3)
    >>> in_own_order((iter([(x, x)]),), {}, seed=0) is None
    True
    """
    try:
        given = dict(_SIGNATURE.bind(None, *args, **kwargs).arguments)
    except TypeError:
        return None  # as Keras will say
    given.pop("self")
    parts = [given.pop(name, None) for name in ("x", "y", "sample_weight")]
    shuffle = given.pop("shuffle", True)
    steps = given.pop("steps_per_epoch", None)
    known = isinstance(shuffle, bool) and (steps is None or type(steps) is int and steps > 0)
    arrays = _arrays(parts) if known else None
    if arrays is None:
        return None
    share = given.pop("validation_split", 0)
    if share and given.get("validation_data") is None:
        first = int(_size(arrays) * (1 - share))
        if not 0 < first < _size(arrays):
            return None
        given["validation_data"] = tuple(_rows(arrays, slice(first, None)))
        arrays = _rows(arrays, slice(first))
    data = keras.utils.pack_x_y_sample_weight(*arrays)
    if keras.backend.backend() != "tensorflow" and not isinstance(data, (tuple, dict)):
        return None  # where batches come from Python a model would be given them in another form
    batch_size = given.pop("batch_size", None)
    if batch_size is not None:
        given["validation_batch_size"] = given.get("validation_batch_size") or batch_size
    given["x"], begin = in_order(
        data, batch_size or _KERAS_BATCH_SIZE, seed if shuffle else None, steps
    )
    begun = keras.callbacks.LambdaCallback(on_epoch_begin=begin)
    given["callbacks"] = [begun, *(given.get("callbacks") or ())]
    return given | {"shuffle": False}


def _arrays(parts: list) -> list | None:
    """(x, y, sample_weight) as NumPy's arrays of numbers, as Keras would have them; None where one
    is something else."""
    if parts[0] is None:
        return None
    found = [part if part is None else _plain(part) for part in parts]
    if any(a is None and part is not None for a, part in zip(found, parts, strict=True)):
        return None
    sizes = {leaf.shape[0] for part in found if part is not None for leaf in tree.flatten(part)}
    return found if len(sizes) == 1 and 0 not in sizes else None


def _plain(nest):
    leaves = tree.flatten(nest)
    try:
        arrays = [_array(leaf) for leaf in leaves]
    except Exception:  # of sparse and ragged tensors, of frames of objects
        return None
    if not leaves or any(array is None for array in arrays):
        return None
    return tree.pack_sequence_as(nest, arrays)


def _array(leaf) -> np.ndarray | None:
    if isinstance(leaf, (str, bytes)) or not hasattr(leaf, "shape"):
        return None
    array = np.asarray(leaf)
    if array.dtype.kind not in "fiub" or not array.ndim:
        return None
    if array.dtype.kind == "f" and array.dtype.itemsize > 4:
        return array.astype(keras.backend.floatx())
    return array


def _rows(arrays: list, rows: slice) -> list:
    return tree.map_structure(lambda a: a if a is None else a[rows], arrays)


def _size(arrays: list) -> int:
    return len(tree.flatten(arrays[0])[0])
