"""A CSV file's bytes: which encoding, which delimiter, and its records with their places."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner_app.data.source import check_path
from tuner_app.errors import UserError

DELIMITERS = (",", ";", "\t", "|")

# Text has tabs, line ends and form feeds, and no other control characters.
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f")) + b"\x7f"


@dataclass(frozen=True)
class Record:
    """One record: its cells without surrounding blanks, its line (from 1), its place in bytes."""

    cells: list[str]
    line: int
    start: int
    end: int


@dataclass(frozen=True)
class Format:
    """How to read one file.

    Attributes:
        path: The file.
        encoding: "utf-8" or "cp1252".
        delimiter: One of `DELIMITERS`.
        header: The first record's cells.
        skip: Bytes before the header (a byte order mark).
    """

    path: Path
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    skip: int

    def records(self) -> Iterator[Record]:
        """All records after the header; blank lines are passed over."""
        records = _records(self.path, self.encoding, self.delimiter, self.skip)
        next(records)
        return records

    def cells(self, text: bytes) -> list[str]:
        """The cells of one record, given its bytes."""
        return _stripped(next(_reader([text.decode(self.encoding)], self.delimiter)))


def detect(path: Path, target: str | None = None) -> Format:
    """Find out how to read the file; `target` is a column's name, which helps to tell delimiters.

    Raises:
        UserError: If it is missing, empty, not text, or its first line can't be read.
    """
    skip, encoding = _encoding(path)
    candidates = []
    for delimiter in DELIMITERS:
        try:
            header = next(_records(path, encoding, delimiter, skip), None)
        except UserError:  # quotes that fit another delimiter
            continue
        if header is None:
            raise UserError(f"CSV file {path} is empty; expected a line of column names and rows.")
        candidates.append((target in header.cells, len(header.cells), delimiter, header.cells))
    if not candidates:
        next(_records(path, encoding, ",", skip))  # raises what is wrong with the quotes
    # The first of the best: max keeps the order of DELIMITERS among equals.
    _, _, delimiter, header = max(candidates, key=lambda found: found[:2])
    return Format(path, encoding, delimiter, tuple(header), skip)


def _records(path: Path, encoding: str, delimiter: str, skip: int) -> Iterator[Record]:
    consumed = skip

    def lines(file):
        nonlocal consumed
        for line in file:
            consumed += len(line)
            yield line.decode(encoding)

    with path.open("rb") as file:
        file.seek(skip)
        reader = _reader(lines(file), delimiter)
        # csv pulls no line before it needs it, so `consumed` is exact after each record.
        while True:
            start, line = consumed, reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                reason = str(error).partition(" - ")[0]  # csv adds advice for programmers
                raise UserError(
                    f"CSV file {path}, line {line}: {reason}; expected cells separated by "
                    f"{delimiter!r}, quotes in pairs and usual line ends."
                ) from None
            cells = _stripped(cells)
            if cells and cells != [""]:
                yield Record(cells, line, start, consumed)


def _reader(lines, delimiter):
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)


def _stripped(cells: list[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def _encoding(path: Path) -> tuple[int, str]:
    """Bytes to skip and the encoding, after every byte was looked at."""
    check_path("CSV file", path, "csv:FILE?target=COLUMN")
    try:
        with path.open("rb") as file:
            start = file.read(3)
        skip = 3 if start == codecs.BOM_UTF8 else 0
        if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise UserError(f"CSV file {path} is UTF-16 text; save it as UTF-8.")
        if any(len(chunk.translate(None, _CONTROL)) != len(chunk) for chunk in _chunks(path)):
            raise UserError(
                f"CSV file {path} is not text (it holds control characters); expected a line of "
                "column names, then rows."
            )
        for encoding in ("utf-8", "cp1252"):
            if _decodes(path, encoding):
                return skip, encoding
    except OSError as error:
        raise UserError(f"CSV file {path} can't be read: {error.strerror}.") from None
    raise UserError(f"CSV file {path} is neither UTF-8 nor Windows-1252 text; save it as UTF-8.")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            yield chunk
