"""What replaces Keras's own functions for a while, and who else is there meanwhile."""

import threading
import types

import numpy as np
import pytest

from tuner_app.population import Population
from tuner_app.population.backend.swapping import swapped


class Interrupted(type):
    """A class at whose second attribute Ctrl-C comes."""

    def __setattr__(cls, name, value):
        super().__setattr__(name, value)
        if name == "second" and value == "new":
            raise KeyboardInterrupt


def test_an_interruption_amid_the_replacements_leaves_none():
    owner = Interrupted("owner", (), {"first": "old", "second": "old", "third": "old"})
    entries = [(owner, name, "new") for name in ("first", "inherited", "second", "third", "more")]
    with pytest.raises(KeyboardInterrupt), swapped(entries):
        raise AssertionError("it was interrupted before")
    own = {name: value for name, value in vars(owner).items() if not name.startswith("__")}
    assert own == {"first": "old", "second": "old", "third": "old"}


def test_an_error_inside_puts_back_what_was_there_and_deletes_what_was_not():
    class Base:
        inherited = "old"

    class Layer(Base):
        @staticmethod
        def call():
            return "old"

    module = types.ModuleType("module")
    module.function = function = len
    before = vars(Layer)["call"]
    new = [(Layer, "inherited", "new"), (Layer, "call", lambda: "new"), (module, "function", max)]
    with pytest.raises(ZeroDivisionError), swapped(new):
        assert (Layer.inherited, Base.inherited, Layer.call()) == ("new", "old", "new")
        raise ZeroDivisionError
    assert "inherited" not in vars(Layer) and vars(Layer)["call"] is before
    assert module.function is function


def test_populations_of_several_threads_take_turns(monkeypatch):
    x = np.zeros((4, 1), "float32")
    one, other = (Population((x, x)) for _ in range(2))
    inside, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def in_use(population):
        if population is one:
            inside.set()
            assert go_on.wait(60)
        return []

    monkeypatch.setattr(Population, "in_use", property(in_use))
    first = threading.Thread(target=one.run_epoch)
    second = threading.Thread(target=lambda: (other.run_epoch(), done.set()))
    first.start()
    assert inside.wait(60)
    second.start()
    assert not done.wait(0.2)  # and never, however long one waits
    go_on.set()
    first.join()
    second.join()
    assert done.is_set()
