"""What `search` was given for `fit`, as the stacked engine takes it, or why it can't.

The engine holds the data in memory and decides the order of the examples by the trial's seed. A
`tf.data` set is read into memory once; where that would change what a trial sees (a set that draws
its examples anew in every pass), it stays with `fit`.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import tree

from tuner_app.population import CannotStack
from tuner_app.population.data.examples import examples
from tuner_app.population.models.drawing import drawn_quickly

# Arguments of `fit` that don't change what is computed.
_HARMLESS = {"verbose"}
KERAS_BATCH_SIZE = 32
MEMORY_LIMIT = 2 * 2**30  # bytes of a tf.data set that are read into memory at most

SIGNATURE = inspect.signature(keras.Model.fit)


@dataclass(frozen=True)
class FitArguments:
    """Arguments of `fit` that the engine understands.

    Attributes:
        train: (x, y) or (x, y, sample_weight), arrays or nests of arrays.
        validation: The same, or None.
        batch_size: Examples in one step.
        epochs: Epochs until a trial is done, counted from epoch 0.
        initial_epoch: The epoch that a trial begins with.
        shuffle: Whether each pass has an order of its own; False: the order of the data.
        steps_per_epoch: Batches an epoch, of an endless stream of passes; None: one pass.
        class_weight: Class to weight, or None.
        callbacks: The user's own objects, which every trial copies.
    """

    train: tuple
    validation: tuple | None
    batch_size: int
    epochs: int = 1
    initial_epoch: int = 0
    shuffle: bool = True
    steps_per_epoch: int | None = None
    class_weight: Mapping[int, float] | None = None
    callbacks: list = field(default_factory=list)


def stackable(args: tuple, kwargs: Mapping[str, Any]) -> FitArguments:
    """The arguments of `fit` in the engine's words.

    Raises:
        CannotStack: the engine can't train so; the message says which argument is the reason.

    >>> x, y = np.zeros((10, 3)), np.zeros((10, 1))
    >>> found = stackable((x, y), {"validation_split": 0.2, "epochs": 3, "verbose": 0})
    >>> len(found.train[0]), len(found.validation[0]), found.batch_size, found.epochs
    (8, 2, 32, 3)
    >>> stackable((x, y), {"validation_steps": 2})
    Traceback (most recent call last):
    tuner_app.population.errors.CannotStack: fit is given validation_steps=2
    """
    given = _bound(args, kwargs)
    if given.get("validation_steps") is not None:
        raise CannotStack(f"fit is given validation_steps={given['validation_steps']!r}")
    steps = given.get("steps_per_epoch")
    if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 1):
        raise CannotStack(f"fit is given steps_per_epoch={steps!r}")
    if given.get("validation_freq", 1) != 1:
        raise CannotStack(f"fit is given validation_freq={given['validation_freq']!r}")
    shuffle = given.get("shuffle", True)
    if not isinstance(shuffle, bool):
        raise CannotStack(f"fit is given shuffle={shuffle!r}")
    batch_size = given.get("batch_size")
    train, found = _data(given.get("x"), given.get("y"), given.get("sample_weight"))
    if found is not None:
        if batch_size is not None:
            raise CannotStack("fit is given batch_size beside a tf.data set")
        batch_size, shuffle = found.batch_size, found.shuffled
    batch_size = batch_size or KERAS_BATCH_SIZE
    if given.get("validation_batch_size") not in (None, batch_size):
        raise CannotStack("fit is given a validation_batch_size of its own")
    validation = _validation(given.get("validation_data"))
    if given.get("validation_split") and validation is None:
        if found is not None:
            raise CannotStack("fit is given validation_split beside a tf.data set")
        train, validation = split(train, given["validation_split"])
    callbacks = given.get("callbacks") or []
    if not isinstance(callbacks, (list, tuple)):
        callbacks = [callbacks]
    return FitArguments(
        train=train,
        validation=validation,
        batch_size=int(batch_size),
        epochs=given.get("epochs", 1),
        initial_epoch=given.get("initial_epoch", 0),
        shuffle=shuffle,
        steps_per_epoch=steps,
        class_weight=given.get("class_weight"),
        callbacks=list(callbacks),
    )


def compiled_and_built(model: keras.Model, arguments: FitArguments) -> keras.Model:
    """The model itself, its variables and its optimizer's made as `fit` would make them.

    Raises:
        CannotStack: it is not compiled.
    """
    if not model.compiled or model.optimizer is None:
        raise CannotStack("the model is not compiled")
    with drawn_quickly():
        if not model.built:
            data = examples(tree.map_structure(lambda a: a[:1], arguments.train))
            model._symbolic_build(data_batch=data.symbolic_batch(arguments.batch_size))
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
    return model


def _bound(args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    try:
        given = SIGNATURE.bind(None, *args, **kwargs).arguments
    except TypeError as error:
        raise CannotStack(f"fit does not take these arguments: {error}") from None
    return {name: value for name, value in given.items() if name not in (*_HARMLESS, "self")}


def _data(x, y, sample_weight) -> tuple[tuple, "_Pass | None"]:
    if _is_dataset(x):
        if y is not None or sample_weight is not None:
            raise CannotStack("fit is given y or sample_weight beside a tf.data set")
        found = _read(x)
        return found.arrays, found
    if x is None or y is None:
        raise CannotStack("fit is given no targets as arrays")
    arrays = (x, y) if sample_weight is None else (x, y, sample_weight)
    return as_arrays(arrays), None


def _validation(data) -> tuple | None:
    if data is None:
        return None
    if _is_dataset(data):
        return _in_one_pass(data)[0]
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise CannotStack(f"its validation_data is a {type(data).__name__}, not arrays")
    return as_arrays(tuple(data))


def split(arrays: tuple, share: float) -> tuple[tuple, tuple]:
    """The first part trains, the last part validates, as in Keras.

    Raises:
        CannotStack: one of them would be empty.
    """
    size = len(tree.flatten(arrays)[0])
    first = int(size * (1 - share))
    if not 0 < first < size:
        raise CannotStack(f"validation_split={share!r} leaves one of the two parts empty")
    return (
        tree.map_structure(lambda a: a if a is None else a[:first], arrays),
        tree.map_structure(lambda a: a if a is None else a[first:], arrays),
    )


def as_arrays(data):
    """A nest of what NumPy takes for arrays of numbers, as such.

    Raises:
        CannotStack: something in it is none; the message says what.
    """

    def as_array(value):
        if value is None or isinstance(value, (str, bytes)) or not hasattr(value, "shape"):
            raise CannotStack(f"its data hold a {type(value).__name__}, not an array")
        try:
            array = np.asarray(value)
        except Exception as error:  # sparse and ragged tensors, data frames of objects
            raise CannotStack(f"its data are no plain array: {error}") from None
        if array.dtype == object or array.dtype.kind in "USO":
            raise CannotStack(f"its data are of dtype {array.dtype}, not numbers")
        return array

    return tree.map_structure(as_array, data)


# tf.data


@dataclass(frozen=True)
class _Pass:
    """A finite tf.data set in memory, and whether its order differs from pass to pass."""

    arrays: tuple
    batch_size: int
    shuffled: bool


def _is_dataset(value) -> bool:
    return type(value).__module__.startswith("tensorflow.") and hasattr(value, "element_spec")


def _read(dataset) -> _Pass:
    """Reads the set twice: what differs between two passes would be frozen by one."""
    first, size = _in_one_pass(dataset)
    second, _ = _in_one_pass(dataset)
    one, two = (_digests(arrays) for arrays in (first, second))
    if len(one) == len(two) and np.array_equal(one, two):
        return _Pass(first, size, shuffled=False)
    if len(one) != len(two) or not np.array_equal(np.sort(one), np.sort(two)):
        raise CannotStack("its tf.data set gives other examples in every pass")
    return _Pass(first, size, shuffled=True)


def _in_one_pass(dataset) -> tuple[tuple, int]:
    """The arrays of a set, batches put together, and the size of its batches."""
    if int(dataset.cardinality()) == -1:
        raise CannotStack("its tf.data set has no end")
    batches, used, batch_size = [], 0, None
    for batch in dataset.as_numpy_iterator():
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            raise CannotStack("its tf.data set gives no (x, y) batches")
        leaves = tree.flatten(batch)
        if not all(isinstance(leaf, np.ndarray) and leaf.ndim for leaf in leaves):
            raise CannotStack("its tf.data set is not of batches of plain arrays")
        if batches and len(leaves[0]) > batch_size:
            raise CannotStack("its tf.data set has batches of several sizes")
        if batches and len(tree.flatten(batches[-1])[0]) != batch_size:
            raise CannotStack("its tf.data set has batches of several sizes")
        batch_size = batch_size or len(leaves[0])
        used += sum(leaf.nbytes for leaf in leaves)
        if used > MEMORY_LIMIT:
            raise CannotStack(
                f"its tf.data set is larger than {MEMORY_LIMIT // 2**30} GB, so it is streamed"
            )
        batches.append(batch)
    if not batches:
        raise CannotStack("its tf.data set is empty")
    return as_arrays(tree.map_structure(lambda *a: np.concatenate(a), *batches)), batch_size


def _digests(arrays: tuple) -> np.ndarray:
    """A number an example, equal for equal examples: shape (examples,), uint64."""
    total = np.zeros(len(tree.flatten(arrays)[0]), "uint64")
    for place, leaf in enumerate(tree.flatten(arrays)):
        rows = np.ascontiguousarray(leaf).view("uint8").reshape(len(leaf), -1)
        weights = np.random.default_rng(place).integers(1, 2**63, rows.shape[1], dtype="uint64")
        step = max(1, 2**22 // rows.shape[1])  # examples at once: products take 8 times the memory
        for i in range(0, len(rows), step):
            products = rows[i : i + step].astype("uint64") * weights
            total[i : i + step] += products.sum(1, dtype="uint64")
    return total
