"""Ctrl-C that is never lost.

Python raises KeyboardInterrupt wherever it happens to be. In a callback of the garbage collector,
where a search of small models spends a good part of its time, it is printed and forgotten. So it is
also noted, and raised again at the search's next event.
"""

import signal
import sys
import threading
from collections.abc import Mapping

from tuner_app.store import TrialRecord
from tuner_app.tuners.observer import Observer


class Interruption(Observer):
    """An observer that stops the search after Ctrl-C, for use in a `with`.

    A signal that is ignored, or handled by somebody else, stays so.
    """

    def __init__(self) -> None:
        self._asked = False
        self._installed = False

    def __enter__(self) -> "Interruption":
        of_python = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if of_python and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._note)
            self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
            self._installed = True
        return self

    def __exit__(self, *exception: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.unraisablehook = self._hook

    def trial_begun(self, trial: TrialRecord) -> None:
        self._stop_if_asked()

    def epoch_ended(
        self, trial_id: str, execution: int, epoch: int, metrics: Mapping[str, float]
    ) -> None:
        self._stop_if_asked()

    def trial_ended(self, trial: TrialRecord) -> None:
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self._asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: object) -> None:
        self._asked = True
        raise KeyboardInterrupt

    def _unraisable(self, report) -> None:
        if not issubclass(report.exc_type, KeyboardInterrupt):
            self._hook(report)
