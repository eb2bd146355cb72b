"""What happened to a run that raised: whether it may be tried again, and how it is told."""

import traceback

from keras_tuner import errors

from tuner_app.oracles.failure import DIVERGED, OUT_OF_MEMORY
from tuner_app.population.backend.reason import reason
from tuner_app.population.backend.vectorize import is_out_of_memory

# What Keras puts an error of a layer into; which one it was stands lines below.
_AROUND = ("Exception encountered when calling ", "in user code:")


class DivergedError(Exception):
    """The loss, or whatever is minimized or maximized, is no number any more."""


class PrunedError(Exception):
    """The trial is not worth going on with; the message says after how many epochs, and why."""


class ReportedError(Exception):
    """A run failed in another process, which told its status and message."""

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status, self.message = status, message


def was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error, as where KerasTuner copies callbacks: it takes whatever is
    raised meanwhile for a callback that can't be copied.

    >>> was_interrupted(ValueError("units must be positive"))
    False
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def status_of(error: Exception) -> str:
    """INVALID where another run may do better, FAILED where it can't, STOPPED where the trial was
    pruned (KerasTuner's words)."""
    if isinstance(error, ReportedError):
        return error.status
    if isinstance(error, PrunedError):
        return "STOPPED"
    final = isinstance(error, errors.FailedTrialError | errors.FatalError)
    return "FAILED" if final else "INVALID"


def message_of(error: Exception) -> str:
    """The reason in one line, and below it the traceback.

    >>> message_of(ValueError("units must be positive, received -3")).splitlines()[0]
    'ValueError: units must be positive, received -3'
    """
    if isinstance(error, ReportedError):
        return error.message
    if isinstance(error, PrunedError):
        return str(error)
    text = "".join(traceback.format_exception(error))
    return f"{_reason(error)}\n\n{text}"


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    first = lines[0] if lines else ""
    if isinstance(error, DivergedError):
        return f"{DIVERGED}: {first}"
    if is_out_of_memory(error):
        return f"{OUT_OF_MEMORY}: {first}".rstrip(": ")
    if isinstance(error, errors.FailedTrialError) and first:
        return first  # KerasTuner's "Oversized model: ...", or the user's own words
    if first.startswith(_AROUND):
        return reason(error)
    return f"{type(error).__name__}: {first}".rstrip(": ")
