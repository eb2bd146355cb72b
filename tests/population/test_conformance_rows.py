"""Layers of one row each: stacked equals plain Keras, a branch for each row in one model.

The layers that can't be stacked have a row each, too: they are named with the reason.
"""

import re
import sys
import tempfile
import types
from unittest import mock

import keras
import numpy as np
import pytest

from tuner_app.population import CannotStack, Population

L, ops = keras.layers, keras.ops
VECTOR, STEPS, SOUND, VOLUME, IMAGE = (6,), (4, 3), (64, 1), (5, 5, 4, 2), (8, 8, 3)
UNIT = {"value_range": (0, 1)}

# Class, shape of one example, function of the lane's number that gives the layer.
PLAIN = [
    (L.Activation, VECTOR, lambda rate: L.Activation("mish")),
    (L.ELU, VECTOR, lambda rate: lambda x: L.ELU(alpha=rate)(x - 0.5)),
    (L.Identity, VECTOR, lambda rate: L.Identity()),
    (L.Lambda, VECTOR, lambda rate: L.Lambda(lambda x: ops.sin(3 * x))),
    (L.Softmax, VECTOR, lambda rate: L.Softmax()),
    (L.Minimum, VECTOR, lambda rate: lambda x: L.Minimum()([x, L.GaussianNoise(rate)(x)])),
    (L.RepeatVector, VECTOR, lambda rate: lambda x: L.RepeatVector(2)(L.Dropout(rate)(x))),
    (L.Discretization, VECTOR, lambda rate: L.Discretization([0.3, 0.6], output_mode="one_hot")),
    (L.Normalization, VECTOR, lambda rate: L.Normalization(mean=0.4, variance=0.1)),
    (L.STFTSpectrogram, SOUND, lambda rate: L.STFTSpectrogram("log", 16, 8, 16)),
    (L.AdaptiveAveragePooling3D, VOLUME, lambda rate: L.AdaptiveAveragePooling3D(2)),
    (L.AdaptiveMaxPooling3D, VOLUME, lambda rate: L.AdaptiveMaxPooling3D(2)),
]
RECURRENT = [
    (L.Masking, STEPS, lambda rate: lambda x: L.SimpleRNN(2)(L.Masking()(ops.relu(x - 0.8)))),
    (L.SimpleRNN, STEPS, lambda rate: L.SimpleRNN(2, dropout=rate, recurrent_dropout=rate)),
    (L.SimpleRNNCell, STEPS, lambda rate: L.RNN(L.SimpleRNNCell(2, dropout=rate))),
    (L.GRUCell, STEPS, lambda rate: L.RNN(L.GRUCell(2, dropout=rate), return_sequences=True)),
    (
        L.StackedRNNCells,
        STEPS,
        lambda rate: L.RNN(L.StackedRNNCells([L.LSTMCell(2, dropout=rate), L.GRUCell(2)])),
    ),
    (L.ConvLSTM1D, (2, 5, 2), lambda rate: L.ConvLSTM1D(2, 3, dropout=rate)),
    (L.ConvLSTM2D, (2, 4, 4, 1), lambda rate: L.ConvLSTM2D(2, 2, dropout=rate)),
    (L.ConvLSTM3D, (2, 3, 3, 3, 1), lambda rate: L.ConvLSTM3D(2, 2, recurrent_dropout=rate)),
]
IMAGES = [
    (L.AutoContrast, IMAGE, lambda rate: L.AutoContrast(**UNIT)),
    (L.CenterCrop, IMAGE, lambda rate: L.CenterCrop(5, 4)),
    (
        L.ContrastLimitedAdaptiveHistogramEqualization,
        IMAGE,
        lambda rate: L.ContrastLimitedAdaptiveHistogramEqualization((0, 1), 4.0, (2, 2)),
    ),
    (L.CutMix, IMAGE, lambda rate: L.CutMix((rate, 1.0))),
    (L.Equalization, IMAGE, lambda rate: L.Equalization(bins=16, **UNIT)),
    (L.MaxNumBoundingBoxes, IMAGE, lambda rate: L.MaxNumBoundingBoxes(3)),
    (L.MixUp, IMAGE, lambda rate: L.MixUp(rate)),
    (
        L.Pipeline,
        IMAGE,
        lambda rate: L.Pipeline([L.RandomBrightness(rate, **UNIT), L.RandomInvert(rate, **UNIT)]),
    ),
    (L.RandomColorDegeneration, IMAGE, lambda rate: L.RandomColorDegeneration(rate, **UNIT)),
    (
        L.RandomColorJitter,
        IMAGE,
        lambda rate: L.RandomColorJitter(
            (0, 1),
            brightness_factor=rate,
            contrast_factor=rate,
            saturation_factor=rate,
            hue_factor=rate,
        ),
    ),
    (L.RandomInvert, IMAGE, lambda rate: L.RandomInvert(rate, **UNIT)),
    (L.RandomPerspective, IMAGE, lambda rate: L.RandomPerspective(1.0, rate)),
    (L.RandomPosterization, IMAGE, lambda rate: L.RandomPosterization(4, **UNIT)),
    (L.RandomSharpness, IMAGE, lambda rate: L.RandomSharpness(rate, **UNIT)),
    (L.Solarization, IMAGE, lambda rate: L.Solarization(rate, 2 * rate, **UNIT)),
]
TOKENS = [
    (
        L.ReversibleEmbedding,
        (4,),
        lambda rate: lambda x: _there_and_back(L.ReversibleEmbedding(7, 3), x),
    ),
]


WORDS = {"vocabulary": ["a", "b"], "output_mode": "multi_hot"}
TABLE = "looks values up in a table"
# Class, what its inputs are, function of them, what the reason says.
REFUSED = [
    (L.IntegerLookup, "int32", lambda x: L.IntegerLookup(None, vocabulary=[1, 2])(x), TABLE),
    (L.StringLookup, "string", lambda x: L.StringLookup(**WORDS)(x), TABLE),
    (L.TextVectorization, "string", lambda x: L.TextVectorization(**WORDS)(x), TABLE),
    (L.Hashing, "int32", lambda x: L.Hashing(5)(x), "operation AsString"),
    (
        L.HashedCrossing,
        "int32",
        lambda x: L.HashedCrossing(5, output_mode="one_hot")((x, x)),
        "operation SparseCross",
    ),
    (
        L.AugMix,
        "float32",
        lambda x: L.AugMix((0, 1))(L.Reshape((2, 2, 3))(L.Dense(12)(x))),
        "Python's own random numbers",
    ),
    (L.JaxLayer, "float32", lambda x: _of_jax()(x), "JaxLayer: .* operation XlaCallModule"),
    (L.FlaxLayer, "float32", lambda x: _of_flax()(x), "FlaxLayer: .* operation XlaCallModule"),
    (L.TFSMLayer, "float32", lambda x: _of_saved_model()(x), "weights of its own"),
]
if keras.backend.backend() == "jax":  # its own layers stack there, and tables are TensorFlow's
    REFUSED = [row for row in REFUSED if row[0] is L.AugMix]
    PLAIN.append((L.JaxLayer, VECTOR, lambda rate: lambda x: _of_jax()(_of_flax()(x))))


def _of_jax():
    import jax

    def call(params, inputs):
        return jax.numpy.tanh(inputs @ params)

    return L.JaxLayer(call, lambda rng, inputs: jax.random.normal(rng, (inputs.shape[-1], 2)))


class _Module:
    """What Keras asks of a Flax module; Flax itself is not installed for the tests."""

    def __call__(self, inputs):
        raise AssertionError("only init and apply are called")

    def init(self, rng, inputs, method=None):
        import jax

        return {"params": {"kernel": jax.random.normal(rng["params"], (inputs.shape[-1], 2))}}

    def apply(self, variables, inputs, rngs=None, method=None, mutable=None):
        import jax

        return jax.numpy.tanh(inputs @ variables["params"]["kernel"]), {}


def _of_flax():
    linen = types.SimpleNamespace(DenyList=list)
    flax = {"flax": types.SimpleNamespace(linen=linen), "flax.linen": linen}
    with mock.patch.dict(sys.modules, flax):
        return L.FlaxLayer(_Module())


def _of_saved_model():
    import tensorflow as tf

    class Doubled(tf.Module):
        def __init__(self):
            self.factor = tf.Variable(2.0, name="factor")

        @tf.function(input_signature=[tf.TensorSpec([None, 1])])
        def serve(self, x):
            return self.factor * x

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(Doubled(), folder)
        return L.TFSMLayer(folder)


def _there_and_back(embedding, x):
    return embedding(ops.tanh(embedding(x)), reverse=True)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")  # Keras's MixUp, of JAX
@pytest.mark.parametrize(
    "rows, dtype",
    [(PLAIN, "float32"), (RECURRENT, "float32"), (IMAGES, "float32"), (TOKENS, "int32")],
    ids=["plain", "recurrent", "images", "tokens"],
)
def test_stacked_equals_plain_keras(rows, dtype, rows_stack_as_plain):
    rows_stack_as_plain(rows, dtype)


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[0].__name__)
def test_what_can_not_be_stacked_is_named(row):
    _, dtype, layer, said = row
    given = {"string": ["a", "b"], "int32": [1, 2], "float32": [0.1, 0.2]}[dtype]
    data = np.array(given).reshape(2, 1)
    data = data if dtype == "string" else data.astype(dtype)
    population = Population((data, np.array([0, 1])), batch_size=2, lanes=2, jit_compile=False)
    try:
        for key in (0, 1):
            inputs = keras.Input((1,), dtype=dtype)
            x = layer(inputs)
            x = x if "float" in x.dtype else L.Embedding(9, 2)(x)
            model = keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))
            model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            population.admit(key, model, seed=key, epochs=1)
        population.run_epoch()
        reason = population.take_rejected()[0]
    except CannotStack as error:
        reason = str(error)
    assert re.search(said, reason)
