"""Who is replaced and what changes, against the paper's algorithm written in NumPy."""

import math

import keras_tuner
import numpy as np
import pytest

from tuner_app import oracles
from tuner_app.errors import UserError
from tuner_app.oracles.dimensions import SearchSpace
from tuner_app.oracles.evolution import exploited, explored

FACTORS = (0.8, 1.2)


@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize(("members", "quantile"), [(20, 0.2), (7, 0.3), (2, 0.2), (10, 0.5)])
def test_the_worst_share_takes_over_from_the_best(direction, members, quantile):
    drawn = np.zeros((members, members))
    for seed in range(200):
        values = np.random.default_rng(seed).permutation(members).astype(float)
        scores = {str(i): values[i] for i in range(members)}
        found = exploited(
            scores, quantile=quantile, direction=direction, random=np.random.default_rng([seed, 1])
        )
        order = np.argsort(values if direction == "min" else -values)
        number = max(1, int(quantile * members))
        assert {int(i) for i in found} == set(order[-number:].tolist())
        for target, source in found.items():
            place = np.flatnonzero(order == int(source))[0]
            assert place < number
            drawn[number - 1, place] += 1
            assert target != source
    counts = drawn[max(1, int(quantile * members)) - 1]
    expected = counts.sum() / np.count_nonzero(counts)
    # Evenly among the best: within five standard deviations.
    assert np.all(np.abs(counts[counts > 0] - expected) < 5 * math.sqrt(expected) + 1e-9)


def test_a_diverged_member_is_replaced_and_is_never_a_source():
    scores = {"a": math.nan, "b": 0.1, "c": None, "d": 0.3, "e": 0.2, "f": math.inf}
    for seed in range(50):
        found = exploited(scores, quantile=0.3, direction="max", random=np.random.default_rng(seed))
        assert found.keys() == {"a", "c", "f"} and set(found.values()) == {"d"}
    nothing = dict.fromkeys("ab", math.nan)
    assert not exploited(nothing, quantile=0.5, direction="min", random=np.random.default_rng(0))


def space() -> SearchSpace:
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Float("dropout", 0.0, 0.5, step=0.1)
    hp.Int("batch", 1, 100)
    hp.Fixed("fixed", 3)
    hp.Choice("depth", [1, 2, 4])  # numbers are ordered
    hp.Choice("kind", ["plain", "with"])
    with hp.conditional_scope("kind", ["with"]):
        hp.Float("momentum", 0.5, 0.99)
    return SearchSpace(hp)


VALUES = {"rate": 0.01, "dropout": 0.2, "batch": 10, "fixed": 3, "depth": 2, "kind": "plain"}


def changed(values, seed, resample, kept=()):
    found = explored(space(), values, kept=kept, factors=FACTORS, resample=resample, seed=[0, seed])
    return found


def test_numbers_are_multiplied_by_a_factor_or_drawn_anew():
    # The paper: with a probability anew from the prior, else times one of the factors.
    multiplied = [changed(VALUES, seed, resample=0.0) for seed in range(200)]
    factors = np.array([found["rate"] / VALUES["rate"] for found in multiplied])
    assert np.all(np.isclose(factors[:, None], FACTORS).any(axis=1))
    assert abs(np.isclose(factors, 1.2).mean() - 0.5) < 5 * 0.5 / math.sqrt(200)
    assert {round(found["dropout"], 6) for found in multiplied} == {0.1, 0.3}  # a step at least
    assert {found["batch"] for found in multiplied} == {8, 12}
    assert {found["depth"] for found in multiplied} == {1, 4}  # its neighbours
    assert {found["kind"] for found in multiplied} == {"plain"}  # has no order
    assert {found["fixed"] for found in multiplied} == {3}

    drawn = [changed(VALUES, seed, resample=1.0) for seed in range(200)]
    places = np.array([np.log(found["rate"] / 1e-4) / np.log(1e3) for found in drawn])
    assert abs(places.mean() - 0.5) < 5 * math.sqrt(1 / 12 / 200)  # even on its own scale
    assert {found["kind"] for found in drawn} == {"plain", "with"}

    mixed = [changed(VALUES, seed, resample=0.25)["rate"] / VALUES["rate"] for seed in range(400)]
    anew = 1 - np.isclose(np.array(mixed)[:, None], FACTORS).any(axis=1).mean()
    assert abs(anew - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 400)


def test_values_stay_in_their_ranges_and_conditions_hold():
    edge = {"rate": 0.09, "dropout": 0.5, "batch": 1, "fixed": 3, "depth": 4, "kind": "with"}
    for seed in range(100):
        found = changed(edge | {"momentum": 0.98}, seed, resample=0.3)
        assert 1e-4 <= found["rate"] <= 1e-1 and 0 <= found["dropout"] <= 0.5
        assert 1 <= found["batch"] <= 100 and found["depth"] in (1, 2, 4)
        assert ("momentum" in found) == (found["kind"] == "with")
        assert 0.5 <= found.get("momentum", 0.5) <= 0.99


def test_what_is_kept_does_not_change_the_others():
    for seed in range(30):
        free = changed(VALUES, seed, resample=0.3)
        kept = changed(VALUES, seed, resample=0.3, kept={"rate", "kind"})
        assert (kept["rate"], kept["kind"]) == (VALUES["rate"], VALUES["kind"])
        for name in ("dropout", "batch", "depth"):
            assert kept[name] == free[name]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"population": 1}, "at least 2 members"),
        ({"interval": 0}, "at least 1 epoch"),
        ({"factors": (1.0,)}, "not 1"),
        ({"factors": ()}, "factors"),
        ({"resample": 1.5}, "probability"),
        ({"quantile": 0.6}, "up to 0.5"),
        ({"objective": ["val_loss", "val_accuracy"]}, "one objective"),
        ({"pruner": "asha", "epochs": 9}, "by itself"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(UserError, match=said):
        oracles.PopulationOracle(**{"objective": "val_loss", "seed": 0} | wrong)
