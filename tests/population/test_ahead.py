"""What is compiled ahead: begun in the order asked for, waited for, or left to the caller."""

import threading
import types

import numpy as np
import pytest

from tuner_app.population import Population
from tuner_app.population.backend import ahead
from tuner_app.population.backend.ahead import Ahead
from tuner_app.population.compiled import blocks
from tuner_app.population.lanes.stack import Stack


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


def test_where_no_threads_are_begun_any_more_all_is_done_in_this_one(monkeypatch):
    """As by a search in a thread of a script whose main thread is at its end."""
    pool = ahead.concurrent.futures.ThreadPoolExecutor(1)
    pool.shutdown()
    monkeypatch.setattr(ahead, "_pool", lambda: pool)
    monkeypatch.setattr(blocks, "_threads", lambda count: pool)
    one = Ahead()
    one.start("train", lambda: 1 / 0)
    one.wait("train")  # left to the caller
    monkeypatch.setattr(blocks.vectorize, "done", lambda outputs: outputs)
    assert blocks.side_by_side(pow, [(2, 3), (3, 2)]) == [8, 9]


def test_blocks_side_by_side_give_their_results_in_order_and_their_errors(monkeypatch):
    monkeypatch.setattr(blocks.vectorize, "done", lambda outputs: outputs)
    assert blocks.side_by_side(pow, [(2, n) for n in range(5)]) == [1, 2, 4, 8, 16]
    with pytest.raises(ZeroDivisionError):
        blocks.side_by_side(lambda n: 1 / n, [(1,), (0,), (2,)])


def compiling(seen: list, name: str = ""):
    return types.SimpleNamespace(drop=lambda: seen.append(name))


def test_programs_that_are_replaced_compile_nothing_more():
    dropped = []
    stack = Stack.__new__(Stack)
    stack._programs, stack.trials, stack.waiting = compiling(dropped, "first"), [], []
    stack.programs = compiling(dropped, "second")
    assert dropped == ["first"]
    stack.abandon()
    assert dropped == ["first", "second"]


def test_an_interruption_amid_an_epoch_ends_the_compiling(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    dropped, x = [], np.zeros((4, 1), "float32")
    population, stack = Population((x, x)), compiling([])
    stack.active, stack.trials, stack.epoch = 1, [], types.SimpleNamespace(advance=interrupted)
    stack.drop = lambda: dropped.append(stack)
    monkeypatch.setattr(Population, "_stacks", [stack])
    with pytest.raises(KeyboardInterrupt):
        population.run_epoch()
    assert dropped == [stack]
