"""docs/conformance.md says of every class that Keras ships whether it stacks, and is held to it.

The document has one row a class. A new class in Keras, or one that is gone, fails; so does a row
that says "tested" of a class that no conformance test builds, or "tested apart" of one that is not
among the slow ones.
"""

import inspect
import re
from pathlib import Path

import keras
import pytest

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER.parent.parent / "docs" / "conformance.md"
NAMESPACES = {
    "layers": keras.layers,
    "optimizers": keras.optimizers,
    "schedules": keras.optimizers.schedules,
    "losses": keras.losses,
    "metrics": keras.metrics,
    "regularizers": keras.regularizers,
    "constraints": keras.constraints,
}
# As what the tests import each namespace.
CALLED = {
    "layers": "L|layers",
    "optimizers": "K|optimizers",
    "schedules": "S",
    "losses": "losses",
    "metrics": "metrics",
    "regularizers": "R|regularizers",
    "constraints": "constraints",
}
STATES = {"tested", "tested apart", "not stacked", "not tried", "no part of a model"}


def _shipped(namespace) -> set[str]:
    """Names of its public classes, of aliases the class's own."""
    members = vars(namespace).items()
    return {c.__name__ for n, c in members if inspect.isclass(c) and not n.startswith("_")}


def _rows(kind) -> dict[str, list[str]]:
    """Class to the other cells of its row, from the section `## kind`."""
    section = re.search(rf"^## {kind}$(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.M | re.S)[1]
    lines = re.findall(r"^\| `(\w+)` \|(.*)\|$", section, re.M)
    assert len(lines) == len(dict(lines)), "a class has two rows"
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in lines}


@pytest.mark.parametrize("kind", NAMESPACES)
def test_every_class_has_a_row(kind):
    assert set(_rows(kind)) == _shipped(NAMESPACES[kind])


@pytest.mark.parametrize("kind", NAMESPACES)
def test_what_is_called_tested_is_built_by_a_test(kind):
    files = [f for f in FOLDER.glob("test_*.py") if f != Path(__file__)] + [FOLDER / "conftest.py"]
    sources = {
        "tested": "\n".join(f.read_text() for f in files),
        "tested apart": (FOLDER / "slow_conformance_rows.py").read_text(),
    }
    for name, (state, remark) in _rows(kind).items():
        assert state in STATES, (name, state)
        members = vars(NAMESPACES[kind]).items()
        names = [n for n, c in members if inspect.isclass(c) and c.__name__ == name]  # and aliases
        if state in sources:
            called = rf"\b({CALLED[kind]})\.({'|'.join(names)})\b"
            assert re.search(called, sources[state]), f"no test builds {kind}.{name}"
        assert remark or state == "tested", f"{name}: the reason is missing"
