"""Ctrl-C stops a search even when Python raises it where nobody hears."""

import gc
import signal
import sys
import time

import pytest

from tuner_app.cli import main as main_module
from tuner_app.cli.interruption import Interruption


@pytest.fixture
def ctrl_c():
    """Python's own handler, whatever the tests were started with; gives what sends the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_it_is_raised_at_once(ctrl_c):
    with Interruption(), pytest.raises(KeyboardInterrupt):
        ctrl_c()


@pytest.mark.parametrize(
    "event", [("trial_begun", None), ("epoch_ended", "0", 0, 0, {}), ("trial_ended", None)]
)
def test_lost_in_a_garbage_collection_it_stops_the_next_event(event, ctrl_c, capfd):
    def collected(phase, info):
        if phase == "start":
            ctrl_c()

    with Interruption() as interruption:
        name, *details = event
        getattr(interruption, name)(*details)  # nothing has happened yet
        gc.callbacks.append(collected)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(collected)
        with pytest.raises(KeyboardInterrupt):
            getattr(interruption, name)(*details)
        with pytest.raises(KeyboardInterrupt):  # or earlier: where there is no event for long
            ctrl_c()
        ctrl_c()  # it is stopping now
    assert "Exception ignored" not in capfd.readouterr().err


def test_lost_before_the_search_it_stops_the_command(ctrl_c, capfd, monkeypatch):
    def imports(words):
        def collected(phase, info):
            gc.callbacks.remove(collected)
            ctrl_c()

        gc.callbacks.append(collected)
        gc.collect()
        time.sleep(60)  # it comes soon
        return 0

    monkeypatch.setattr(main_module, "_dispatch", imports)
    monkeypatch.setattr("sys.argv", ["tuner-app", "search"])
    hook = sys.unraisablehook
    assert main_module.main() == 130
    assert sys.unraisablehook is hook
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # one more says nothing either
    assert capfd.readouterr().err == ""


def test_a_second_one_does_not_disturb_the_stopping(ctrl_c):
    put_back = []
    with Interruption(), pytest.raises(KeyboardInterrupt):
        try:
            ctrl_c()
        finally:
            ctrl_c()
            signal.raise_signal(signal.SIGTERM)
            put_back.append("trial")
    assert put_back == ["trial"]


def test_afterwards_the_signal_is_pythons_again(ctrl_c):
    with Interruption():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_signal_stays_ignored(ctrl_c):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interruption():
        ctrl_c()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_sigterm_stops_a_search_too_and_is_told():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert interruption.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before is signal.SIG_DFL
