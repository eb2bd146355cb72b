"""Every family of layers: stacked equals plain Keras, with what can differ by lane differing."""

import keras
import numpy as np
import pytest

L, constraints = keras.layers, keras.constraints
SIZE = 8  # whole batches: a smaller last one is traced again, for nothing that is the layers' own


def _chain(shape, *layers, dtype="float32"):
    """A classifier of three classes whose layers are applied one after another."""
    inputs = x = keras.Input(shape, dtype=dtype)
    for layer in layers:
        x = layer(x)
    outputs = L.Dense(3)(L.Flatten()(x))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss, metrics=["accuracy"])
    return model


def vectors(rate):
    return _chain(
        (6,),
        L.Dense(
            8,
            "tanh",
            activity_regularizer=keras.regularizers.L2(rate),
            kernel_constraint=constraints.UnitNorm(),
        ),
        L.BatchNormalization(momentum=rate),
        L.LayerNormalization(),
        L.PReLU(),
        L.Dropout(rate),
        L.Dense(
            8,
            "selu",
            kernel_constraint=constraints.MaxNorm(1 + rate),
            bias_constraint=constraints.NonNeg(),
        ),
        L.AlphaDropout(rate),
        L.GaussianDropout(rate),
        L.GaussianNoise(rate),
        L.RMSNormalization(),
        L.ActivityRegularization(rate, rate),
        L.ReLU(negative_slope=0.1),
        L.LeakyReLU(rate),
        L.Reshape((2, 4)),
        L.UnitNormalization(),
        L.EinsumDense(
            "abc,cd->abd", (2, 3), kernel_constraint=constraints.MinMaxNorm(0.1, 0.9, rate=rate)
        ),
        L.TimeDistributed(L.Dense(3)),
        L.Permute((2, 1)),
    )


def sequences(rate):
    x = tokens = keras.Input((8,), dtype="int32")
    x = L.Embedding(8, 4)(x)
    x = L.Conv1D(4, 3, padding="causal", activation="gelu")(x)
    # What makes all places nearly equal is added to them: of equals, rounding would choose the
    # largest.
    x = L.Add()([x, L.SpatialDropout1D(rate)(x)])
    x = L.SeparableConv1D(4, 3, padding="same")(x)
    x = L.Add()([x, L.MultiHeadAttention(2, 3, dropout=rate)(x, x)])
    x = L.Add()([L.AveragePooling1D(2)(x), L.MaxPooling1D(2)(x)])
    x = L.Conv1DTranspose(4, 3, strides=2, padding="same")(x)
    x = L.DepthwiseConv1D(3)(L.ZeroPadding1D(1)(L.UpSampling1D(2)(x)))
    x = L.Conv1D(4, 1)(L.Cropping1D(1)(x))
    x = L.Concatenate()(
        [
            L.GlobalAveragePooling1D()(x),
            L.GlobalMaxPooling1D()(x),
            L.Flatten()(L.AdaptiveMaxPooling1D(2)(L.AdaptiveAveragePooling1D(3)(x))),
            L.CategoryEncoding(8, "count")(tokens),
        ]
    )
    model = keras.Model(tokens, L.Dense(3)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss, metrics=["accuracy"])
    return model


def images(rate):
    return _chain(
        (8, 8, 3),
        L.Conv2D(4, 3, padding="same", kernel_regularizer=keras.regularizers.L1L2(rate, rate)),
        L.GroupNormalization(2),
        L.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
        L.Conv2D(4, 2, groups=2),
        L.SpatialDropout2D(rate),
        L.DepthwiseConv2D(2, depth_multiplier=2),
        L.Conv2DTranspose(4, 3, strides=2),
        L.SeparableConv2D(4, 2, dilation_rate=2),
        L.MaxPooling2D(2, strides=1),
        L.AveragePooling2D(2, padding="same"),
        L.UpSampling2D(2, interpolation="bilinear"),
        L.Resizing(5, 4),
        L.ZeroPadding2D(1),
        L.Cropping2D(1),
        L.Rescaling(0.5),
        L.AdaptiveAveragePooling2D(3),
        L.AdaptiveMaxPooling2D(2),
        L.GlobalMaxPooling2D(),
    )


def sounds(rate):
    return _chain(
        (64,),
        L.GaussianNoise(rate),
        L.MelSpectrogram(16, 8, sampling_rate=100, num_mel_bins=4),
        L.SpectralNormalization(L.Conv1D(4, 2, activation="tanh")),
        L.Dropout(rate),
        L.SpectralNormalization(L.Dense(4), power_iterations=2),
    )


def volumes(rate):
    return _chain(
        (5, 5, 4, 2),
        L.Conv3D(3, 2),
        L.SpatialDropout3D(rate),
        L.AveragePooling3D(2),
        L.Conv3DTranspose(2, 2, strides=(1, 2, 1)),
        L.Cropping3D((0, 1, 0)),
        L.MaxPooling3D((1, 2, 2)),
        L.UpSampling3D(2),
        L.ZeroPadding3D(1),
        L.GlobalAveragePooling3D(keepdims=True),
        L.GlobalMaxPooling3D(keepdims=True),
    )


def geometric_augmentation(rate):
    return _chain(
        (8, 8, 3),
        L.RandomFlip(),
        L.RandomTranslation(rate, rate, fill_mode="nearest"),
        L.RandomRotation(rate),
        L.RandomZoom(rate, fill_mode="constant"),
        L.RandomShear(rate, rate),
        L.RandomErasing(scale=(rate / 4, rate)),
        L.RandomElasticTransform(1.0, (rate, 1.0), value_range=(0, 1)),
        L.RandomCrop(6, 6),
        L.Conv2D(2, 3),
        L.GlobalAveragePooling2D(),  # Keras does not crop while it evaluates
    )


def colour_augmentation(rate):
    return _chain(
        (8, 8, 3),
        L.RandomContrast(rate, value_range=(0, 1)),
        L.RandomBrightness(rate, value_range=(0, 1)),
        L.RandomSaturation(rate),
        L.RandomHue(rate, value_range=(0, 1)),
        L.RandomGrayscale(rate),
        L.RandomGaussianBlur(rate, value_range=(0, 1)),
        L.Conv2D(2, 3),
    )


def recurrent(rate):
    return _chain(
        (4, 3), L.LSTM(3, dropout=rate, recurrent_dropout=rate, return_sequences=True), L.GRU(3)
    )


def attention(rate):
    a, b = keras.Input((4, 3)), keras.Input((4, 3))
    x = L.Attention(dropout=rate)([a, b])
    y = L.AdditiveAttention()([a, b])
    z = L.GroupQueryAttention(4, 4, 2, dropout=rate)(a, b)
    x = L.Average()([L.Multiply()([x, y]), L.Maximum()([x, z]), L.Subtract()([y, z])])
    model = keras.Model([a, b], L.Dense(3)(L.Dot((1, 1))([L.Flatten()(x), L.Flatten()(y)])))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss, metrics=["accuracy"])
    return model


FAMILIES = [
    vectors,
    sequences,
    images,
    sounds,
    volumes,
    geometric_augmentation,
    colour_augmentation,
    recurrent,
    attention,
]


def _data(family):
    rng = np.random.default_rng(0)
    model = family(0.2)
    shapes = [tuple(x.shape[1:]) for x in model.inputs]
    if family is sequences:
        # No token twice, for the same reason.
        x = rng.permuted(np.tile(np.arange(8), (SIZE, 1)), axis=1).astype("int32")
    else:
        x = [rng.random((SIZE, *shape)).astype("float32") for shape in shapes]
        x = x if len(x) > 1 else x[0]
    return x, rng.integers(0, 3, SIZE).astype("int32")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_stacked_equals_plain_keras(family, stacked_equals_plain):
    data = _data(family)
    # Without XLA: a third of the time. The engine's own tests run with it. Two steps: the second
    # starts from what the first has left in every state.
    stacked_equals_plain(
        family,
        [{"rate": 0.2}, {"rate": 0.4}],
        data,
        data,
        epochs=1,
        jit_compile=False,
        tolerance=1e-4,
    )
