"""Dropout against its definition, computed in float64 from the same random numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app.regularization import Dropout

INPUTS = np.random.default_rng(0).normal(size=(40, 30)).astype("float32")


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 0.9])
def test_drops_what_the_definition_drops(rate):
    drawn = keras.random.uniform(INPUTS.shape, seed=keras.random.SeedGenerator(5))
    kept = np.asarray(drawn) >= np.float32(rate)
    expected = np.where(kept, INPUTS.astype("float64") / (1 - rate), 0)
    np.testing.assert_allclose(Dropout(rate, seed=5)(INPUTS, training=True), expected, rtol=1e-6)
    # And those numbers are uniform: the share dropped is the rate, within 5 standard deviations.
    assert abs((~kept).mean() - rate) <= 5 * np.sqrt(rate * (1 - rate) / kept.size)


def test_rate_0_changes_nothing():
    np.testing.assert_array_equal(Dropout(0.0)(INPUTS, training=True), INPUTS)


def test_is_inactive_at_inference():
    np.testing.assert_array_equal(Dropout(0.5)(INPUTS), INPUTS)


def test_masks_differ_from_call_to_call_and_repeat_with_the_seed():
    first, again = Dropout(0.5, seed=1), Dropout(0.5, seed=1)
    masks = [np.asarray(first(INPUTS, training=True)) for _ in range(2)]
    repeated = [np.asarray(again(INPUTS, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(masks, repeated)
    assert (masks[0] != masks[1]).mean() > 0.3  # half the entries, were they independent


def test_one_trace_serves_every_rate():
    layer, traces = Dropout(0.5, seed=1), []

    @tf.function
    def dropped(rate):
        traces.append(1)
        layer.rate = rate
        return layer(INPUTS, training=True)

    for rate in (0.0, 0.25, 0.5):
        output = dropped(tf.constant(rate))
        kept = np.asarray(output) != 0
        assert abs((~kept).mean() - rate) < 0.06
        np.testing.assert_allclose(output, kept * INPUTS / (1 - rate), rtol=1e-6)
    assert len(traces) == 1


def test_keeps_half_precision():
    layer = Dropout(0.25, seed=1, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(INPUTS, training=True).dtype) == "bfloat16"


def test_survives_serialization():
    layer = Dropout(0.25, seed=3, name="d")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (copy.rate, copy.seed, copy.name) == (0.25, 3, "d")


@pytest.mark.parametrize("wrong", [-0.1, 1.0, 1.5])
def test_refuses_what_is_no_rate(wrong):
    with pytest.raises(ValueError, match="rate="):
        Dropout(wrong)
