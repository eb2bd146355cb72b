"""The one exception that means: what you asked for can't be done, and here is how to fix it."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Bad input. Its message says what was received, what was expected and how to fix it.

    The command line prints it as one sentence and exits with status 2; Python users may catch it
    as a `ValueError`.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not among `known`, with the nearest right one.

    >>> str(unknown("optimizer", "admw", ["adam", "adamw", "sgd"]))
    "Unknown optimizer 'admw'. Did you mean 'adamw'? Known: adam, adamw, sgd."
    """
    names = sorted(known)
    nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return UserError(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(names)}.")
