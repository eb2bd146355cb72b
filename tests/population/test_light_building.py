"""A model built to be read only has the slots of one built in earnest, with their values."""

import random
import sys

import jax
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.utils import module_utils

from tuner_app import catalogue, optimizers
from tuner_app.population.lanes.lane import initial_values
from tuner_app.population.models.building import built
from tuner_app.population.models.without_tensorflow import set_random_seed


@pytest.mark.parametrize("name", [n for n in catalogue.names("optimizers") if "keras:" in n])
def test_the_slots_of_keras_own_optimizers(name):
    def build():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile(optimizers.get(name)(), "mse")
        return model

    want = initial_values(built(build, seed=3), seed=3)
    got = initial_values(built(build, seed=3, light=True), seed=3)
    for part in want:
        assert len(got[part]) == len(want[part])
        for a, b in zip(got[part], want[part], strict=True):
            np.testing.assert_array_equal(a, b)


def test_models_of_many_shapes_are_drawn_without_a_warning_of_tensorflows(caplog, monkeypatch):
    keras.utils.set_random_seed(0)
    monkeypatch.setattr(tf.get_logger(), "propagate", True)  # to caplog
    for units in range(1, 9):
        keras.backend.clear_session()

        def build(units=units):
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
            model.compile("sgd", "mse")
            return model

        initial_values(built(build, 0, light=True), 0)
    assert [record.getMessage() for record in caplog.records] == []


def test_the_values_are_those_of_a_model_of_plain_keras():
    def build():
        layers = [keras.layers.Dense(30, kernel_initializer=i) for i in ("glorot_uniform", "ones")]
        embedding = keras.layers.Embedding(7, 5)
        model = keras.Sequential([keras.Input((), dtype="int32"), embedding, *layers])
        model.compile(keras.optimizers.Ftrl(initial_accumulator_value=0.5), "mse")
        return model

    keras.utils.set_random_seed(3)
    plain = build()
    plain.optimizer.build(plain.trainable_variables)
    for light in (False, True):
        got = initial_values(built(build, 3, light=light), 3)
        for part in ("trainable", "optimizer"):
            wanted = {
                "trainable": plain.trainable_variables,
                "optimizer": plain.optimizer.variables,
            }
            for a, b in zip(got[part], wanted[part], strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=2**-23)


@pytest.mark.parametrize("shape", [(), (7,), (5, 3), (3, 3, 8, 16)])
def test_numpy_draws_what_jax_draws(shape):
    from tuner_app.population.models.drawing_on_jax import uniform

    for seed, low, high in ((0, -0.5, 0.5), (2**31 - 1, 0.0, 1.0), (12345, -0.001, 2.0)):
        key = np.array([seed, 0], "uint32")
        wanted = jax.random.uniform(key, shape, "float32", low, high)
        # A processor without fused multiplication rounds twice.
        np.testing.assert_allclose(uniform(seed, shape, low, high), wanted, rtol=0, atol=2**-22)


def test_tensorflow_is_not_imported_to_be_seeded(monkeypatch):
    tf.random.set_seed(5)
    wanted = float(tf.random.uniform(()))
    tf.random.set_seed(5)
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setattr(module_utils.tensorflow, "_available", None)
    numbers = []
    for _ in range(2):
        set_random_seed(1)
        numbers.append((random.random(), np.random.random()))
    assert numbers[0] == numbers[1]
    assert float(tf.random.uniform(())) == wanted  # nobody has touched it
