"""Models are built, by seeds of their own, while what TensorFlow has prepared stays prepared."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

import tuner_app
from tuner_app.population.models.building import built
from tuner_app.population.models.seeding_tensorflow import kernels_kept


@pytest.fixture
def forgotten(monkeypatch) -> list[int]:
    """How often TensorFlow has forgotten its kernels, one number a time."""
    tf.zeros(())  # before the first operation there is nothing to forget
    times, clear = [], context.pywrap_tfe.TFE_ContextClearCaches

    def counted(handle):
        times.append(len(times))
        clear(handle)

    monkeypatch.setattr(context.pywrap_tfe, "TFE_ContextClearCaches", counted)
    return times


def _model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.1)])
    model.compile("adam", "mse")
    return model


def test_a_model_is_built_and_the_kernels_are_kept(forgotten):
    keras.utils.set_random_seed(3)
    assert forgotten  # as a rule they are not
    forgotten.clear()
    built(_model, 3)
    built(_model, 3, light=True)
    assert not forgotten


def test_a_model_of_a_search_is_built_and_the_kernels_are_kept(forgotten, tmp_path):
    tuner = tuner_app.RandomSearch(lambda hp: _model(), "val_loss", 1, directory=tmp_path)
    trial = tuner.oracle.create_trial("0")
    forgotten.clear()
    tuner.build_for_stack(trial, 0)
    assert not forgotten


def test_stateful_operations_begin_where_they_do_after_an_ordinary_seed():
    def draws() -> list:
        return [tf.random.normal((2,)), tf.random.uniform((2,), seed=5), tf.random.normal((2,))]

    for seed in (7, 7, 8):
        keras.utils.set_random_seed(seed)
        wanted = draws()
        with kernels_kept():
            keras.utils.set_random_seed(seed)
            np.testing.assert_array_equal(draws(), wanted)
            keras.utils.set_random_seed(seed)
            np.testing.assert_array_equal(draws(), wanted)
