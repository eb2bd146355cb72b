"""A TensorFlow Datasets data set, downloaded and prepared when first used."""

from __future__ import annotations

import contextlib
import difflib
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from tuner_app.data import tabular
from tuner_app.data.dataset import SPLITS, Dataset
from tuner_app.data.source import Address, Limits
from tuner_app.data.splitting import check_classes, check_size, divide
from tuner_app.data.targets import check_task, find_task
from tuner_app.errors import UserError, unknown

SPEC = "tfds:NAME[:CONFIG][?train=SPLIT&validation=SPLIT&test=SPLIT&data_dir=FOLDER]"

_VALIDATION_NAMES = ("validation", "valid", "val", "dev")
_CHUNK = 1024
# A server that has not answered by then counts as out of reach.
_PATIENCE_SECONDS = 5


def check(address: Address) -> None:
    """Raise `UserError` for an unknown name, or one that can't be downloaded and is not here."""
    address.allow(*SPLITS, "size", "task", "data_dir", place="NAME")
    address.image_size()
    check_task(address.options.get("task"))
    name, full_name = _name(address)
    import tensorflow_datasets as tfds

    try:
        here = any(_folder(address).joinpath(name).rglob("dataset_info.json"))
    except OSError:  # a name too long for a folder
        here = False
    try:
        builder = tfds.builder_cls(name)
    except tfds.core.registered.DatasetNotFoundError as error:
        if not here:  # prepared data can be read without the code that prepared it
            known = re.findall(r"^\s*- (\w+)$", str(error), re.MULTILINE)
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            raise UserError(
                f"Unknown TensorFlow data set {name!r}.{hint} "
                "https://www.tensorflow.org/datasets/catalog has all names."
            ) from None
        return
    config = full_name.partition("/")[2]
    if config and config not in builder.builder_configs:
        raise unknown(f"configuration of tfds:{name}", config, builder.builder_configs)
    if not here:
        _check_reachable(address, builder.url_infos)


def load(address: Address, limits: Limits) -> Dataset:
    """Three splits of the data set, by its own `supervised_keys`.

    Its own validation and test splits are used where it has them, and what is missing is carved
    from train; options name other splits, in TFDS's syntax, for example `train=train[:80%]`.
    Images with values from 0 to 255 are rescaled to 0 to 1 (and resized, with `size`), other arrays
    are standardised, dictionaries of numbers and text become columns as those of a CSV file do.
    Further options: `size=HEIGHTxWIDTH`, and `task` as for CSV files.
    """
    from tuner_app.data import preprocessing as models
    from tuner_app.data.assemble import assemble, in_memory
    from tuner_app.data.sequential import SequentialSplit
    from tuner_app.data.tfds_example import reading

    check(address)
    what = f"Data set {address.text!r}"
    builder = _prepared(address)
    size = address.image_size()
    read = reading(what, builder.info, size)
    names = _split_names(address, what, builder.info.splits)

    def examples(split):
        import tensorflow_datasets as tfds

        return builder.as_dataset(
            split=split,
            decoders=read.decoders,
            read_config=tfds.ReadConfig(try_autocache=False),
        )

    answers = {name: _collect(examples(split).map(read.target)) for name, split in names.items()}
    notes = _drop_unlabelled(answers, names)
    sizes = {name: len(found) for name, found in answers.items()}
    check_size(f"{what}, split {names['train']!r}", sizes["train"])
    targets, class_names, rule = _targets(address, what, read.class_names, answers)
    labels = None if class_names is None else targets
    parts = divide(
        sizes["train"], sizes.get("validation"), sizes.get("test"), seed=limits.seed, labels=labels
    )
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))

    def chosen(part, name):
        mask = np.zeros(sizes[name], bool)
        mask[part - starts[name]] = True
        return mask

    def train_chunks():
        import tensorflow as tf

        keep = tf.constant(chosen(parts[0], "train"))
        kept = examples(names["train"]).enumerate().filter(lambda i, _: tf.gather(keep, i))
        raw = kept.map(lambda _, example: read.raw(example), num_parallel_calls=2)
        return (_as_columns(chunk) for chunk in raw.batch(_CHUNK).as_numpy_iterator())

    feature_names = None
    if read.kind == "columns":
        fitted = tabular.fit(read.numbers, read.texts, train_chunks)
        preprocessing = fitted.model()
        notes += tabular.notes(fitted, {})
        feature_names = fitted.feature_names
    elif read.pixels and size is not None:
        raw_shape = (None, None, read.shape[2])
        preprocessing = models.rescaling(raw_shape, 0, 255, size=size, dtype="float32")
    elif read.pixels:
        preprocessing = models.rescaling(read.shape, 0, 255)
    else:
        preprocessing = models.standardization(read.shape, train_chunks())

    if len(targets) * read.bytes_each <= limits.memory:
        split = in_memory(
            _joined([_collect(examples(names[name]).map(read.raw)) for name in sizes]),
            preprocessing,
        )
    else:

        def split(part, part_targets):
            name = [name for name in sizes if starts[name] <= part[0]][-1]
            own = np.zeros((sizes[name], *part_targets.shape[1:]), part_targets.dtype)
            own[part - starts[name]] = part_targets
            return SequentialSplit(
                lambda: examples(names[name]), chosen(part, name), own, read.raw, preprocessing
            )

    kind = "image" if read.kind == "image" else "tabular"
    return assemble(
        address.text,
        kind,
        parts,
        targets,
        class_names,
        preprocessing,
        split,
        [*rule, *notes],
        feature_names,
    )


def _name(address: Address) -> tuple[str, str]:
    """The name alone, and the name as TFDS wants it, with a configuration or version."""
    name, _, config = address.place.replace("/", ":", 1).partition(":")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(
            f"Data set {address.text!r}: expected tfds:NAME, in lower case, received {name!r}."
        )
    if not config:
        return name, name
    return name, f"{name}:{config}" if config[0].isdigit() else f"{name}/{config}"


def _folder(address: Address) -> Path:
    import tensorflow_datasets as tfds

    given = address.options.get("data_dir")
    return Path(given or tfds.core.constants.DATA_DIR).expanduser()


def _check_reachable(address: Address, urls) -> None:
    """Ask each server that the download would need, once: TFDS itself tries for minutes."""
    hosts = {urllib.request.Request(url).host: url for url in urls if "://" in url}
    for host, url in hosts.items():
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # it answered
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UserError(
                f"Data set {address.text!r} is not in {_folder(address)} and can't be downloaded: "
                f"{host} does not answer ({reason}); prepare it where there is a network and give "
                "its folder as ?data_dir=FOLDER."
            ) from None


def _prepared(address: Address) -> Any:
    import tensorflow_datasets as tfds

    _, full_name = _name(address)
    what = f"Data set {address.text!r}"
    try:
        builder = tfds.builder(full_name, data_dir=_folder(address))
    except Exception as error:  # an unknown configuration or version; TFDS has no common class
        raise UserError(f"{what}: {_first_line(error)}") from None
    if not builder.is_prepared():
        _check_reachable(address, getattr(builder, "url_infos", None) or {})
        try:
            # TFDS prints what it does, and the standard output is for results.
            with contextlib.redirect_stdout(sys.stderr):
                builder.download_and_prepare()
        except Exception as error:  # of network, disk, checksums, a missing manual download
            raise UserError(f"{what} can't be prepared: {_first_line(error)}") from None
    return builder


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _split_names(address: Address, what: str, splits) -> dict[str, str]:
    """Our split name to TFDS's, as far as there is one."""
    own = {
        "train": next((name for name in ("train", *splits) if name in splits), None),
        "validation": next((name for name in _VALIDATION_NAMES if name in splits), None),
        "test": "test" if "test" in splits else None,
    }
    names = {name: address.options.get(name, own[name]) for name in SPLITS}
    names = {name: split for name, split in names.items() if split is not None}
    for name, split in names.items():
        try:
            size = splits[split].num_examples
        except Exception:  # TFDS raises many kinds for what it can't parse
            base = re.split(r"[\[+]", split)[0]
            if base not in splits:
                raise unknown(f"split of tfds:{address.place}", base, splits) from None
            raise UserError(f"{what}: {name}={split!r} is not TFDS's split syntax.") from None
        if not size:
            raise UserError(f"{what}: the split {split!r} has no examples.")
    return names


def _drop_unlabelled(answers: dict[str, np.ndarray], names: dict[str, str]) -> list[str]:
    """Forget splits whose labels are held back (-1, as for competitions)."""
    hidden = [
        name
        for name, found in answers.items()
        if name != "train" and found.dtype.kind == "i" and len(found) and (found < 0).all()
    ]
    for name in hidden:
        del answers[name]
    return [
        f"The split {names[name]!r} has no labels; {name} is carved from train." for name in hidden
    ]


def _targets(address, what, class_names, answers):
    """Targets of all splits, class names, and what there is to say about the task."""
    pool = np.concatenate([found.reshape(-1) for found in answers.values()])
    task = address.options.get("task")
    if class_names is not None and task != "regression":
        counts = np.bincount(answers["train"].reshape(-1), minlength=len(class_names))
        used = np.flatnonzero(np.bincount(pool, minlength=len(class_names)))
        # Some data sets name classes that have no examples at all.
        found = [class_names[label] for label in used]
        check_classes(what, found, counts[used], minimum=4 - len(answers))
        return pool, class_names, []
    values, codes = np.unique(pool, return_inverse=True)
    targets, names, rule = find_task(what, values.tolist(), codes, task, minimum=4 - len(answers))
    return targets, names, [rule]


def _collect(examples) -> Any:
    """All elements as one array, or one array a column."""
    return _joined([_as_columns(chunk) for chunk in examples.batch(_CHUNK).as_numpy_iterator()])


def _joined(pieces: list) -> Any:
    if isinstance(pieces[0], dict):
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return np.concatenate(pieces)


def _as_columns(chunk: Any) -> Any:
    """Text as str, as everywhere in this package; TensorFlow gives bytes."""
    if isinstance(chunk, dict):
        return {name: _as_columns(column) for name, column in chunk.items()}
    if chunk.dtype.kind != "O":
        return chunk
    text = [value.decode(errors="replace") for value in chunk.ravel()]
    return np.array(text, object).reshape(chunk.shape)
