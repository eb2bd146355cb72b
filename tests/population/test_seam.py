"""Each entry of the seam's table against the function that it replaces."""

import contextlib

import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src import backend
from keras.src.utils import tf_utils
from scipy import stats

from tuner_app.population.compiled.seam import elastic, pooling, seam, table

RNG = np.random.default_rng(0)
N = 100_000


def real(*shape):
    return RNG.normal(size=shape).astype("float32")


def assert_equal_to_original(module, name, *arguments, tolerance=2e-5, **named):
    want = np.asarray(getattr(module, name)(*arguments, **named))
    with seam():
        replaced = getattr(module, name)
    got = np.asarray(replaced(*arguments, **named))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def test_the_seam_closes_behind_itself():
    before = [(owner, name, vars(owner)[name]) for owner, name, _ in table()]
    with pytest.raises(ZeroDivisionError), seam():
        assert all(vars(owner)[name] is not f for owner, name, f in before)
        _ = 1 / 0
    assert all(vars(owner)[name] is f for owner, name, f in before)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("spatial", [(9,), (9, 8), (5, 6, 5)], ids=["1d", "2d", "3d"])
def test_convolutions(spatial, padding):
    n, nn = len(spatial), backend.nn
    kernel, x = (3, 2, 2)[:n], real(2, *spatial, 4)
    for stride, dilation in ((1, 1), (2, 1), (1, 2)):
        how = {
            "strides": (stride,) * n,
            "padding": padding,
            "dilation_rate": (dilation,) * n,
            "data_format": "channels_last",
        }
        assert_equal_to_original(nn, "conv", x, real(*kernel, 4, 6), **how)
        assert_equal_to_original(nn, "conv", x, real(*kernel, 2, 6), **how)  # two groups
        assert_equal_to_original(nn, "conv_transpose", x, real(*kernel, 6, 4), **how)
        if n < 3:
            depthwise = real(*kernel, 4, 2)
            assert_equal_to_original(nn, "depthwise_conv", x, depthwise, **how)
            pointwise = real(*(1,) * n, 8, 5)
            assert_equal_to_original(nn, "separable_conv", x, depthwise, pointwise, **how)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "wrap", "reflect"])
def test_elastic_transform(fill_mode, interpolation, monkeypatch):
    # The only thing that differs is what they draw.
    noise = real(2, 24, 20)
    monkeypatch.setattr(tf.random, "stateless_normal", lambda *_, **__: noise)
    monkeypatch.setattr(elastic, "normal", lambda *_, **__: noise)
    how = {"fill_mode": fill_mode, "fill_value": 0.3, "interpolation": interpolation, "seed": 0}
    for format_, shape in (("channels_last", (2, 24, 20, 3)), ("channels_first", (2, 3, 24, 20))):
        images = RNG.random(shape).astype("float32")
        for sigma in (0.4, 1.7):
            named = {**how, "alpha": 9.0, "sigma": sigma, "data_format": format_}
            assert_equal_to_original(backend.image, "elastic_transform", images, **named)


def test_equalization():
    layer = keras.layers.Equalization()
    for pixels in (RNG.integers(20, 200, (2, 5, 6)), np.full((2, 5, 6), 7)):
        counts = np.bincount(pixels.ravel(), minlength=256).astype("int32")
        arguments = (layer, pixels.astype("float32"), counts)
        assert_equal_to_original(type(layer), "_apply_equalization", *arguments, tolerance=0)


def test_ctc_loss_and_its_gradient():
    logits = tf.constant(real(4, 6, 3))
    # Repeated labels, which need a blank between them; shorter ones, and none; a shorter output.
    labels, lengths = [[1, 2, 1], [2, 2, 0], [1, 0, 0], [0, 0, 0]], [3, 2, 1, 0]
    found = []
    for context in (contextlib.nullcontext(), seam()):
        with tf.GradientTape() as tape, context:
            tape.watch(logits)
            loss = backend.nn.ctc_loss(labels, logits, lengths, [6, 5, 4, 6])
        found.append((loss, tape.gradient(loss, logits)))
    for want, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_max_pooling_and_its_gradient(padding):
    pool = backend.nn.max_pool
    for spatial, size, strides in (
        ((9,), 3, None),
        ((8, 6), 2, None),  # windows that tile the image
        ((8, 7), (2, 3), (2, 2)),
        ((7, 9), 3, 1),
        ((4, 4, 5), 2, None),
    ):
        # Whole numbers, so that many are equal: the first of them takes the gradient.
        x = tf.constant(RNG.integers(-2, 2, (2, *spatial, 3)).astype("float32"))
        how = {"strides": strides, "padding": padding, "data_format": "channels_last"}
        assert_equal_to_original(backend.nn, "max_pool", x, size, tolerance=0, **how)
        weights = real(*pool(x, size, **how).shape)
        gradients = []
        for function in (pool, pooling.max_pool):
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = tf.reduce_sum(function(x, size, **how) * weights)
            gradients.append(tape.gradient(total, x))
        np.testing.assert_allclose(*gradients, rtol=1e-6, atol=1e-6)


def test_max_pooling_keeps_a_nan_and_infinity():
    x = np.zeros((1, 4, 4, 1), "float32")
    x[0, 0, 0], x[0, 3, 1], x[0, 0, 3], x[0, 2:, 2:] = np.nan, np.nan, np.inf, -np.inf
    got = np.asarray(pooling.max_pool(x, 2, data_format="channels_last"))
    np.testing.assert_array_equal(got[0, :, :, 0], [[np.nan, np.inf], [np.nan, -np.inf]])


def test_transposed_convolution_with_output_padding():
    x, kernel = real(2, 5, 6, 4), real(3, 2, 3, 4)
    for padding in ("valid", "same"):
        how = {"strides": (3, 2), "padding": padding, "output_padding": (1, 1)}
        assert_equal_to_original(backend.nn, "conv_transpose", x, kernel, **how)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "wrap", "reflect"])
def test_affine_transform(fill_mode):
    images = RNG.random((3, 9, 7, 2)).astype("float32")
    identity = np.array([1, 0, 0, 0, 1, 0, 0, 0], "float32")
    # Far outside the image too, and with some perspective.
    transforms = identity + real(3, 8) * np.array([0.3, 0.3, 9, 0.3, 0.3, 9, 0.02, 0.02], "float32")
    for interpolation in ("nearest", "bilinear"):
        assert_equal_to_original(
            backend.image,
            "affine_transform",
            images,
            transforms,
            interpolation=interpolation,
            fill_mode=fill_mode,
            fill_value=0.3,
        )


def test_other_image_functions():
    images = RNG.random((3, 9, 7, 3)).astype("float32")
    images[0, 0] = 0.5  # grey has no hue
    corners = np.array([[0, 0], [6, 0], [0, 8], [6, 8]], "float32")[None].repeat(3, 0)
    moved = corners + real(3, 4, 2)
    assert_equal_to_original(backend.image, "perspective_transform", images, corners, moved)
    assert_equal_to_original(backend.image, "gaussian_blur", images, (3, 5), (0.7, 1.3))
    assert_equal_to_original(backend.image, "rgb_to_hsv", images)
    hsv = np.asarray(backend.image.rgb_to_hsv(images))
    assert_equal_to_original(backend.image, "hsv_to_rgb", hsv)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos3", "area"])
def test_resize(method):
    images = RNG.random((2, 9, 7, 3)).astype("float32")
    for size in ((5, 13), (20, 3)):
        for antialias in (False, True):
            assert_equal_to_original(tf.image, "resize", images, size, method, antialias=antialias)


def test_small_numeric_functions():
    x = np.array([-1.0, -0.0, 0.0, 2.0, np.inf, -np.inf], "float32")
    assert_equal_to_original(backend.numpy, "signbit", x)
    assert_equal_to_original(backend.nn, "leaky_relu", x, 0.3)
    places = np.array([[0, 2, 2], [1, 1, 3]])
    for weights in (None, np.array([[0.5, 1, 2], [3, 4, 5]], "float32")):
        how = {"weights": weights, "minlength": 5}
        assert_equal_to_original(backend.numpy, "bincount", places, **how)
        one = {**how, "weights": weights if weights is None else weights[0]}
        assert_equal_to_original(backend.numpy, "bincount", places[0], **one)
    assert_equal_to_original(backend.core, "scatter", places[..., None], real(2, 3, 4), (5, 4))
    for binary in (True, False):
        arguments = (tf.constant(places), 5, binary, "float32")
        assert_equal_to_original(tf_utils, "dense_bincount", *arguments)
    pairs = np.array([[0, 2], [1, 1], [0, 2]])
    assert_equal_to_original(backend.core, "scatter", pairs, np.array([3, 4, 5]), (2, 3))
    predictions = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [np.nan, 1, 0]], "float32")
    for k in (1, 2):
        assert_equal_to_original(
            backend.math, "in_top_k", np.array([2, 1, 1]), predictions, k=k, tolerance=0
        )


DISTRIBUTIONS = {
    "uniform": ((-1.0, 3.0), stats.uniform(-1, 4)),
    "normal": ((1.0, 3.0), stats.norm(1, 3)),
    "truncated_normal": ((1.0, 3.0), stats.truncnorm(-2, 2, 1, 3)),
    "gamma": ((4.5,), stats.gamma(4.5)),
    "beta": ((0.4, 2.0), stats.beta(0.4, 2)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name):
    arguments, wanted = DISTRIBUTIONS[name]
    with seam():
        drawn = np.asarray(getattr(keras.random, name)((N,), *arguments, seed=5))
        again = np.asarray(getattr(keras.random, name)((N,), *arguments, seed=5))
    np.testing.assert_array_equal(drawn, again)
    assert stats.kstest(drawn, wanted.cdf).pvalue > 1e-3


def test_small_gamma():
    with seam():
        drawn = np.asarray(keras.random.gamma((N,), 0.3, seed=1))
    assert stats.kstest(drawn, stats.gamma(0.3).cdf).pvalue > 1e-3


def test_counts():
    with seam():
        whole = np.asarray(keras.random.randint((N,), 2, 9, seed=6))
        logits = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], "float32"))
        classes = np.asarray(keras.random.categorical(logits, N // 2, seed=7))
        mask = np.asarray(keras.random.dropout(np.ones((N,), "float32"), 0.3, seed=8))
        order = np.asarray(keras.random.shuffle(np.arange(1000), seed=9))
    assert set(whole) == set(range(2, 9))
    assert stats.chisquare(np.bincount(whole - 2)).pvalue > 1e-3
    for row, p in zip(classes, ([0.1, 0.2, 0.7], [0.5, 0.25, 0.25]), strict=True):
        expected = np.array(p) * len(row)
        assert stats.chisquare(np.bincount(row, minlength=3), expected).pvalue > 1e-3
    assert stats.binomtest(int((mask == 0).sum()), N, 0.3).pvalue > 1e-3
    np.testing.assert_allclose(mask[mask != 0], 1 / 0.7, rtol=1e-6)
    assert sorted(order) == list(range(1000)) and (order != np.arange(1000)).mean() > 0.9


def test_steps_are_independent():
    generator = keras.random.SeedGenerator(5)
    with seam():
        draws = np.stack(
            [np.asarray(keras.random.uniform((64,), seed=generator)) for _ in range(500)]
        )
    assert stats.kstest(draws.ravel(), stats.uniform.cdf).pvalue > 1e-3
    for table_of in (draws, draws.T):  # between steps, and between places
        correlation = np.corrcoef(table_of)[np.triu_indices(len(table_of), 1)]
        spread = 1 / np.sqrt(table_of.shape[1])
        assert abs(correlation.std() / spread - 1) < 0.1
        assert np.abs(correlation).max() < 6 * spread


def test_on_jax_the_numbers_are_the_same_ones():
    from tuner_app.population.compiled.seam import random, random_on_jax

    ones = np.ones((6, 4), "float32")
    for seed in (3, 2**31 + 7):
        for name, arguments in (
            ("uniform", ((3, 7), -1.0, 2.0)),
            ("normal", ((3, 7), 1.0, 0.5)),
            ("dropout", (ones, 0.3)),
            ("dropout", (ones, 0.3, (None, 1))),
            ("dropout", (ones, 1.0)),
        ):
            state = jnp.array([seed, 0], "uint32")
            there = getattr(random_on_jax, name)(*arguments, seed=state)
            here = getattr(random, name)(*arguments, seed=keras.random.SeedGenerator(seed))
            np.testing.assert_allclose(there, here, rtol=1e-6, atol=1e-6)
