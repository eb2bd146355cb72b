"""Verdicts on optimizers from scores whose truth is known, and the points they are tried at."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from tuner_app.answers import judging
from tuner_app.answers.compare_text import compare_markdown, compare_text
from tuner_app.answers.points import OptimizerSpace, at, quasi_random
from tuner_app.answers.protocols import PRESETS, protocol
from tuner_app.answers.widening import ends, widened, wider
from tuner_app.cli.main import main
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError

REPEATS, SEEDS, POINTS = 8, 3, 8


def comparison(peaks, draw):
    """A comparison of optimizers whose score is known but for luck, each at points of its own."""
    tuned, final = {}, {}
    for name, peak in peaks.items():
        places = draw.random((REPEATS, POINTS))
        means = peak - 0.1 * (places - 0.6) ** 2
        seen = means + 0.004 * draw.normal(size=means.shape)
        best = means[np.arange(REPEATS), seen.argmax(axis=1)]
        tuned[name] = seen.tolist()
        final[name] = (best[:, None] + 0.004 * draw.normal(size=(REPEATS, SEEDS))).tolist()
    return judging.judged(tuned, final, "max")


def test_equal_optimizers_are_indistinguishable_and_a_worse_one_is_found():
    draw = np.random.default_rng(0)
    same = [comparison({"a": 0.95, "b": 0.95}, draw) for _ in range(20)]
    worse = [comparison({"a": 0.95, "b": 0.93}, draw) for _ in range(20)]
    assert sum("indistinguishable" in found["verdict"] for found in same) >= 18
    assert sum(found["verdict"] == "a is better than b." for found in worse) >= 18


def test_the_interval_is_over_repeats_and_the_budget_ends_at_the_best():
    final = {"a": [[0.9, 0.92], [0.8, 0.84], [0.85, 0.87]], "b": [[0.5, 0.5]] * 3}
    tuned = {"a": [[0.1, 0.9], [0.7, 0.8], [0.86, math.nan]], "b": [[0.5, 0.4]] * 3}
    found = judging.judged(tuned, final, "max")
    first = found["ranking"][0]
    expected = stats.t.interval(0.95, 2, np.mean([0.91, 0.82, 0.86]), stats.sem([0.91, 0.82, 0.86]))
    np.testing.assert_allclose((first["low"], first["high"]), expected)
    assert found["unit"] == "repeats" and found["best"] == "a"
    assert found["budget"]["a"][-1][1] == pytest.approx(np.mean([0.9, 0.8, 0.86]))
    # What failed counts as the worst of its tuning.
    assert found["budget"]["a"][0][1] == pytest.approx(np.mean([0.5, 0.75, 0.86]))


def test_an_interval_ends_where_the_metric_does():
    scores = {"a": [[0.99, 0.98], [0.9, 0.94]]}
    free = judging.judged(scores, scores, "max")
    ends = judging.judged(scores, scores, "max", metric="accuracy")
    assert free["ranking"][0]["high"] > 1.3 and free["budget"]["a"][-1][3] > 1.2
    assert ends["ranking"][0]["high"] == ends["budget"]["a"][-1][3] == 1.0
    assert ends["ranking"][0]["low"] == free["ranking"][0]["low"]


def test_one_tuning_speaks_of_seeds_and_says_so():
    final = {"a": [[0.9, 0.91, 0.92]], "b": [[0.5, 0.52, 0.51]]}
    found = judging.judged({"a": [[0.9]], "b": [[0.5]]}, final, "max")
    assert found["unit"] == "seeds" and "does not show its luck" in found["verdict"]
    usual = judging.judged({"a": [[0.9]], "b": [[0.5]]}, final, "max", untuned=True)["verdict"]
    assert usual == "a is better than b. That is of their default settings."
    assert found["budget"]["a"] == [[1, 0.9, None, None]]


def test_an_optimizer_that_always_fails_comes_last():
    nothing = [[math.nan] * SEEDS] * REPEATS
    lucky = (0.9 + 0.01 * np.random.default_rng(0).normal(size=(REPEATS, SEEDS))).tolist()
    found = judging.judged({"a": nothing, "b": lucky}, {"a": nothing, "b": lucky}, "max")
    assert [row["name"] for row in found["ranking"]] == ["b", "a"]
    assert found["ranking"][1]["mean"] is None and found["budget"]["a"] == []
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("direction", ["max", "min"])
def test_sensitivity_and_time_to_target(direction):
    sign = 1 if direction == "max" else -1
    rates = [1e-3, 1e-2, 1e-1, 1.0]
    scores = [sign * s for s in (0.80, 0.95, 0.94, math.nan)]
    found = judging.sensitivity(rates, scores, 0.02, direction)
    assert (found["best_rate"], found["low"], found["high"]) == (1e-2, 1e-2, 1e-1)
    assert found["decades"] == pytest.approx(1) and found["share"] == 0.5
    curve = [sign * s for s in (0.1, math.nan, 0.5, 0.4)]
    assert judging.epochs_to(curve, sign * 0.45, direction) == 3
    assert judging.epochs_to(curve, sign * 0.6, direction) is None


RATE = {"name": "adam_learning_rate", "kind": "float", "low": 1e-4, "high": 1e-1, "scale": "log"}
BETA = {"name": "adam_beta_1", "kind": "float", "low": 0.8, "high": 0.98, "scale": "linear"}


def test_points_are_the_same_learning_rates_for_all():
    one, three = quasi_random(1, 16, 7), quasi_random(3, 16, 7)
    np.testing.assert_array_equal(one[:, 0], three[:, 0])
    assert three.shape == (16, 3) and 0 <= three.min() and three.max() < 1
    # Low discrepancy: each sixteenth of the range has about one point, as no random draw has.
    assert np.histogram(one[:, 0], bins=4, range=(0, 1))[0].tolist() == [4, 4, 4, 4]
    assert not np.array_equal(quasi_random(1, 16, 8), one)


def test_a_unit_point_becomes_values():
    space = OptimizerSpace("adam", (RATE, BETA), {"optimizer": "adam", "units": 64})
    values = space.values([1 / 3, 0.5])
    assert values["adam_learning_rate"] == pytest.approx(1e-3)
    assert values["adam_beta_1"] == pytest.approx(0.89) and values["units"] == 64
    whole = {"kind": "int", "low": 1, "high": 4, "scale": "linear"}
    assert at(whole, 0.99) == 4 and at({"kind": "choice", "values": [1, 2]}, 0.999) == 2


def test_protocols_are_what_the_papers_did_unless_told_otherwise():
    wilson, schmidt = protocol("wilson2017"), protocol("schmidt2021")
    assert (wilson.way, wilson.seeds, wilson.test, wilson.repeats) == ("powers of two", 5, True, 1)
    assert (schmidt.budgets, schmidt.seeds) == ((1, 25, 50), 10)
    assert protocol("schmidt2021", points=30).budgets == (1, 25, 30)
    assert protocol("repeated", points=None) == PRESETS["repeated"]
    with pytest.raises(UserError, match="wilson2017"):
        protocol("wilson")
    with pytest.raises(UserError, match="at least 2"):
        protocol("repeated", repeats=1, seeds=1)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--optimizers=adam"], "at least two"),
        (["--optimizers=adam,sdg"], "sgd"),
        (["--points=-1"], "points"),
        (["--protocol=wilson"], "protocol"),
        (["--dataset=digts"], "digits"),
        (["--epochs=0"], "epochs"),
        (["extra"], "extra"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line(words, named, in_empty_folder, capsys):
    assert main(["compare", *words]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and named in printed
    assert list(in_empty_folder.iterdir()) == []


def stubbed(monkeypatch, protocol_name, score):
    """A comparison that trains nothing: a run's score is a function of its values."""
    from tuner_app.answers.comparing import Comparing

    comparing = Comparing(SearchConfig(), protocol(protocol_name), None, say=lambda line: None)
    comparing.objective = {"name": "val_accuracy", "direction": "max"}

    def scores(stage, points, purpose):
        return {
            name: [[score(values) for values in of] for of in by] for name, by in points.items()
        }

    monkeypatch.setattr(comparing, "_scores", scores)
    return comparing


def test_ranges_are_widened_until_the_best_lies_inside(monkeypatch):
    space = OptimizerSpace("adam", (RATE, BETA), {"optimizer": "adam"})

    def widen(score):
        comparing = stubbed(monkeypatch, "repeated", score)
        spaces, times = widened({"adam": space}, comparing._pilot, comparing.say)
        return spaces["adam"], times["adam"]

    def of_rate(best):
        return lambda values: -abs(math.log10(values["adam_learning_rate"] / best))

    found, times = widen(of_rate(2))
    assert found.rate["low"] == 1e-4 and found.domains[1] == BETA
    assert found.rate["high"] == pytest.approx(0.1 * 10 ** times["adam_learning_rate"])
    assert times["adam_learning_rate"] in (2, 3)  # as the pilot's points go, 10 is well beyond 2
    assert widen(of_rate(3e-3)) == (space, {})
    # The other number matters, and is best beyond its end; the rate does not matter at all.
    found, times = widen(lambda values: values["adam_beta_1"])
    assert times["adam_beta_1"] >= 1 and BETA["high"] < found.domains[1]["high"] < 1


def test_one_point_at_an_end_is_chance_unless_the_next_are_near():
    space = OptimizerSpace("adam", (RATE, BETA), {"optimizer": "adam"})

    def points(*betas):
        return [{"adam_learning_rate": 1e-3, "adam_beta_1": beta} for beta in betas]

    low, span = BETA["low"], BETA["high"] - BETA["low"]
    at_end, near, far = (low + share * span for share in (0.97, 0.75, 0.5))
    assert list(ends(space, points(at_end, near, near))) == ["adam_beta_1"]
    assert ends(space, points(at_end, near, far)) == ends(space, points(near, near, near)) == {}
    assert ends(space, points(at_end)) == {} == ends(space, [])
    assert wider(RATE, True, True) | {"low": 1e-5, "high": 1.0} == wider(RATE, True, True)
    share = {"low": 0.1, "high": 0.5, "scale": "linear"}
    assert wider(share, True, True) == {"low": 0.0, "high": 0.95, "scale": "linear"}
    signed = {"low": -2.0, "high": 2.0, "scale": "linear"}
    assert wider(signed, True, True) == {"low": -4.0, "high": 4.0, "scale": "linear"}


def test_a_grid_of_powers_of_two_grows_until_its_best_is_no_end(monkeypatch):
    space = OptimizerSpace("adam", (RATE, BETA), {"optimizer": "adam"})
    comparing = stubbed(
        monkeypatch, "wilson2017", lambda v: -abs(math.log2(v["adam_learning_rate"] / 0.016))
    )
    points, scores = comparing._grid({"adam": space})
    rates = [values["adam_learning_rate"] for values in points["adam"][0]]
    assert rates == [0.001 * 2**k for k in range(-2, 7)]  # the default is 0.001, the best 2^4 more
    assert scores["adam"][0].index(max(scores["adam"][0])) == 6
    assert {values["adam_beta_1"] for values in points["adam"][0]} == {0.9}
    diverging = stubbed(
        monkeypatch,
        "wilson2017",
        lambda v: (
            math.nan if v["adam_learning_rate"] > 2e-4 else -abs(v["adam_learning_rate"] - 6e-5)
        ),
    )
    points, _ = diverging._grid({"adam": space})
    assert min(values["adam_learning_rate"] for values in points["adam"][0]) < 6e-5


TINY = """
import keras

from tuner_app.optimizers import SGD, Momentum

def build(hp):
    name = hp.Choice("optimizer", ["sgd", "momentum"])
    for one in ("sgd", "momentum"):
        with hp.conditional_scope("optimizer", [one]):
            rate = hp.Float(f"{one}_learning_rate", 1e-3, 1e1, sampling="log")
            if one == name:
                chosen = {"sgd": SGD, "momentum": Momentum}[one](learning_rate=rate)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(chosen, loss, metrics=["accuracy"])
    return model
"""


def test_a_whole_comparison_from_the_command_line(in_empty_folder, capsys):
    (in_empty_folder / "tiny.py").write_text(TINY)
    words = ["--optimizers=sgd,momentum", "--space=tiny.py:build", "--epochs=1", "--points=4"]
    words += ["--repeats=2", "--seeds=1", "--batch_size=128", "--project=out"]
    assert main(["compare", *words]) == 0
    printed = capsys.readouterr().out
    found = json.loads((in_empty_folder / "out" / "compare.json").read_text())
    assert compare_text(found).strip() in printed
    assert (in_empty_folder / "out" / "compare.md").read_text() == compare_markdown(found)
    result = found["results"]["tuned"]
    assert {row["name"] for row in result["ranking"]} == {"sgd", "momentum"}
    assert len(result["budget"]["sgd"]) == 4 and len(result["ranking"][0]["observations"]) == 2
    assert found["runs"] == 2 * 4 + 2 * 2 * 4 + 2 * 2  # a pilot, the tunings, their best
    # Both are tried at the same learning rates.
    rates = [[rate for rate, _ in found["sensitivity"][n]["points"]] for n in ("sgd", "momentum")]
    assert rates[0] == rates[1] and len(rates[0]) == 8
    assert found["memory"]["sgd"]["slots_a_weight"] == 0
    assert found["memory"]["momentum"]["slots_a_weight"] == 1
    assert sorted(path.name for path in (in_empty_folder / "out").iterdir()) == [
        "compare.json",
        "compare.md",
    ]
