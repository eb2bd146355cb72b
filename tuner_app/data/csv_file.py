"""A CSV file of your own: numbers and text columns, classification or regression."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tuner_app.data import tabular
from tuner_app.data.csv_table import Column, Table, number, scan
from tuner_app.data.dataset import Dataset
from tuner_app.data.source import Address, Limits
from tuner_app.data.splitting import TEST_SHARE, VALIDATION_SHARE, carve
from tuner_app.errors import UserError

SPEC = "csv:FILE?target=COLUMN[&task=classification|regression]"

# Rows held as Python strings at once.
_CHUNK = 4096


def check(address: Address) -> None:
    """Read the file once without TensorFlow; raise `UserError` if it can't be learned from."""
    _scan(address)


def load(address: Address, limits: Limits) -> Dataset:
    """Three splits of the file's rows.

    The first line names the columns. A column whose every cell is a number or missing (empty, ?,
    NA, N/A, NaN, null, None) is numeric, any other is text. The target makes it classification if
    it is text, or if it holds at most 20 different whole numbers, each three times on average;
    otherwise regression. Text columns become one-hot categories, missing numbers the training
    mean, both inside `preprocessing`, whose inputs are the file's columns by name, shape (n, 1).
    """
    table = _scan(address)
    reader = Rows(table)
    size = len(table.targets)
    parts = carve(
        size,
        (VALIDATION_SHARE, TEST_SHARE),
        seed=limits.seed,
        labels=None if table.class_names is None else table.targets,
    )
    train = np.sort(parts[0])  # in the file's order: disks read forwards
    fitted = tabular.fit(reader.numbers, reader.texts, lambda: reader.chunks(train))

    from tuner_app.data.assemble import assemble, in_memory
    from tuner_app.data.streamed import StreamedSplit

    preprocessing = fitted.model()
    # Features as float32, raw numbers as float32, text as references.
    held = size * (4 * fitted.width + 4 * len(reader.numbers) + 8 * len(reader.texts))
    if held <= limits.memory:
        split = in_memory(reader.all(), preprocessing)
    else:

        def split(part, targets):
            return StreamedSplit(part, targets, reader.in_graph, preprocessing)

    return assemble(
        address.text,
        "tabular",
        parts,
        table.targets,
        table.class_names,
        preprocessing,
        split,
        _notes(table, reader, fitted),
        fitted.feature_names,
    )


class Rows:
    """The usable rows of a scanned file, read by index as columns of shape (n, 1)."""

    def __init__(self, table: Table):
        self._table = table
        self._inputs = _input_names(table.columns)
        self.numbers = [self._inputs[c.place] for c in table.columns if c.kind == "number"]
        self.texts = [self._inputs[c.place] for c in table.columns if c.kind == "text"]
        self.renamed = {
            c.name: self._inputs[c.place]
            for c in table.columns
            if c.kind in ("number", "text") and self._inputs[c.place] != c.name
        }

    def read(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """The rows at these places, in this order."""
        table = self._table
        with table.format.path.open("rb") as file:

            def cells(row):
                file.seek(table.starts[row])
                try:
                    found = table.format.cells(file.read(table.ends[row] - table.starts[row]))
                except (ValueError, StopIteration):  # UnicodeDecodeError is one
                    found = []
                if len(found) != len(table.format.header):
                    raise UserError(f"CSV file {table.format.path} changed while it was read.")
                return found

            rows = [cells(row) for row in index]
        return {
            self._inputs[column.place]: _values([row[column.place] for row in rows], column)
            for column in table.columns
            if column.kind in ("number", "text")
        }

    def chunks(self, index: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """The same in pieces."""
        for start in range(0, len(index), _CHUNK):
            yield self.read(index[start : start + _CHUNK])

    def all(self) -> dict[str, np.ndarray]:
        """All rows."""
        pieces = list(self.chunks(np.arange(len(self._table.targets))))
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def in_graph(self, index):
        """`read` as an operation of a `tf.data` pipeline."""
        import tensorflow as tf

        names = [*self.numbers, *self.texts]
        types = [tf.float32] * len(self.numbers) + [tf.string] * len(self.texts)

        def read(index):
            columns = self.read(index)
            return [columns[name] for name in names]

        found = tf.numpy_function(read, [index], types, stateful=False)
        return {
            name: tf.ensure_shape(values, (None, 1))
            for name, values in zip(names, found, strict=True)
        }


def _scan(address: Address) -> Table:
    address.allow("target", "task", place="FILE")
    return scan(address.path, address.options.get("target"), address.options.get("task"))


def _values(cells: list[str], column: Column) -> np.ndarray:
    if column.kind == "text":
        return np.array(cells, object).reshape(-1, 1)
    values = [number(cell, column.comma) for cell in cells]
    values = [math.nan if value is None else value for value in values]
    return np.array(values, "float32").reshape(-1, 1)


def _input_names(columns: tuple[Column, ...]) -> dict[int, str]:
    """A name for each column's input, by place: Keras allows no slash in one."""
    taken = {column.name for column in columns}
    names = {}
    for column in columns:
        name = column.name
        while "/" in name or (name != column.name and name in taken):
            name = name.replace("/", "_") if "/" in name else name + "_"
        taken.add(name)
        names[column.place] = name
    return names


def _notes(table: Table, reader: Rows, fitted: tabular.Fitted) -> list[str]:
    lines = [table.rule]
    if table.format.encoding != "utf-8":
        lines.append("Read as Windows-1252 text, because it is not UTF-8.")
    if table.without_target:
        lines.append(f"{table.without_target} rows without a target are left out.")
    commas = [column.name for column in table.columns if column.kind == "number" and column.commas]
    if commas:
        lines.append(f"Decimal commas read as points in {', '.join(commas)}.")
    for column in table.columns:
        if column.kind == "empty":
            lines.append(f"Column {column.name!r} is left out: it has no values.")
        elif column.kind == "unique":
            dates = tabular.of_dates(column.distinct)
            lines.append(
                f"Column {column.name!r} is left out: its text differs in every row.{dates}"
            )
        elif column.kind == "index":
            lines.append("The column without a name is left out: it counts the rows.")
    lines += [f"Column {name!r} is the input {new!r}." for name, new in reader.renamed.items()]
    missing = {reader._inputs[c.place]: c.missing for c in table.columns if c.kind == "number"}
    return lines + tabular.notes(fitted, missing)
