"""Images of your own: a folder with one folder for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner_app.data.dataset import Dataset
from tuner_app.data.image_header import ENDINGS, image_size
from tuner_app.data.source import Address, Limits, check_path
from tuner_app.data.splitting import (
    TEST_SHARE,
    VALIDATION_SHARE,
    carve,
    check_classes,
    check_size,
)
from tuner_app.errors import UserError

SPEC = "images:FOLDER[?size=HEIGHTxWIDTH]"

_LARGEST_DEFAULT = 224


@dataclass(frozen=True)
class Folder:
    """A folder that can be learned from.

    Attributes:
        paths: Every image.
        labels: The place of each one's class in `class_names`, int32.
        class_names: The folders' names in alphabetical order.
        shape: Height and width to resize to, and channels.
        note: How the shape was found.
    """

    paths: list[Path]
    labels: np.ndarray
    class_names: list[str]
    shape: tuple[int, int, int]
    note: str


def check(address: Address) -> None:
    """Look at every file's header without TensorFlow; raise `UserError` if one is no image."""
    _folder(address)


def load(address: Address, limits: Limits) -> Dataset:
    """Three splits of the images, resized to one size, with values from 0 to 1.

    Without `size` they keep their own where they share one; else they get their median height and
    width, at most 224. They are grey where all are, else coloured. `preprocessing` takes images of
    any size, shape (n, height, width, channels), values from 0 to 255.
    """
    from tuner_app.data.assemble import assemble, in_memory
    from tuner_app.data.preprocessing import rescaling
    from tuner_app.data.streamed import StreamedSplit

    folder = _folder(address)
    labels, shape = folder.labels, folder.shape
    parts = carve(len(labels), (VALIDATION_SHARE, TEST_SHARE), seed=limits.seed, labels=labels)
    preprocessing = rescaling((None, None, shape[2]), 0, 255, size=shape[:2], dtype="float32")
    # Resized images and features, both float32.
    if 8 * len(labels) * int(np.prod(shape)) <= limits.memory:
        split = in_memory(_decoded(folder), preprocessing)
    else:

        def split(part, targets):
            return StreamedSplit(part, targets, _reader(folder), preprocessing)

    return assemble(
        address.text,
        "image",
        parts,
        labels,
        folder.class_names,
        preprocessing,
        split,
        [folder.note],
    )


def _folder(address: Address) -> Folder:
    address.allow("size", place="FOLDER")
    size = address.image_size()
    root = address.path
    what = f"Image folder {address.place!r}"
    check_path("Image folder", root, "images:FOLDER with one folder for each class", folder=True)
    try:
        classes = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
        found = [[path for path in sorted(one.iterdir()) if _is_image(path)] for one in classes]
    except OSError as error:
        raise UserError(f"{what} can't be listed: {error.strerror}.") from None
    for one, paths in zip(classes, found, strict=True):
        if not paths:
            raise UserError(
                f"{what}: the folder {one.name!r} has no image ({', '.join(ENDINGS)}); expected "
                "one folder for each class, images in each."
            )
    names = [one.name for one in classes]
    counts = np.array([len(paths) for paths in found], int)
    check_classes(what, names, counts)
    check_size(what, int(counts.sum()))
    paths = [path for one in found for path in one]
    sizes = np.array([_header(path) for path in paths])
    own = sizes[:, :2]
    same = bool((own == own[0]).all())
    if size is not None:
        how = "as asked for"
    elif same:
        size, how = own[0], "their own"
    else:
        size = np.minimum(np.median(own, axis=0), _LARGEST_DEFAULT)
        how = f"their median, at most {_LARGEST_DEFAULT}; ?size=HEIGHTxWIDTH changes it"
    shape = (int(size[0]), int(size[1]), int(sizes[:, 2].max()))
    return Folder(
        paths=paths,
        labels=np.repeat(np.arange(len(names), dtype="int32"), counts),
        class_names=names,
        shape=shape,
        note=f"Images are {shape[0]} by {shape[1]} ({how}), "
        f"{'grey' if shape[2] == 1 else 'colour'}.",
    )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".")


def _header(path: Path) -> tuple[int, int, int]:
    try:
        return image_size(path)
    except (OSError, ValueError, IndexError) as error:
        raise _undecodable(path, getattr(error, "strerror", None) or error) from None


def _undecodable(path: Path, reason) -> UserError:
    return UserError(f"Image {str(path)!r} can't be read: {reason}; replace or remove it.")


def _decoded(folder: Folder) -> np.ndarray:
    """All images, float32 of shape (n, height, width, channels), values from 0 to 255."""
    import tensorflow as tf

    images = np.empty((len(folder.paths), *folder.shape), "float32")
    for i, path in enumerate(folder.paths):
        try:
            images[i] = _decode(tf.constant(str(path)), folder.shape)
        except tf.errors.OpError as error:
            raise _undecodable(path, error.message.partition("\n")[0]) from None
    return images


def _reader(folder: Folder):
    """`_decoded` for chosen images, as operations of a `tf.data` pipeline."""
    import tensorflow as tf

    with tf.device("cpu"):
        paths = tf.constant([str(path) for path in folder.paths])
    signature = tf.TensorSpec(folder.shape, tf.float32)
    return lambda index: tf.map_fn(
        lambda path: _decode(path, folder.shape),
        tf.gather(paths, index),
        fn_output_signature=signature,
    )


def _decode(path, shape):
    import tensorflow as tf

    image = tf.io.decode_image(tf.io.read_file(path), channels=shape[2], expand_animations=False)
    # Rows first, as `preprocessing` resizes: with the size right, its own resizing changes nothing.
    return tf.ensure_shape(tf.image.resize(image, shape[:2]), shape)
