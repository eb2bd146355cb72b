"""Why a trial failed, in a line; which failures are nobody's mistake; and when a search has failed.

>>> reason('Traceback (most recent call last):\\n  ...\\nValueError: units must be positive\\n')
'ValueError: units must be positive'
>>> is_excused("Out of memory: tried to allocate 40 GB"), is_excused("ValueError: no")
(True, False)
"""

DIVERGED = "Diverged"
OUT_OF_MEMORY = "Out of memory"
OVERSIZED = "Oversized model"
DIED = "The process died"

_EXCUSED = (DIVERGED, OUT_OF_MEMORY, OVERSIZED, DIED)


class SearchFailed(RuntimeError):
    """The search ended without a result: nothing completed, or too much failed by an error."""


def reason(message: str | None) -> str:
    """The one line of a trial's message that says why: of a traceback the error, else the first."""
    lines = [line for line in (message or "").splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def is_excused(message: str | None) -> bool:
    """Whether a failed trial's message tells of bad luck with the values, not of an error in the
    code: it diverged, was too large, ran out of memory or out of processes."""
    return reason(message).startswith(_EXCUSED)
