"""What a data set is asked for with: its address, cut into parts, and how to load it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from tuner_app.errors import UserError, unknown


@dataclass(frozen=True)
class Address:
    """`SCHEME:PLACE?OPTION=VALUE&OPTION=VALUE`, for example "csv:wine.csv?target=quality".

    In values, %XX stands for a character that would end them: %26 for & and %25 for %.

    >>> Address.parse("csv:a:b.csv?target=x%26y&task=regression").options
    {'target': 'x&y', 'task': 'regression'}
    """

    text: str
    scheme: str
    place: str
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Address:
        front, _, query = text.partition("?")
        scheme, _, place = front.partition(":")
        options = {}
        for item in filter(None, query.split("&")):
            key, equals, value = item.partition("=")
            if not equals or not value:
                raise UserError(
                    f"Data set {text!r}: expected OPTION=VALUE after '?', received {item!r}."
                )
            if key in options:
                raise UserError(f"Data set {text!r}: option {key!r} is given twice.")
            options[key] = unquote(value)
        return cls(text, scheme, place, options)

    @property
    def path(self) -> Path:
        """The place as a path, `~` expanded (a shell does not, after the colon)."""
        try:
            return Path(self.place).expanduser()
        except RuntimeError:  # no such user
            return Path(self.place)

    def image_size(self) -> tuple[int, int] | None:
        """Height and width from the option `size`, None without it."""
        text = self.options.get("size")
        if text is None:
            return None
        match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
        if match is None:
            raise UserError(f"size must be HEIGHTxWIDTH in pixels, like 64x96, got {text!r}.")
        return int(match[1]), int(match[2])

    def allow(self, *names: str, place: str = "") -> None:
        """Raise `UserError` for an option that the source does not know, or no `place`.

        Args:
            names: The options that the source knows.
            place: What must stand after the colon, "" where nothing may.
        """
        if place and not self.place:
            raise UserError(
                f"Data set {self.text!r}: expected {place} after {self.scheme + ':'!r}."
            )
        if not place and self.place:
            raise UserError(
                f"Data set {self.text!r}: nothing may follow {self.scheme!r}, "
                f"received {self.place!r}."
            )
        for name in self.options:
            if not names:
                raise UserError(f"Data set {self.scheme!r} has no options, received {name!r}.")
            if name not in names:
                raise unknown(f"option of {self.scheme}", name, names)


@dataclass(frozen=True)
class Limits:
    """Where a source may keep files, and how much it may hold in memory.

    Attributes:
        seed: Fixes the splits.
        memory: Most bytes of features to hold; more is streamed.
        cache: Folder for prepared data.
    """

    seed: int
    memory: int
    cache: Path


def check_path(what: str, path: Path, expected: str, *, folder: bool = False) -> None:
    """Raise `UserError` unless a file, or a folder, is there.

    Args:
        what: Names it in the error, for example "CSV file".
        expected: How it should have been asked for.
    """
    try:
        there = path.is_dir() if folder else path.is_file()
        found = "is a folder" if path.is_dir() else "is not a folder" if path.exists() else ""
    except (OSError, ValueError) as error:  # a name too long, no permission, a NUL in it
        there, found = False, f"can't be reached ({getattr(error, 'strerror', None) or error})"
    if not there:
        raise UserError(f"{what} {str(path)!r} {found or 'does not exist'}; expected {expected}.")
