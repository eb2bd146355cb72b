"""The plan: lanes for little models, native kernels for large ones, memory respected."""

import keras
import numpy as np
import pytest

from tuner_app.population.planner import lane_bytes, multiplications, plan

L = keras.layers
X, Y = np.zeros((64, 8, 8, 1), "float32"), np.zeros((64, 10), "float32")


def dense(units=16):
    layers = [L.Input((8, 8, 1)), L.Flatten(), L.Dense(units), L.Dense(10)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    return model


def convolution(filters):
    layers = [L.Input((8, 8, 1)), L.Conv2D(filters, 3, padding="same"), L.Flatten(), L.Dense(10)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    return model


def test_multiplications_follow_from_the_kernels():
    assert multiplications(dense(16), 32) == 3 * 32 * (64 * 16 + 16 * 10)
    want = 3 * 32 * (64 * 9 * 1 * 4 + 64 * 4 * 10)
    assert multiplications(convolution(4), 32) == want


def test_little_models_get_lanes_and_large_ones_native_kernels():
    little = plan(dense, (X, Y), batch_size=32, trials=100, memory=2**30)
    assert (little.native, little.lanes) == (False, 100)
    assert "100 lanes" in little.reason
    large = plan(lambda: dense(4000), (X, Y), batch_size=4096, trials=100, memory=2**40)
    assert (large.native, large.lanes) == (True, 1)
    assert "native" in large.reason


@pytest.mark.parametrize("trials", [3, 1000])
def test_lanes_respect_memory_and_the_number_of_trials(trials):
    memory = 20 * lane_bytes(dense(), 32)
    found = plan(dense, (X, Y), batch_size=32, trials=trials, memory=memory)
    assert found.lanes == min(trials, 20)
    assert 1 <= found.steps_per_call <= 2
