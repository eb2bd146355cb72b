"""A model for use needs Keras alone, and predicts what the trained one does."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from tuner_app import regularization as ours
from tuner_app.regularization.plain import as_plain_keras

X = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype("float32")


def functional():
    """One of every layer and penalty of this package."""
    x = inputs = keras.Input((8, 8, 1))
    x = ours.RandomShift(0.1)(x)
    x = ours.RandomRotation(10)(x)
    x = ours.RandomFlip(0.5)(x)
    x = ours.MixUp(0.2)(ours.Noise(0.1)(x))
    x = keras.layers.Conv2D(4, 3, kernel_regularizer=ours.L1L2(0.1, 0.2))(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Bidirectional(keras.layers.SimpleRNN(2, recurrent_regularizer=ours.l2(0.3)))(
        keras.layers.Reshape((36, 4))(x)
    )
    x = ours.Dropout(0.3, seed=4)(x)
    return ours.MixUpModel(inputs, keras.layers.Dense(2)(x))


def sequential():
    return keras.Sequential(
        [keras.Input((8, 8, 1)), ours.Noise(0.1), keras.layers.Flatten(), ours.Dropout(0.2),
         keras.layers.Dense(2, kernel_regularizer=ours.l1(0.1))]
    )  # fmt: skip


@pytest.mark.parametrize("made", [functional, sequential])
def test_predicts_the_same_from_keras_alone(made, tmp_path):
    model = made()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, np.arange(6) % 2, verbose=0)
    expected = model.predict(X, verbose=0)
    plain = as_plain_keras(model)
    np.testing.assert_array_equal(plain.predict(X, verbose=0), expected)

    plain.save(tmp_path / "plain.keras")
    np.save(tmp_path / "x.npy", X)
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.saving.load_model('plain.keras', safe_mode=True)\n"
        "np.save('y.npy', model.predict(np.load('x.npy'), verbose=0))\n"
        "assert 'tuner_app' not in sys.modules"
    )
    # -P: the working directory is not searched for packages.
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=True, timeout=120)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-6)


def test_keeps_the_numbers_of_dropout_and_penalties():
    model = functional()
    plain = as_plain_keras(model)
    layers = {type(layer).__name__: layer for layer in plain.layers}
    assert layers["Dropout"].rate == 0.3
    assert layers["Conv2D"].kernel_regularizer.get_config() == {"l1": 0.1, "l2": 0.2}
    recurrent = layers["Bidirectional"].forward_layer.cell.recurrent_regularizer
    assert recurrent.get_config() == {"l1": 0.0, "l2": 0.3}
    np.testing.assert_allclose(
        sum(float(loss) for loss in plain.losses),
        sum(float(loss) for loss in model.losses),
        rtol=1e-6,
    )


def test_a_model_whose_graph_is_unknown_is_given_back():
    class Own(keras.Model):
        def call(self, x):
            return x

    model = Own()
    assert as_plain_keras(model) is model
