"""What the benchmarks make of their measurements."""

import math

import numpy as np
import pytest

from benchmarks.search_quality.__main__ import best_so_far
from benchmarks.search_quality.functions import FUNCTIONS
from benchmarks.search_quality.summary import median_interval
from benchmarks.stacked_trials import table
from benchmarks.stacked_trials.record import EpochTimes, Record
from benchmarks.stacked_trials.systems import _compiling
from benchmarks.stacked_trials.works import WORKS


def row(seconds, scores, rates, reached, **more):
    values = [{"rate": rate, "kind": "adam"} for rate in rates]
    return {
        "seconds_a_trial": seconds,
        "scores": scores,
        "values": values,
        "reached": reached,
        "multiplications_a_trial": 1e9,
        "multiplications_a_second": 1e10,
        "compiling_a_trial": 0.5,
        "memory": 2.0**30,
        "trials": len(scores),
        "load": 1.0,
        "plan": "",
        **more,
    }


ROWS = {
    "keras_tuner": row(4.0, [0.8, 0.9], [0.1, 0.2], [(5.0, 0.8), (9.0, 0.9)]),
    "tensorflow": row(
        0.1,
        [0.7, 0.85, 0.97],
        [0.2, 0.1 + 1e-15, 0.3],
        [(1.0, 0.5), (3.0, 0.92), (4.0, 0.97)],
        multiplications_a_second=2e10,
    ),
}


def test_a_system_is_compared_with_keras_tuner():
    assert table.ratio(ROWS, "tensorflow") == pytest.approx(40)
    assert table.best_of_same(ROWS, "tensorflow") == 0.85  # the third had values of its own
    assert table.to_target(ROWS, "tensorflow") == 3.0
    assert table.to_target(ROWS, "keras_tuner") == 9.0
    # 1e9 in 0.1 s, of the 2e10 a second that the quicker measurement found.
    assert table.share(ROWS, "tensorflow") == pytest.approx(0.5)
    assert table.share(ROWS, "keras_tuner") == pytest.approx(0.0125)


def test_what_is_missing_is_left_out():
    alone = {"tensorflow": ROWS["tensorflow"]}
    assert table.ratio(alone, "tensorflow") is None
    worse = {**ROWS, "jax": row(0.2, [0.1], [0.7], [(1.0, 0.1)])}
    assert table.to_target(worse, "jax") is None
    assert math.isnan(table.best_of_same(worse, "jax"))
    assert "40.0 x" in table.as_text("mlp", "tensorflow", worse)


def test_compiling_is_what_first_epochs_take_longer():
    times = EpochTimes()
    times.trials = [[3.0, 1.0, 1.0, 2.0], [5.0, 2.0]]
    assert times.compiling == pytest.approx((2.0 + 3.0) / 2)
    # Passes with a new trace took 6 and 4 seconds, the others 1: 5 + 3, and 2 of tracing.
    passes = [(1, 6.0), (1, 7.0), (2, 11.0), (2, 12.0)]
    assert _compiling(passes, 2.0) == pytest.approx(10.0)


def test_a_record_keeps_improvements_alone():
    record = Record()
    for score in (0.5, 0.4, 0.6):
        record.trial_ended(score, {})
    found = record.as_dict()
    assert [score for _, score in found["reached"]] == [0.5, 0.6]
    assert found["trials"] == 3 and found["memory"] > 0


@pytest.mark.parametrize("name", sorted(WORKS))
def test_works_have_data_of_their_shape(name):
    work = WORKS[name]
    (x, y), (held_x, held_y) = work.data()
    assert x.shape == (work.train, *work.shape) and len(y) == work.train
    assert held_x.shape == (397, *work.shape) and len(held_y) == 397
    assert x.dtype == np.float32 and 0 <= x.min() and x.max() <= 1


def test_the_functions_that_searches_are_compared_on_have_their_minima():
    """Minimizers from the Virtual Library of Simulation Experiments."""
    at = {
        "Branin": [np.pi, 2.275],
        "Hartmann 3": [0.114614, 0.555649, 0.852547],
        "Hartmann 6": [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573],
        "Rosenbrock 4": [1] * 4,
        "Ackley 5": [0] * 5,
        "Rastrigin 3 of integers": [0] * 3,
        "Levy 4": [1] * 4,
        "Michalewicz 5": [2.202906, 1.570796, 1.284992, 1.923058, 1.720470],
        "Styblinski–Tang, conditional": [-2.903534] * 4,
        "Griewank 5": [0] * 5,
    }
    for function in FUNCTIONS:
        names = [dimension[0] for dimension in function.dimensions]
        curve = function.curve(dict(zip(names, at[function.name], strict=True)))
        assert curve[-1] == pytest.approx(0, abs=2e-4)
        assert curve.min() == curve[-1]


def test_the_best_so_far_and_its_interval():
    found = [(27, 1, 3.0), (30, 2, 5.0), (54, 3, 2.0), (82, 4, 1.0)]
    assert best_so_far(found, 4) == [3.0, 2.0, 2.0, 1.0]
    assert best_so_far([(60, 5, 1.5)], 3) == [math.inf, math.inf, 1.5]
    middle, low, high = median_interval(np.arange(101.0))
    # The interval's ends are order statistics about 0.98 sqrt(101) ranks from the middle one.
    assert middle == 50 and 37 <= low <= 43 and 57 <= high <= 63
