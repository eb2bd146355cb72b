"""Augmentation against SciPy and NumPy in float64, from the same random numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tuner_app.regularization import Noise, RandomFlip, RandomRotation, RandomShift
from tuner_app.regularization.sampling import sample

SHAPE = (5, 6, 8, 3)
IMAGES = np.random.default_rng(0).normal(size=SHAPE).astype("float32")
LAYERS = {RandomShift: 0.3, RandomRotation: 40.0, RandomFlip: 0.5, Noise: 0.2}
# float32 positions up to 9 are right to 5e-7, and neighbouring pixels differ by up to 5.
POSITION = 5e-6
every_layer = pytest.mark.parametrize("kind, strength", LAYERS.items())


def draws(count, low=-1.0):
    """The layers' own uniform numbers: `count` calls of one number an example, from seed 7."""
    seed = keras.random.SeedGenerator(7)
    drawn = [keras.random.uniform((SHAPE[0], 1, 1), low, 1.0, seed=seed) for _ in range(count)]
    return np.asarray(drawn, "float64").reshape(count, SHAPE[0])


def test_sampling_agrees_with_scipy():
    rng = np.random.default_rng(1)
    rows, columns = rng.uniform(-2, 9, size=(2, SHAPE[0], 4, 7))
    positions = keras.ops.array([rows, columns], dtype="float32")
    got = sample(keras.ops.array(IMAGES), positions[0], positions[1])
    for n in range(SHAPE[0]):
        for channel in range(SHAPE[3]):
            image = IMAGES[n, ..., channel].astype("float64")
            expected = ndimage.map_coordinates(
                image, [rows[n], columns[n]], order=1, mode="nearest"
            )
            np.testing.assert_allclose(got[n, ..., channel], expected, atol=POSITION)


def test_shift_agrees_with_scipy():
    down, across = draws(2) * 0.3
    got = RandomShift(0.3, seed=7)(IMAGES, training=True)
    for n in range(SHAPE[0]):
        move = (down[n] * SHAPE[1], across[n] * SHAPE[2], 0)
        expected = ndimage.shift(IMAGES[n].astype("float64"), move, order=1, mode="nearest")
        np.testing.assert_allclose(got[n], expected, atol=POSITION)


def test_rotation_agrees_with_scipy():
    angles = draws(1)[0] * np.deg2rad(40)
    got = RandomRotation(40, seed=7)(IMAGES, training=True)
    middle = (np.array(SHAPE[1:3]) - 1) / 2
    for n, angle in enumerate(angles):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for channel in range(SHAPE[3]):
            expected = ndimage.affine_transform(
                IMAGES[n, ..., channel].astype("float64"),
                turn,
                offset=middle - turn @ middle,
                order=1,
                mode="nearest",
            )
            np.testing.assert_allclose(got[n, ..., channel], expected, atol=POSITION)


def test_a_turn_by_90_degrees_is_numpys():
    square = IMAGES[:1, :6, :6]
    seed = keras.random.SeedGenerator(7)
    drawn = float(keras.random.uniform((1, 1, 1), -1, 1, seed=seed)[0, 0, 0])
    got = RandomRotation(90 / abs(drawn), seed=7)(square, training=True)[0]
    expected = np.rot90(square[0], k=-round(np.sign(drawn)))  # positive turns are clockwise
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_flip_mirrors_the_examples_that_are_drawn():
    flipped = draws(1, low=0.0)[0] < 0.5
    assert 0 < flipped.sum() < SHAPE[0]
    expected = np.where(flipped[:, None, None, None], IMAGES[:, :, ::-1], IMAGES)
    np.testing.assert_array_equal(RandomFlip(0.5, seed=7)(IMAGES, training=True), expected)


def test_noise_is_normal_with_its_deviation():
    zeros = np.zeros((20, 10, 10, 5), "float32")
    drawn = np.asarray(Noise(0.2, seed=7)(zeros, training=True), "float64").ravel()
    # 10,000 numbers: the mean and deviation are known to a hundredth of the deviation; 5 of those.
    assert abs(drawn.mean()) < 5 * 0.002
    assert abs(drawn.std() - 0.2) < 5 * 0.0015
    assert abs((np.abs(drawn) < 0.2).mean() - 0.6827) < 5 * 0.0047


@every_layer
def test_strength_0_changes_nothing(kind, strength):
    np.testing.assert_array_equal(kind(0.0, seed=7)(IMAGES, training=True), IMAGES)


@every_layer
def test_is_inactive_at_inference(kind, strength):
    np.testing.assert_array_equal(kind(strength)(IMAGES), IMAGES)


@every_layer
def test_one_trace_serves_every_strength(kind, strength):
    layer, traces = kind(strength, seed=7), []
    attribute = next(iter(set(layer.get_config()) - set(Noise(0).get_config()) or {"stddev"}))
    numbers = keras.random.SeedGenerator(7).state.value  # every call draws the same

    @tf.function
    def augmented(value):
        traces.append(1)
        setattr(layer, attribute, value)
        layer.seed_generator.state.assign(numbers)
        return layer(IMAGES, training=True)

    for value in (0.0, strength):
        expected = kind(value, seed=7)(IMAGES, training=True)
        np.testing.assert_allclose(augmented(tf.constant(value)), expected, atol=POSITION)
    assert len(traces) == 1


@every_layer
def test_stacks_along_a_lane_axis(kind, strength):
    """A strength and images that differ by lane give what each lane gives alone."""
    layer = kind(strength, seed=7)
    attribute = next(iter(set(layer.get_config()) - set(Noise(0).get_config()) or {"stddev"}))
    strengths = tf.constant([0.0, strength, strength / 3])
    images = tf.stack([IMAGES, IMAGES[::-1], IMAGES + 1])
    uniform = tf.random.stateless_uniform((2, SHAPE[0], 1, 1), seed=[1, 2], minval=-1.0)
    normal = tf.random.stateless_normal(SHAPE, seed=[1, 2])

    def augmented(value, batch):
        # The engine replaces Keras's random numbers while it stacks; here by constants.
        setattr(layer, attribute, value)
        calls = iter([uniform[0], uniform[1]])
        layer.uniform = lambda images, low=-1.0, high=1.0: next(calls) * 0.5 + (low + 1.0) / 2
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keras.random, "normal", lambda *_, **__: normal)
            return layer(batch, training=True)

    stacked = tf.vectorized_map(
        lambda lane: augmented(*lane), (strengths, images), fallback_to_while_loop=False
    )
    for lane in range(3):
        alone = augmented(strengths[lane], images[lane])
        np.testing.assert_allclose(stacked[lane], alone, atol=POSITION)


@every_layer
def test_survives_serialization(kind, strength):
    layer = kind(strength, seed=3)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
    np.testing.assert_array_equal(copy(IMAGES, training=True), layer(IMAGES, training=True))


@every_layer
def test_refuses_a_negative_strength(kind, strength):
    with pytest.raises(ValueError, match="-0.1; expected a number"):
        kind(-0.1)
