"""Handwritten digits, 1,797 images of 8 by 8, ten classes; embedded, nothing is downloaded."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
from pathlib import Path

import numpy as np

from tuner_app.data.cache import prepared
from tuner_app.data.dataset import Dataset
from tuner_app.data.source import Address, Limits
from tuner_app.data.splitting import TEST_SHARE, VALIDATION_SHARE, carve

SPEC = "digits"

_EXAMPLES = 1797


def check(address: Address) -> None:
    """Raise `UserError` for options: there are none."""
    address.allow()


def load(address: Address, limits: Limits) -> Dataset:
    """The digits with values from 0 to 1, as images of shape (8, 8, 1)."""
    from tuner_app.data.assemble import assemble, in_memory
    from tuner_app.data.preprocessing import rescaling

    check(address)
    images, labels = read(limits.cache)
    parts = carve(len(labels), (VALIDATION_SHARE, TEST_SHARE), seed=limits.seed, labels=labels)
    preprocessing = rescaling((8, 8, 1), 0, 16)
    names = [str(digit) for digit in range(10)]
    return assemble(
        SPEC, "image", parts, labels, names, preprocessing, in_memory(images, preprocessing)
    )


def read(cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 of shape (1797, 8, 8, 1), and labels, prepared as a TFDS data set in `cache`.

    A cache that can't be written is passed over, a damaged one is prepared again.
    """
    if importlib.util.find_spec("tensorflow") is None:
        # Keras on JAX alone: TFDS can't read its files there, scikit-learn has the same rows.
        return _embedded()
    folder = cache / "digits-1.0.0"
    for _ in range(2):
        try:
            prepared(folder, _prepare)
        except OSError:
            break
        try:
            return _read_prepared(folder)
        except Exception:  # whatever TFDS and TensorFlow make of a damaged file
            shutil.rmtree(folder, ignore_errors=True)
    return _embedded()


def _embedded() -> tuple[np.ndarray, np.ndarray]:
    from tuner_app.data.digits_builder import rows

    return rows()


def _prepare(folder: Path) -> None:
    from tuner_app.data.digits_builder import Digits

    # TFDS prints what it does, and the standard output is for results.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        Digits(data_dir=folder).download_and_prepare()


def _read_prepared(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    from tuner_app.data.digits_builder import Digits

    examples = Digits(data_dir=folder).as_dataset(split="train", batch_size=-1)
    images, labels = examples["image"].numpy(), examples["label"].numpy()
    if len(labels) != _EXAMPLES:
        raise ValueError(f"{len(labels)} digits in {folder}.")
    return images, labels
