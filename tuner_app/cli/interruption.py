"""Ctrl-C that is never lost, and SIGTERM as another Ctrl-C.

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

# The signals that stop a search, each with the handler that is replaced. SIGTERM is what SLURM,
# Kubernetes and `docker stop` send some seconds before they kill.
_SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interruption(Observer):
    """An observer that stops the search after Ctrl-C or SIGTERM, for use in a `with`.

    A signal that is ignored, or handled by somebody else, stays so. While the search stops, further
    signals change nothing; they do if the first one was lost.

    Attributes:
        signal: The signal that came; SIGINT before any.
    """

    def __init__(self) -> None:
        self.signal = signal.SIGINT
        self._asked = self._lost = False
        self._installed: list[signal.Signals] = []

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number, default in _SIGNALS.items():
                if signal.getsignal(number) is default:
                    signal.signal(number, self._note)
                    self._installed.append(number)
        if self._installed:
            self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
        return self

    def __exit__(self, *exception: object) -> None:
        for number in self._installed:
            signal.signal(number, _SIGNALS[number])
        if self._installed:
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
        again, self._asked = self._asked and not self._lost, True
        self._lost = False
        if again:  # it is stopping: raised again, this would cut short what puts the trials back
            return
        self.signal = signal.Signals(number)
        raise KeyboardInterrupt

    def _unraisable(self, report) -> None:
        if issubclass(report.exc_type, KeyboardInterrupt):
            self._lost = True
        else:
            self._hook(report)
