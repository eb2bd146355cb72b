"""A model built to be read only has the slots of one built in earnest, with their values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app import catalogue, optimizers
from tuner_app.population.building import built
from tuner_app.population.lane import initial_values


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
