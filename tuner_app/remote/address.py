"""What the command line does with an address: tells it from a directory, begins, goes on, reads."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from tuner_app.errors import UserError
from tuner_app.remote.copying import Copy, directory_of
from tuner_app.remote.note import note_in

READERS = ("results", "report", "board", "export")  # commands that change nothing in a directory


def is_address(text: str) -> bool:
    """Whether a directory is named by an address.

    >>> is_address("s3://bucket/digits"), is_address("tuning/digits")
    (True, False)
    """
    return re.match(r"[A-Za-z][\w+.-]*://", text) is not None


def address_of(directory: str) -> str | None:
    """The address that a directory's search is copied to: the directory itself where it is one."""
    if is_address(directory):
        return directory
    note = note_in(Path(directory))
    return note and note["address"]


def for_reading(command: str, address: str) -> str:
    """The directory here of a search at an address, brought up to date."""
    if command not in READERS:
        raise UserError(
            f"`{command}` changes a search's directory, which has to be on this machine; received "
            f"{address}. `tuner-app results {address}` brings it here, to "
            f"{directory_of(address)}: take that."
        )
    copy = Copy(address)
    copy.fetch()
    return str(copy.directory)


@contextlib.contextmanager
def begun(address: str) -> Iterator[Path]:
    """The directory of a new search, which is copied until the block ends.

    Raises UserError where the address can't be reached or is taken, or the last copy fails.
    """
    copy = Copy(address)
    if copy.there() is not None:
        raise UserError(
            f"{address} holds a search already. Go on with it: tuner-app resume {address}; or "
            "choose another --project."
        )
    if copy.directory.exists():
        raise UserError(
            f"A search at {address} runs in {copy.directory}, which exists already. Move it away, "
            "or choose another --project."
        )
    with copy:
        yield copy.directory


@contextlib.contextmanager
def resumed(address: str) -> Iterator[Path]:
    """As `begun`, of a search that is there; it is brought here, unless it is here already."""
    copy = Copy(address)
    copy.fetch()
    with copy:
        yield copy.directory
