"""Arguments of `fit` whose arrays a trial sees in an order of its own: its seed's and the epoch's.

Keras draws the order of arrays from a state that can't be kept, so a training that was interrupted
could not go on with it.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import tree

from tuner_app.population import CannotStack
from tuner_app.population.data.examples import standard
from tuner_app.population.in_order import in_order
from tuner_app.tuners.runs.fit_arguments import KERAS_BATCH_SIZE, SIGNATURE, as_arrays, split


def in_own_order(args: tuple, kwargs: Mapping[str, Any], seed: int) -> dict[str, Any] | None:
    """The arguments of `fit` with what shows its arrays in the order of a trial of this seed.

    Returns:
        None where the data are no arrays in memory, or are asked for in some other order.

    >>> import numpy as np
    >>> x = np.arange(6, dtype="float32")
    >>> given = in_own_order((x, x), {"validation_split": 0.5, "epochs": 2}, seed=0)
    >>> sorted(given), len(given["validation_data"][0])
    (['callbacks', 'epochs', 'shuffle', 'validation_data', 'x'], 3)
    >>> in_own_order((iter([(x, x)]),), {}, seed=0) is None
    True
    """
    try:
        given = dict(SIGNATURE.bind(None, *args, **kwargs).arguments)
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
        try:
            arrays, held_out = split(arrays, share)
        except CannotStack:
            return None  # as Keras will say
        given["validation_data"] = tuple(held_out)
    data = keras.utils.pack_x_y_sample_weight(*arrays)
    if keras.backend.backend() != "tensorflow" and not isinstance(data, (tuple, dict)):
        return None  # where batches come from Python a model would be given them in another form
    batch_size = given.pop("batch_size", None)
    if batch_size is not None:
        given["validation_batch_size"] = given.get("validation_batch_size") or batch_size
    given["x"], begin = in_order(
        data, batch_size or KERAS_BATCH_SIZE, seed if shuffle else None, steps
    )
    begun = keras.callbacks.LambdaCallback(on_epoch_begin=begin)
    given["callbacks"] = [begun, *(given.get("callbacks") or ())]
    return given | {"shuffle": False}


def _arrays(parts: list) -> list | None:
    """(x, y, sample_weight) as NumPy's arrays of numbers, as Keras would have them; None where one
    is something else."""
    if parts[0] is None:
        return None
    try:
        found = [p if p is None else tree.map_structure(standard, as_arrays(p)) for p in parts]
    except CannotStack:
        return None
    leaves = [leaf for part in found if part is not None for leaf in tree.flatten(part)]
    lengths = {leaf.shape[:1] for leaf in leaves}
    return found if len(lengths) == 1 and not lengths & {(), (0,)} else None
