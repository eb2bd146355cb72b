"""What a GPU would be given by JAX, on a machine without one. Run by `test_on_gpus`, on JAX.

`jax.default_backend` says "gpu" here, which is what the engine asks, so it takes the ways of a GPU:
no blocks, no memory shared with NumPy, Keras's own convolutions.
"""

import re

import jax
import keras
import numpy as np
import pytest

from tuner_app import optimizers
from tuner_app.population import Population
from tuner_app.population.backend.rounding import FLOAT32
from tuner_app.population.compiled.programs import Programs
from tuner_app.population.lanes import check

L = keras.layers
# Of NVIDIA's library of decompositions; whatever else is called would have to be there, too.
KNOWN = r"cusolver_\w+_ffi|cu_threefry2x32_ffi|Sharding"


def data(size, *shape):
    rng = np.random.default_rng(0)
    return rng.random((size, *shape)).astype("float32"), rng.integers(0, 3, size).astype("int32")


def compiled(layers, optimizer):
    model = keras.Sequential([*layers, L.Dense(3, dtype="float32")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def mlp(rate, optimizer="AdamW"):
    layers = [L.Input((5,)), L.Dense(4, "relu"), L.Dropout(rate), L.BatchNormalization()]
    return compiled(layers, getattr(optimizers, optimizer)(learning_rate=0.01 + rate / 10))


def images(rate):
    own = {"dtype": "mixed_bfloat16"}
    augmented = [L.RandomFlip(), L.RandomTranslation(rate, 0.1), L.RandomContrast(rate)]
    convolved = [
        L.Conv2D(4, 3, activation="relu", **own),
        L.MaxPooling2D(2, **own),
        L.DepthwiseConv2D(2, **own),
        L.GlobalAveragePooling2D(**own),
        L.Dropout(rate, **own),
    ]
    inner = optimizers.SGD(learning_rate=rate / 10)
    scaled = keras.optimizers.LossScaleOptimizer(inner)
    return compiled([L.Input((8, 8, 1)), *augmented, *convolved], scaled)


def linear(rate):
    layers = [L.Input((5,)), L.GaussianNoise(rate, seed=1)]
    return compiled(layers, optimizers.SGD(learning_rate=rate))


def population(builds, shape, examples=22):
    given = data(examples, *shape)
    found = Population(given, given, batch_size=8, lanes=len(builds))
    for key, build in enumerate(builds):
        found.admit(key, build, seed=key, epochs=1)
    return found


@pytest.fixture
def on_gpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


@pytest.mark.parametrize(
    ("builds", "shape", "called"),
    [
        ([lambda: mlp(0.1), lambda: mlp(0.2, "Muon")], (5,), set()),
        ([lambda: mlp(0.1, "Shampoo"), lambda: mlp(0.2, "SOAP")], (5,), {"syevd", "geqrf"}),
        ([lambda: images(0.1), lambda: images(0.2)], (8, 8, 1), set()),
    ],
    ids=["products", "decompositions", "images"],
)
def test_programs_lower_for_cuda(builds, shape, called, on_gpu, monkeypatch):
    monkeypatch.setattr(Programs, "compile_ahead", lambda programs: None)
    (stack,) = population(builds, shape)._stacks
    assert stack.seat() == [] and stack.width == 2
    for name in ("train", "tail", "close"):
        traced = stack.programs._traced[name]
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
        targets = set(re.findall(r"custom_call @([\w$.]+)", text))
        assert not [one for one in targets if not re.fullmatch(KNOWN, one)]
        assert "f64" not in text
        if name != "close":
            assert all(f"cusolver_{one}_ffi" in targets for one in called)
            assert ("bf16" in text) == (len(shape) == 3)


def test_a_gpus_ways_give_plain_kerass_numbers(on_gpu, monkeypatch):
    """The engine compares them itself: here as sharply as on a CPU."""
    monkeypatch.setattr(check, "rounding", lambda model: FLOAT32)
    trials = population([lambda: linear(0.1), lambda: linear(0.2)], (5,), examples=16)
    reports = trials.run_epoch()
    assert trials.take_rejected() == {}
    for report in reports:
        weights = trials.lane(report.key).get_weights()
        assert np.isfinite(report.logs["val_loss"]) and len(weights) == 2
        trials.retire(report.key)
    trials.admit(2, lambda: linear(0.3), seed=2, epochs=1)  # into a lane that another has left
    assert [report.key for report in trials.run_epoch()] == [2] and trials.stats.traces == 1
