"""NumPy arrays in one file: x and y, or x_train, y_train, x_test, y_test and x_val, y_val."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner_app.data.dataset import Dataset
from tuner_app.data.npz_members import Member, damaged, members, scratch
from tuner_app.data.source import Address, Limits
from tuner_app.data.splitting import check_classes, check_size, divide
from tuner_app.data.targets import check_task, find_task
from tuner_app.errors import UserError

SPEC = "npz:FILE[?task=classification|regression]"

_KEYS = "x and y, or x_train, y_train, x_test and y_test, and optionally x_val and y_val"
_CHUNK = 4096


@dataclass(frozen=True)
class Contents:
    """A file that can be learned from.

    Attributes:
        inputs: The x of train, validation and test, as far as the file has them.
        sizes: Examples of each, None for a split that is to be carved.
        targets, class_names, rule: See `find_task`; of all splits, in this order.
    """

    inputs: list[Member]
    sizes: tuple[int, int | None, int | None]
    targets: np.ndarray
    class_names: tuple[str, ...] | None
    rule: str


def check(address: Address) -> None:
    """Read the file without TensorFlow; raise `UserError` if it can't be learned from."""
    _contents(address)


def load(address: Address, limits: Limits) -> Dataset:
    """Three splits of the file's examples, standardised by the training examples.

    The first axis of x counts examples. x of shape (n, features) is tabular, (n, height, width)
    and (n, height, width, channels) are images. y holds classes (numbers or text, or one-hot rows)
    or numbers. `numpy.load` runs with `allow_pickle=False`.
    """
    from tuner_app.data.assemble import assemble, in_memory
    from tuner_app.data.preprocessing import standardization
    from tuner_app.data.streamed import StreamedSplit

    contents = _contents(address)
    labels = None if contents.class_names is None else contents.targets
    parts = divide(*contents.sizes, seed=limits.seed, labels=labels)
    shape = contents.inputs[0].shape[1:] or (1,)
    if len(shape) == 2:
        shape = (*shape, 1)
    values = len(contents.targets) * int(np.prod(shape))
    held = 4 * values + sum(member.nbytes for member in contents.inputs)
    train = np.sort(parts[0])
    if held <= limits.memory:
        pool = Pool([member.read() for member in contents.inputs], shape)
    else:
        folder = scratch(limits.cache)
        pool = Pool([m.mapped(folder.name) for m in contents.inputs], shape, keep=folder)
    chunks = (pool[train[at : at + _CHUNK]] for at in range(0, len(train), _CHUNK))
    preprocessing = standardization(shape, chunks)
    if held <= limits.memory:
        split = in_memory(pool, preprocessing)
    else:

        def split(part, targets):
            return StreamedSplit(part, targets, pool.in_graph, preprocessing)

    kind = "tabular" if len(shape) < 2 else "image"
    return assemble(
        address.text,
        kind,
        parts,
        contents.targets,
        contents.class_names,
        preprocessing,
        split,
        [contents.rule],
    )


class Pool:
    """The examples of several arrays, one after the other, read by index.

    Args:
        arrays: In memory or mapped.
        shape: What an example is reshaped to.
        keep: Something that must live as long as the arrays do.
    """

    def __init__(self, arrays: Sequence[np.ndarray], shape: tuple[int, ...], keep=None):
        self._arrays = arrays
        self._shape = shape
        self._starts = np.cumsum([0, *(len(array) for array in arrays)])
        self._keep = keep

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        found = np.empty((len(index), *self._shape), self._arrays[0].dtype)
        for array, start in zip(self._arrays, self._starts, strict=False):
            here = (index >= start) & (index < start + len(array))
            found[here] = array[index[here] - start].reshape(-1, *self._shape)
        return found

    def in_graph(self, index):
        """Indexing as an operation of a `tf.data` pipeline; float32."""
        import tensorflow as tf

        found = tf.numpy_function(
            lambda index: self[index].astype("float32"), [index], tf.float32, stateful=False
        )
        return tf.ensure_shape(found, (None, *self._shape))


def _contents(address: Address) -> Contents:
    address.allow("task", place="FILE")
    task = address.options.get("task")
    check_task(task)
    path, what = address.path, f"NPZ file {address.place!r}"
    found = members(path)
    pairs = _pairs(what, found)
    for x, y in pairs.values():
        _check_pair(what, x, y, pairs["train"][0])
    try:
        for x, _ in pairs.values():
            _check_finite(what, x)
        answers = np.concatenate([_read_targets(what, y) for _, y in pairs.values()])
    except UserError:
        raise
    except Exception as error:  # checksums are looked at here
        raise damaged(path, error) from None
    sizes = {name: x.shape[0] for name, (x, _) in pairs.items()}
    check_size(f"{what}, {pairs['train'][0].key}", sizes["train"])
    for name in sizes:
        if not sizes[name]:
            raise UserError(f"{what}: {pairs[name][0].key} has no examples.")
    values, codes = np.unique(answers, return_inverse=True)
    targets, names, rule = find_task(
        f"{what}, targets", values.tolist(), codes.ravel(), task, minimum=1
    )
    if names is not None:
        # A class must be in the training examples, and in each split that is carved from them.
        counts = np.bincount(targets[: sizes["train"]], minlength=len(names))
        check_classes(f"{what}, {pairs['train'][1].key}", names, counts, minimum=4 - len(sizes))
    return Contents(
        inputs=[x for x, _ in pairs.values()],
        sizes=(sizes["train"], sizes.get("validation"), sizes.get("test")),
        targets=targets,
        class_names=names,
        rule=rule,
    )


def _pairs(what: str, found: dict[str, Member]) -> dict[str, tuple[Member, Member]]:
    """Split name to (x, y), in the order train, validation, test."""
    forms = [
        {"train": ("x", "y")},
        {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},
        {
            "train": ("x_train", "y_train"),
            "validation": ("x_val", "y_val"),
            "test": ("x_test", "y_test"),
        },
    ]
    for form in forms:
        if {key for pair in form.values() for key in pair} == set(found):
            return {name: (found[x], found[y]) for name, (x, y) in form.items()}
    held = ", ".join(sorted(found)) or "none"
    raise UserError(f"{what} holds the arrays {held}; expected {_KEYS}.")


def _check_pair(what: str, x: Member, y: Member, first: Member) -> None:
    if not x.shape or not y.shape or x.shape[0] != y.shape[0]:
        raise UserError(
            f"{what}: {x.key} has shape {x.shape} and {y.key} {y.shape}; they need the same "
            "length, one entry an example."
        )
    if x.dtype.kind not in "biuf":
        raise UserError(f"{what}: {x.key} is {x.dtype}; expected numbers.")
    if x.shape[1:] != first.shape[1:]:
        raise UserError(
            f"{what}: an example in {x.key} has shape {x.shape[1:]}, in {first.key} "
            f"{first.shape[1:]}; they must agree."
        )
    if len(x.shape) > 4 or 0 in x.shape[1:]:
        raise UserError(
            f"{what}: {x.key} has shape {x.shape}; expected (n, features), (n, height, width) or "
            "(n, height, width, channels)."
        )
    if len(x.shape) == 4 and x.shape[1] in (1, 3) and x.shape[3] > 4:
        raise UserError(
            f"{what}: {x.key} has shape {x.shape}, which looks like channels first; expected "
            "(n, height, width, channels)."
        )


def _check_finite(what: str, member: Member) -> None:
    if member.dtype.kind != "f":
        return
    place = 0
    for piece in member.pieces():
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(piece.astype("float32"))
        if wrong.any():
            place += int(np.argmax(wrong))
            row = place // int(np.prod(member.shape[1:]))
            where = "" if member.fortran else f" in example {row} (counted from 0)"
            raise UserError(
                f"{what}: {member.key} holds {piece[np.argmax(wrong)]}{where}; expected numbers "
                "that are finite, up to 3.4e38: fill or remove it."
            )
        place += len(piece)


def _read_targets(what: str, member: Member) -> np.ndarray:
    """One target an example, shape (n,); one-hot rows become class numbers."""
    if member.dtype.kind not in "biufUS":
        raise UserError(f"{what}: {member.key} is {member.dtype}; expected numbers or text.")
    _check_finite(what, member)
    targets = member.read()
    if targets.dtype.kind == "S":
        targets = np.char.decode(targets, "latin-1")
    if targets.dtype.kind == "b":
        targets = targets.astype("int64")
    if targets.ndim == 1 or targets.shape[1:] == (1,):
        return targets.reshape(-1)
    if targets.ndim == 2 and targets.dtype.kind != "U":
        if np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all():
            return targets.argmax(axis=1)
    raise UserError(
        f"{what}: {member.key} has shape {member.shape}; expected one target an example, shape "
        "(n,) or (n, 1), or one-hot rows."
    )
