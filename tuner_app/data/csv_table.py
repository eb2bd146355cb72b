"""One pass over a CSV file: which columns are numbers, what the target is, and what is wrong."""

from __future__ import annotations

import functools
import math
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tuner_app.data.csv_format import Format, detect
from tuner_app.data.splitting import check_size
from tuner_app.data.targets import LARGEST, check_task, find_task
from tuner_app.errors import UserError, unknown

MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "nan", "null", "none"})
# Distinct values remembered of a column until one repeats.
_REMEMBERED = 10_000


def number(cell: str, comma: bool = False) -> float | None:
    """The cell's number, NaN where it is missing, None where it is text.

    >>> number("1e3"), number("NA"), number("red"), number("2,5", comma=True)
    (1000.0, nan, None, 2.5)
    """
    if comma and "." not in cell:
        cell = cell.replace(",", ".", 1)
    try:
        # Python reads 1_000 as a number; no CSV means that.
        return float(cell) if "_" not in cell else None
    except ValueError:
        return math.nan if cell.casefold() in MISSING else None


@dataclass
class Column:
    """What is known of one column while its cells pass by.

    Attributes:
        name: From the header.
        place: Its position in a record, from 0.
        comma: Whether the file's delimiter allows decimal commas.
        numeric: No cell yet that is neither a number nor missing.
        numbers, missing: How many cells are numbers, and how many are empty or say so.
    """

    name: str
    place: int
    comma: bool
    numeric: bool = True
    commas: bool = False
    numbers: int = 0
    missing: int = 0
    repeats: bool = False
    counts_up: bool = True
    too_large: int | None = None
    distinct: set[str] = field(default_factory=set)

    def see(self, cell: str, line: int) -> None:
        """Take in the next cell."""
        if not self.repeats and cell and len(self.distinct) < _REMEMBERED:
            self.repeats = cell in self.distinct
            self.distinct.add(cell)
        if not self.numeric:
            return
        value = number(cell, self.comma)
        if value is None:
            self.numeric = False
        elif math.isnan(value):
            self.missing += 1
            self.counts_up = False
        else:
            self.commas = self.commas or "," in cell
            self.counts_up = self.counts_up and value in (self.numbers, self.numbers + 1)
            self.numbers += 1
            if abs(value) > LARGEST and self.too_large is None:
                self.too_large = line

    @property
    def kind(self) -> str:
        """ "number", "text", "empty", "unique" (text that differs in every row) or "index".

        An index is a column without a name that counts the rows, as pandas writes one.
        """
        if self.numeric:
            if not self.name and self.numbers and self.counts_up:
                return "index"
            return "number" if self.numbers else "empty"
        return "text" if self.repeats else "unique"


@dataclass(frozen=True)
class Table:
    """A CSV file that can be learned from.

    Attributes:
        format: How to read it.
        columns: All columns but the target.
        starts, ends: Where each usable row's bytes are, int64 of shape (n,).
        targets: int32 labels or float64 numbers, shape (n,).
        class_names: In the order of the labels, None for regression.
        rule: One sentence: which task was found and why.
        without_target: Rows left out because their target is missing.
    """

    format: Format
    columns: tuple[Column, ...]
    starts: np.ndarray
    ends: np.ndarray
    targets: np.ndarray
    class_names: tuple[str, ...] | None
    rule: str
    without_target: int


def scan(path: Path, target: str | None, task: str | None) -> Table:
    """Read the whole file once and keep what `Table` holds, or raise `UserError`."""
    check_task(task)
    try:
        stamp = path.stat()
    except (OSError, ValueError):
        return _scan(path, target, task, None)
    # A check and the load that follows it read the file once, unless it changed.
    return _scan(path, target, task, (stamp.st_mtime_ns, stamp.st_size))


@functools.lru_cache(maxsize=1)
def _scan(path: Path, target: str | None, task: str | None, stamp: object) -> Table:
    form = detect(path, target)
    place = _target_place(form, target)
    columns = [Column(name, i, comma=form.delimiter != ",") for i, name in enumerate(form.header)]
    starts, ends, codes = array("q"), array("q"), array("q")
    seen: dict[str, int] = {}
    for record in form.records():
        if len(record.cells) != len(columns):
            raise UserError(
                f"CSV file {path}, line {record.line}: {len(record.cells)} cells, but the header "
                f"has {len(columns)}; every row must have as many cells as the header."
            )
        for column, cell in zip(columns, record.cells, strict=True):
            column.see(cell, record.line)
        codes.append(seen.setdefault(record.cells[place], len(seen)))
        starts.append(record.start)
        ends.append(record.end)
    answer = columns.pop(place)
    for column in columns:
        _check_column(path, column)
    values, present = _target_values(answer, list(seen))
    coded = np.frombuffer(codes, "int64") if codes else np.zeros(0, "int64")
    kept = present[coded] if len(coded) else np.zeros(0, bool)
    check_size(f"CSV file {path}", int(kept.sum()))
    if not any(column.kind in ("number", "text") for column in columns):
        raise UserError(
            f"CSV file {path} has nothing to learn from beside the target {target!r}: no column "
            "of numbers, and none of text that repeats."
        )
    targets, names, rule = find_task(
        f"CSV file {path}, target {target!r}", values, coded[kept], task, name=answer.name
    )
    return Table(
        format=form,
        columns=tuple(columns),
        starts=np.frombuffer(starts, "int64")[kept],
        ends=np.frombuffer(ends, "int64")[kept],
        targets=targets,
        class_names=names,
        rule=rule,
        without_target=int((~kept).sum()),
    )


def _target_place(form: Format, target: str | None) -> int:
    path, header = form.path, form.header
    named = [name for name in header if name]
    if len(set(named)) != len(named):
        twice = next(name for i, name in enumerate(named) if name in named[:i])
        raise UserError(f"CSV file {path}: column name {twice!r} occurs twice in the header.")
    if target in named:
        return header.index(target)
    if all(number(name) is not None for name in header):
        raise UserError(
            f"CSV file {path}: the first line looks like data ({', '.join(header[:5])}); expected "
            "column names there."
        )
    if target is None:
        raise UserError(
            f"CSV file {path}: no target given; add ?target=COLUMN with one of the columns "
            f"{', '.join(named)}."
        )
    raise unknown(f"target column of {path}", target, named)


def _check_column(path: Path, column: Column) -> None:
    if column.numeric and column.too_large is not None:
        raise UserError(
            f"CSV file {path}, line {column.too_large}: column {column.name!r} holds a number "
            "that is infinite or beyond 3.4e38."
        )
    if not column.name and column.kind not in ("empty", "index"):
        raise UserError(f"CSV file {path}: column {column.place + 1} has no name in the header.")


def _target_values(column: Column, cells: list[str]) -> tuple[list, np.ndarray]:
    """The different target cells as numbers where all are, and which are not missing."""
    if column.numeric:
        values = [number(cell, column.comma) for cell in cells]
        return values, np.array([not math.isnan(value) for value in values], bool)
    return cells, np.array([cell != "" for cell in cells], bool)
