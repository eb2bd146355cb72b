"""From a TFDS example to raw inputs and a target, by the data set's own description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner_app.errors import UserError


@dataclass(frozen=True)
class Reading:
    """How to read one data set's examples.

    Attributes:
        kind: "image", "tabular" (an array of numbers) or "columns".
        shape: Of one raw input array, None for columns.
        bytes_each: Of one raw input and its features in memory, roughly.
        pixels: Whether the values run from 0 to 255.
        numbers, texts: The columns' names.
        class_names: Of a ClassLabel target, else None.
        decoders: TFDS decoders that leave images encoded; None to let TFDS decode.
        raw: Traced: example to raw input(s).
        target: Traced: example to its target.
    """

    kind: str
    shape: tuple[int, ...] | None
    bytes_each: int
    pixels: bool
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    class_names: tuple[str, ...] | None
    decoders: Any
    raw: Callable[[Any], Any]
    target: Callable[[Any], Any]


def reading(what: str, info, size: tuple[int, int] | None) -> Reading:
    """Find out how to read the examples.

    Args:
        what: Names the data set in errors.
        info: Its `tfds.core.DatasetInfo`.
        size: Height and width to resize images to, None to leave them.

    Raises:
        UserError: If inputs or target are of a kind that can't be used.
    """
    inputs, answer = _keys(what, info)
    label = info.features[answer]
    if label.shape not in ((), (1,)) or _is_nested(label):
        raise UserError(
            f"{what}: the target {answer!r} has shape {label.shape}; expected one value."
        )
    common = {
        "class_names": tuple(label.names) if hasattr(label, "int2str") else None,
        "target": lambda example: example[answer],
    }
    if isinstance(inputs, dict):
        return _columns(what, info, inputs, common)
    return _array(what, info, inputs, size, common)


def _keys(what: str, info) -> tuple[Any, str]:
    keys = info.supervised_keys
    if keys is None and {"image", "label"} <= set(info.features):
        keys = ("image", "label")
    if keys is None or not isinstance(keys[1], str):
        raise UserError(
            f"{what} does not say what is to be predicted from what (supervised_keys); choose a "
            "data set for supervised learning, or save its arrays and load them with npz:FILE."
        )
    inputs, answer = keys[0], keys[1]
    if isinstance(inputs, str) and _is_nested(info.features[inputs]):
        inputs = {f"{inputs}/{name}": (inputs, name) for name in info.features[inputs]}
    elif isinstance(inputs, dict):
        inputs = {name: (key,) for name, key in inputs.items()}
    elif isinstance(inputs, tuple):
        inputs = {key: (key,) for key in inputs}
    return inputs, answer


def _is_nested(feature) -> bool:
    return isinstance(feature.shape, dict)


def _array(what, info, key, size, common) -> Reading:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    feature = info.features[key]
    dtype = np.dtype(feature.np_dtype)
    if dtype.kind not in "biuf":
        raise UserError(
            f"{what}: the input {key!r} is {_name(feature)}; expected images or arrays of numbers."
        )
    image = isinstance(feature, tfds.features.Image)
    shape = feature.shape or (1,)
    if size is not None and len(shape) == 3:
        shape = (*size, shape[2])
    elif size is not None:
        raise UserError(f"{what}: size is for images, and {key!r} has shape {feature.shape}.")
    if None in shape or len(shape) > 3:
        hint = "; add ?size=HEIGHTxWIDTH" if len(shape) == 3 and shape[2] else ""
        raise UserError(
            f"{what}: the input {key!r} has shape {feature.shape}; expected one fixed shape of at "
            f"most three axes{hint}."
        )
    if len(shape) == 2:
        shape = (*shape, 1)

    def raw(example):
        value = example[key]
        if image:
            value = feature.decode_example(value)
        if size is not None:
            return tf.ensure_shape(tf.image.resize(value, size), shape)
        return tf.reshape(tf.cast(value, tf.float32) if dtype != np.uint8 else value, shape)

    stored = 1 if dtype == np.uint8 and size is None else 4
    return Reading(
        kind="image" if len(shape) == 3 else "tabular",
        shape=shape,
        bytes_each=int(np.prod(shape)) * (4 + stored),
        pixels=image and dtype == np.uint8,
        numbers=(),
        texts=(),
        # Only the examples of a split are decoded, not those that are passed over.
        decoders={key: tfds.decode.SkipDecoding()} if image else None,
        raw=raw,
        **common,
    )


def _columns(what, info, inputs, common) -> Reading:
    import tensorflow as tf

    def feature_at(path):
        feature = info.features
        for step in path:
            feature = feature[step]
        return feature

    features = {name.replace("/", "_"): (feature_at(path), path) for name, path in inputs.items()}
    for name, (feature, _) in features.items():
        if _is_nested(feature) or feature.shape != ():
            raise UserError(
                f"{what}: the input {name!r} is {_name(feature)}; expected columns of one number "
                "or text each."
            )

    def is_text(feature):
        return hasattr(feature, "int2str") or np.dtype(feature.np_dtype).kind not in "biuf"

    def one(feature, path, example):
        value = example
        for step in path:
            value = value[step]
        if hasattr(feature, "int2str"):  # -1 stands for an unknown class
            return tf.gather(tf.constant(["", *feature.names]), tf.cast(value, tf.int64) + 1)
        return value if is_text(feature) else tf.cast(value, tf.float32)

    texts = tuple(name for name, (feature, _) in features.items() if is_text(feature))
    return Reading(
        kind="columns",
        shape=None,
        bytes_each=64 * len(features),
        pixels=False,
        numbers=tuple(name for name in features if name not in texts),
        texts=texts,
        decoders=None,
        raw=lambda example: {
            name: tf.reshape(one(feature, path, example), (1,))
            for name, (feature, path) in features.items()
        },
        **common,
    )


def _name(feature) -> str:
    return f"{type(feature).__name__} of shape {feature.shape}"
