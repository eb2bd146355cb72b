"""A search at an address, such as s3://bucket/digits: it runs in a directory here, copied there.

A database needs a disk, so a search never runs at an address itself. What has changed in its
directory, tuning/NAME, is copied every half a minute and at the end: weights, logs, checkpoints and
a consistent copy of the database. If this machine is lost, `resume ADDRESS` elsewhere goes on from
the last copy. Whatever fsspec knows is an address; most kinds need a package of their own, which
the message names.

The note `search.copy.json`, in both places, tells which search it is and how far it was copied.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from tuner_app.errors import UserError
from tuner_app.remote_copy import Copy, directory_of
from tuner_app.remote_note import note_in

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
