"""Ranges whose best trials are at their ends."""

import pytest

from tuner_app.results.edges import Edge, edges


def number(name, low, high, sampling="linear", step=None, kind="Float"):
    config = {"name": name, "min_value": low, "max_value": high, "sampling": sampling, "step": step}
    return {"class_name": kind, "config": config}


@pytest.mark.parametrize(
    "space, values, end, bound",
    [
        (number("x", 0.0, 10.0), [9.8, 9.6, 3.0, 10.0], "upper", 10.0),
        (number("x", 0.0, 10.0), [0.0, 0.4, 9.0, 0.3], "lower", 0.0),
        (number("x", 1e-4, 1.0, "log"), [1e-4, 1.2e-4, 1.5e-4], "lower", 1e-4),
        (number("x", 1e-4, 1.0, "reverse_log"), [1.0, 0.99997, 0.99996], "upper", 1.0),
        (number("x", 8, 64, step=8, kind="Int"), [64, 64, 56], "upper", 64),
        (number("x", 1, 2, kind="Int"), [2] * 9 + [1], "upper", 2),
    ],
)
def test_an_end_where_half_of_the_best_are_is_told(space, values, end, bound):
    found = edges([space], [{"x": value} for value in values])
    assert [(edge.name, edge.end, edge.bound, edge.of) for edge in found] == [
        ("x", end, bound, len(values))
    ]
    assert f"best trials are at its {end} end, {bound:g}" in str(found[0])


@pytest.mark.parametrize(
    "space, values",
    [
        (number("x", 0.0, 10.0), [9.0, 5.0, 1.0, 10.0]),  # one of four
        (number("x", 1e-4, 1.0, "log"), [1e-3, 2e-3, 1e-2]),  # near 0, not on a log scale
        (number("x", 8, 64, step=8, kind="Int"), [56, 56, 16]),  # a step from the end is inside
        (number("x", 0.0, 10.0), [10.0, 10.0]),  # too few
        (number("x", 1, 2, kind="Int"), [2, 2, 1, 2, 1, 2]),  # each of two numbers is an end
        (number("x", 3.0, 3.0), [3.0, 3.0, 3.0]),  # no range
        ({"class_name": "Choice", "config": {"name": "x"}}, ["a", "a", "a"]),
    ],
)
def test_nothing_is_told_where_there_is_nothing_to_tell(space, values):
    assert edges([space], [{"x": value} for value in values]) == []


def test_inactive_hyperparameters_are_not_counted():
    found = edges([number("x", 0.0, 1.0)], [{}, {"x": 1.0}, {}, {"x": 0.99}, {"x": 0.2}])
    assert found == [Edge("x", "upper", 1.0, 2, 3, natural=True)]
