"""Spaces by name and from a user's own file, and every way in which that file can be wrong."""

import subprocess
import sys
from pathlib import Path

import keras_tuner
import pytest

import search_spaces
from search_spaces._loading import split
from tuner_app.data import DataSpec
from tuner_app.errors import UserError

ROOT = Path(__file__).parents[2]
TABLE = DataSpec("t", "classification", "tabular", (4,), num_classes=3, class_names=("a", "b", "c"))

CLASS = """
class Mine(keras_tuner.HyperModel):
    def build(self, hp):
        return network(2)
"""

MODEL = """
import keras
import keras_tuner

def network(units):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
    model.compile("sgd", "mse")
    return model
"""


@pytest.fixture
def space_file(tmp_path):
    """Writes a space file; gives its path."""

    def write(text, name="space.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def built(space):
    """The width of the model that a loaded space builds."""
    assert isinstance(space, keras_tuner.HyperModel)
    return space.build(keras_tuner.HyperParameters()).output_shape[-1]


@pytest.mark.parametrize(
    "text, name",
    [
        ("def build(hp):\n    return network(hp.Int('units', 2, 5))", "build"),
        ("def build_model(hp):\n    return network(2)", ""),
        ("build = lambda hp: network(2)", "build"),
        (CLASS + "made = Mine()", "made"),
        (CLASS, "Mine"),
    ],
    ids=["function", "usual name", "lambda", "instance", "class"],
)
def test_a_file_of_ones_own(space_file, text, name):
    path = space_file(MODEL + text)
    address = f"{path}:{name}" if name else path
    assert search_spaces.check(address) == (name or "build_model")
    assert built(search_spaces.load(address, TABLE)) == 2


def test_a_class_is_given_what_it_asks_for(space_file):
    path = space_file(
        MODEL + "class Mine(keras_tuner.HyperModel):\n"
        "    def __init__(self, spec, steps, optimizers=(), other=3):\n"
        "        super().__init__()\n"
        "        self.seen = (spec.num_classes, steps, optimizers, other)\n"
        "    def build(self, hp):\n        return network(self.seen[0])\n"
    )
    space = search_spaces.load(f"{path}:Mine", TABLE, optimizers=("sgd",), steps=50)
    assert space.seen == (3, 50, ("sgd",), 3)
    assert built(space) == 3


def test_a_function_that_asks_for_the_spec_makes_the_space(space_file):
    path = space_file(
        MODEL + "def for_data(spec):\n    return lambda hp: network(spec.num_classes)\n"
    )
    assert built(search_spaces.load(f"{path}:for_data", TABLE)) == 3


def test_a_file_imports_its_neighbours(space_file):
    space_file("UNITS = 6", name="my_neighbour.py")
    path = space_file(
        MODEL + "def build(hp):\n    import my_neighbour\n    return network(my_neighbour.UNITS)\n"
    )
    assert built(search_spaces.load(f"{path}:build", TABLE)) == 6


def test_a_layer_of_ones_own_can_be_registered_and_loaded_twice(space_file):
    path = space_file(
        MODEL + "@keras.saving.register_keras_serializable()\nclass Own(keras.layers.Layer):\n"
        "    pass\ndef build(hp):\n    return network(2)\n"
    )
    for _ in range(2):
        assert built(search_spaces.load(f"{path}:build", TABLE)) == 2


SYNTACTIC = [
    ("def build(hp:\n", "build", r"space.py', line 1: .*Correct its syntax"),
    (
        "def build(hp):\n    pass\n",
        "bild",
        r"has no 'bild'\. Did you mean 'build'\? It defines build",
    ),
    ("", "build", r"has no 'build'\. It defines nothing"),
    ("def other(hp):\n    pass\n", "", r"defines none of build, .*Name its object"),
    ("x = '\udcff'", "build", r"is not Python source in UTF-8"),
]


@pytest.mark.parametrize("text, name, message", SYNTACTIC)
def test_what_is_found_without_importing_the_file(space_file, text, name, message):
    path = space_file("")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    address = f"{path}:{name}" if name else str(path)
    for find in (search_spaces.check, lambda address: search_spaces.load(address, TABLE)):
        with pytest.raises(UserError, match=message):
            find(address)


@pytest.mark.parametrize(
    "text, name, message",
    [
        ("build = 3\n", "build", "is a int, expected a build"),
        ("class Mine:\n    pass\n", "Mine", "does not derive from keras_tuner.HyperModel"),
        (
            "import nowhere_to_be_found\ndef build(hp): pass\n",
            "build",
            "fails when imported: line 1: ModuleNotFoundError: No module named 'nowhere_to",
        ),
        ("def build(hp): pass\n\n1 / 0\n", "build", "line 3: ZeroDivisionError: division by zero"),
        ("if False:\n    build = 1\n", "build", "has no 'build' once imported"),
        ("def make(spec):\n    return 3\n", "make", "returned a int, expected a keras_tuner"),
        ("def make(spec):\n    return spec.wrong\n", "make", "fails when made: AttributeError"),
        ("def make(spec, units):\n    pass\n", "make", "needs units, which a search can't give"),
    ],
)
def test_what_only_importing_the_file_shows(space_file, text, name, message):
    address = f"{space_file(text)}:{name}"
    assert search_spaces.check(address) == name
    with pytest.raises(UserError, match=message):
        search_spaces.load(address, TABLE)


def test_a_missing_file_is_named(tmp_path):
    for address in (tmp_path / "none.py", f"{tmp_path}/none.py:build"):
        with pytest.raises(UserError, match="none.py' does not exist. Expected FILE.py:OBJECT"):
            search_spaces.check(address)


def test_an_unknown_name_has_the_nearest_one():
    with pytest.raises(UserError, match="Unknown space 'mpl'. Did you mean 'mlp'"):
        search_spaces.check("mpl")


def test_a_star_import_may_define_anything(space_file):
    space_file(MODEL + "def build(hp):\n    return network(2)\n", name="my_star.py")
    address = f"{space_file('from my_star import *')}:build"
    assert built(search_spaces.load(address, TABLE)) == 2


def test_a_colon_in_a_folders_name_is_no_object():
    file, name = split("/data/a.py:b/space.py:build")
    assert (str(file), name) == ("/data/a.py:b/space.py", "build")


def test_checking_imports_neither_keras_nor_tensorflow(space_file):
    path = space_file(MODEL + "def build(hp):\n    return network(2)\n")
    code = (
        "import sys, search_spaces; search_spaces.check('mlp');"
        f"search_spaces.check({str(path)!r});"
        "print([name for name in ('keras', 'tensorflow', 'keras_tuner') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert run.stdout == "[]\n", run.stderr
