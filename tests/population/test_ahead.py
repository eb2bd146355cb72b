"""What is compiled ahead: begun in the order asked for, waited for, or left to the caller."""

import threading

from tuner_app.population import ahead
from tuner_app.population.ahead import Ahead


def busy(monkeypatch) -> threading.Event:
    """One thread to compile in, at work until the event is set."""
    pool = ahead.concurrent.futures.ThreadPoolExecutor(1)
    monkeypatch.setattr(ahead, "_pool", lambda: pool)
    free, begun = threading.Event(), threading.Event()
    pool.submit(lambda: (begun.set(), free.wait(60)))
    assert begun.wait(60)
    return free


def test_what_is_being_compiled_is_waited_for(monkeypatch):
    done = []
    begun, go = threading.Event(), threading.Event()

    def compile():
        begun.set()
        go.wait(60)
        done.append("train")

    one = Ahead()
    one.start("train", compile)
    assert begun.wait(60)
    threading.Timer(0.05, go.set).start()
    one.wait("train")
    assert done == ["train"]
    one.wait("train")  # once is enough
    one.wait("close")  # never begun


def test_what_nobody_has_begun_is_left_to_who_needs_it(monkeypatch):
    done, free = [], busy(monkeypatch)
    one, other = Ahead(), Ahead()
    one.start("train", lambda: done.append("one"))
    other.start("train", lambda: done.append("other"))
    one.wait("train")
    assert done == []
    free.set()
    other.wait("train")
    ahead._pool().shutdown()
    assert "one" not in done


def test_what_is_dropped_is_never_begun(monkeypatch):
    done, free = [], busy(monkeypatch)
    one = Ahead()
    for name in ("train", "close"):
        one.start(name, lambda name=name: done.append(name))
    one.drop()
    free.set()
    ahead._pool().shutdown()
    assert done == []


def test_what_fails_is_the_callers_to_meet():
    one = Ahead()
    one.start("train", lambda: 1 / 0)
    one.wait("train")
