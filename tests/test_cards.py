"""The cards: what they say of memory and of ranges is compared with the rules themselves."""

import math
import re

import keras
import pytest

from tuner_app import cards, catalogue, optimizers
from tuner_app.cli.main import main

OURS = [name for name in catalogue.names("optimizers") if not name.startswith("keras:")]
MATRIX, VECTOR = (7, 5), (6,)


def numbers_kept(optimizer, shape):
    """How many numbers its slots for one variable hold, but for scalars of the whole model."""
    variable = keras.Variable(keras.ops.ones(shape), name="w")
    scalars = len(optimizer.variables) + len(optimizer.rule.init_shared())
    optimizer.build([variable])
    return sum(math.prod(v.shape) for v in optimizer.variables) - scalars


def claimed(memory, shape):
    """How many the card's sentence says."""
    size = math.prod(shape)
    if found := re.fullmatch(r"(\d) numbers? a parameter( beside the inner rule's)?\.", memory):
        return int(found[1]) * size
    if found := re.fullmatch(r"(\d) number a parameter of a matrix and (\d) of the rest\.", memory):
        return int(found[1 if len(shape) > 1 else 2]) * size
    if memory == "For a tensor of n parameters, n numbers a parameter.":
        return size * size
    found = re.fullmatch(
        r"For an m × n matrix, (\d) numbers? a parameter and (\d)m² \+ (\d)n² more\.", memory
    )
    m, n = shape
    return int(found[1]) * size + int(found[2]) * m * m + int(found[3]) * n * n


@pytest.mark.parametrize("name", OURS)
def test_memory_is_that_of_the_slots(name):
    card, cls = cards.card(name), optimizers.get(name)
    for shape in (MATRIX,) if "matrix, " in card.memory else (MATRIX, VECTOR):
        kept = numbers_kept(cls(), shape)
        if card.inner:
            kept -= numbers_kept(optimizers.get(card.inner)(), shape)
        assert kept == claimed(card.memory, shape)


@pytest.mark.parametrize("name", OURS)
def test_ranges_are_the_rules_own(name):
    card, rule = cards.card(name), optimizers.get(name).rule
    ranges = rule.own_ranges if card.inner else rule.ranges
    assert list(card.ranges) == list(ranges)
    assert card.inner == getattr(rule, "inner", "")
    for key, span in ranges.items():
        said = [float(number) for number in re.findall(r"\d[\d.e+-]*", card.ranges[key])]
        assert said == list(span if isinstance(span, tuple) else (span.low, span.high))
        assert ("(log)" in card.ranges[key]) == (getattr(span, "scale", "") == "log")


@pytest.mark.parametrize("name", OURS)
def test_a_card_says_it_all(name):
    texts = cards.card(name).items()
    assert all(len(text) > 10 and text.endswith(".") for text in texts.values()), texts
    assert "operations a parameter" in texts["Arithmetic"]
    assert re.search(r", (19|20)\d\d(, Algorithm \d)?\.$", texts["Source"])


def test_the_long_list_has_every_card(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["list", "optimizers", "--long"]) == 0
    out = capsys.readouterr().out
    ours, _, own = out.partition("Keras's own")
    assert max(map(len, ours.splitlines())) <= 80 and "keras:adafactor" in own
    joined = " ".join(ours.split())
    for name in OURS:
        for text in cards.card(name).items().values():
            assert text in joined
    assert main(["list", "losses", "--long"]) == 2
    assert "Only optimizers have cards; received --long with losses" in capsys.readouterr().err


def test_the_document_is_current():
    document = cards.DOCUMENT.read_text(encoding="utf-8")
    assert cards.written(document) == document, "run python -m tuner_app.cards"
