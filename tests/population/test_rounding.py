"""A stack whose products are rounded as on a GPU, or by half precision, is no wrong one."""

import keras
import numpy as np
import pytest

from tuner_app.population.backend import rounding
from tuner_app.population.lanes import check, plain
from tuner_app.population.lanes.lane import initial_values
from tuner_app.population.lanes.trial import Trial
from tuner_app.population.models.building import built
from tuner_app.population.signatures.signature import describe

L = keras.layers
RNG = np.random.default_rng(0)
X = RNG.random((48, 20)).astype("float32")
Y = (20 * RNG.random((48, 1))).astype("float32")
BATCHES = [(X[i : i + 16], Y[i : i + 16], None) for i in (0, 16, 32)]


class InTF32(L.Dense):
    """Multiplies as a GPU's tensor cores do: of each factor 10 bits after the point are taken."""

    def call(self, x):
        exact = keras.ops.stop_gradient

        def taken(x):
            wide = x * 8193.0  # 2^13 + 1: T. J. Dekker's way to split a number, 1971
            return x + exact(wide - (wide - x) - x)

        return keras.ops.matmul(taken(x), taken(self.kernel)) + self.bias


def trial_of(kind, rate=0.05, policy="float32"):
    def build():
        layers = [kind(64, dtype=policy), L.ReLU(), kind(1, dtype=policy)]
        model = keras.Sequential([L.Input((20,)), *layers])
        model.compile(keras.optimizers.SGD(rate), "mse", metrics=["mae"])
        return model

    model = built(build, 1)
    return Trial(0, describe(model), initial_values(model, 1), 1, 1, model=model)


def named(trial, other) -> str | None:
    got, want = (plain.steps(t, t.description, BATCHES, trial.values) for t in (other, trial))
    return check.difference(trial, trial.description, BATCHES, got, want)


def test_products_in_tf32_are_right_on_an_accelerator_alone(monkeypatch):
    exact, coarse = trial_of(L.Dense), trial_of(InTF32)
    assert "differs from plain Keras" in named(exact, coarse)
    monkeypatch.setattr(rounding.vectorize, "on_accelerator", lambda: True)
    assert named(exact, coarse) is None


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_may_be_kept_in_float32(policy):
    half, exact = trial_of(L.Dense, policy=policy), trial_of(L.Dense)
    assert named(exact, half) is not None
    assert named(half, exact) is None


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_another_number_shows_however_coarse_the_rounding(policy, monkeypatch):
    monkeypatch.setattr(rounding.vectorize, "on_accelerator", lambda: True)
    right, wrong = trial_of(L.Dense, policy=policy), trial_of(L.Dense, 0.06, policy)
    got = plain.steps(wrong, wrong.description, BATCHES, wrong.values)
    want = plain.steps(right, right.description, BATCHES, right.values)
    assert "kernel" in check.difference(right, right.description, BATCHES, got, want)
