"""Data sets by name: `load("digits")` gives three splits, and a spec that imports nothing heavy.

Examples:
    >>> from tuner_app import data
    >>> data.check("digits")
    >>> data.check("csv:wine.csv")
    Traceback (most recent call last):
    ...
    tuner_app.errors.UserError: CSV file 'wine.csv' does not exist; expected csv:FILE?target=COLUMN.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from tuner_app.data import cache
from tuner_app.data.dataset import Dataset, DataSpec, Split
from tuner_app.data.fingerprint import fingerprint
from tuner_app.data.memory import default_limit
from tuner_app.data.source import Address, Limits
from tuner_app.errors import UserError, unknown

__all__ = ["DataSpec", "Dataset", "Split", "check", "fingerprint", "load"]

# What stands before the colon, and the module that answers to it.
_SOURCES = {
    "digits": "digits",
    "diabetes": "diabetes",
    "csv": "csv_file",
    "npz": "npz_file",
    "images": "image_folder",
    "tfds": "tfds",
}


def load(
    spec: str,
    *,
    seed: int = 0,
    memory_limit: int | None = None,
    cache_folder: str | Path | None = None,
) -> Dataset:
    """The data set that `spec` names, in three splits.

    Splits that the source has are kept; what is missing is carved from its training examples: 15%
    for validation, 15% for test, with the share of each class kept. Whatever is fitted
    (normalization, filled numbers, categories) sees the training split only.

    Args:
        spec: For example "digits", "csv:wine.csv?target=quality"; `tuner-app list datasets` has
            all forms.
        seed: Fixes which example goes to which split.
        memory_limit: Most bytes of features to hold in memory, more is streamed from disk. None:
            a quarter of the machine's memory.
        cache_folder: Where prepared data is kept. None: `$XDG_CACHE_HOME/tuner_app` or
            `~/.cache/tuner_app`.

    Raises:
        UserError: If there is no such data set, or it can't be learned from; see the message.
    """
    if seed < 0:
        raise UserError(f"seed must not be negative, got {seed}.")
    address = Address.parse(spec)
    limits = Limits(
        seed=seed,
        memory=default_limit() if memory_limit is None else memory_limit,
        cache=cache.default_folder() if cache_folder is None else Path(cache_folder),
    )
    return _source(spec, address).load(address, limits)


def check(spec: str) -> None:
    """Raise the `UserError` that `load` would, as far as it can be told without TensorFlow.

    That covers the name and its options, files that are missing or broken, targets and classes;
    not what only decoding every image or reaching a download would show.
    """
    address = Address.parse(spec)
    _source(spec, address).check(address)


def _source(spec: str, address: Address) -> ModuleType:
    if address.scheme not in _SOURCES:
        # A path alone, which is easily meant.
        for ending, form in {".csv": "csv:{}?target=COLUMN", ".npz": "npz:{}"}.items():
            if address.scheme.lower().endswith(ending):
                form = form.format(address.scheme)
                raise UserError(f"Unknown data set {spec!r}. Did you mean {form!r}?")
        raise unknown("data set", address.scheme, _SOURCES)
    return importlib.import_module(f"tuner_app.data.{_SOURCES[address.scheme]}")
