"""The note of a search that is copied to an address: which one it is, and how far it was copied."""

import json
from pathlib import Path

NOTE = "search.copy.json"


def note_in(directory: Path) -> dict | None:
    """The note of a directory here; None where there is none."""
    try:
        return json.loads((directory / NOTE).read_text())
    except (OSError, ValueError):
        return None


def differ(here: dict, there: dict) -> bool:
    """Whether they are of two searches."""
    return here["search"] != there["search"]


def is_as_new(here: dict, there: dict) -> bool:
    """Whether nobody else has gone on with the copy since the directory was copied."""
    return here["writer"] == there["writer"] and here["copies"] >= there["copies"]
