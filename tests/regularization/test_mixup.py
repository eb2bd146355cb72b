"""Mix-up: its distribution against SciPy, its loss and gradient against float64 NumPy."""

import keras
import numpy as np
import pytest
from scipy import special, stats

from tuner_app.regularization import L1L2, MixUp, MixUpModel
from tuner_app.regularization.mixup import larger_share

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 4)).astype("float32")
Y = RNG.integers(0, 3, size=16)
L2 = 0.05


def model(alpha, seed=1, rate=0.5):
    """Softmax regression behind a mix-up layer, or without one where alpha is None."""
    inputs = keras.Input((4,))
    x = inputs if alpha is None else MixUp(alpha, seed=seed)(inputs)
    outputs = keras.layers.Dense(
        3,
        kernel_initializer=keras.initializers.GlorotUniform(seed=2),
        kernel_regularizer=L1L2(0, L2),
    )(x)
    made = (keras.Model if alpha is None else MixUpModel)(inputs, outputs)
    made.compile(
        keras.optimizers.SGD(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return made


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 3.0])
def test_shares_are_of_the_folded_beta_distribution(alpha):
    u, v = np.random.default_rng(3).random((2, 20_000)).astype("float32")
    shares = np.asarray(larger_share(u, v, np.float32(alpha)), "float64")
    assert shares.min() >= 0.5 and shares.max() <= 1
    # Both λ and 1 - λ fold onto a share: P(share <= s) = P(1 - s <= λ <= s). Shares that float32
    # can't tell from 1 are tied there, so distances are taken below it.
    beta = stats.beta(alpha, alpha)
    points = np.linspace(0.5, 0.999, 200)
    expected = beta.cdf(points) - beta.cdf(1 - points)
    observed = (shares[:, None] <= points).mean(axis=0)
    # 1.95 / √n is the Kolmogorov-Smirnov distance that chance exceeds once in a thousand.
    assert np.abs(observed - expected).max() < 1.95 / np.sqrt(len(shares))


def test_alpha_0_is_exactly_1():
    u, v = np.random.default_rng(3).random((2, 1000)).astype("float32")
    np.testing.assert_array_equal(larger_share(u, v, np.float32(0.0)), 1.0)


def test_blends_each_example_with_the_one_before():
    layer = MixUp(1.0, seed=4)
    got = layer(X, training=True)
    share = float(layer.share.value)
    assert 0.5 < share < 1
    expected = share * X.astype("float64") + (1 - share) * np.roll(X, 1, axis=0)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(layer(X), X)


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_step_follow_the_equation(weighted):
    mixed = model(alpha=1.0)
    weights = RNG.uniform(0.5, 2, size=16).astype("float32") if weighted else np.ones(16, "float32")
    kernel = np.asarray(mixed.layers[-1].kernel, "float64")
    loss = mixed.train_on_batch(X, Y, sample_weight=weights if weighted else None)
    share = float(mixed.mixing_layer().share.value)

    blend = share * X.astype("float64") + (1 - share) * np.roll(X, 1, axis=0)
    logits = blend @ kernel
    first = np.eye(3)[Y] * weights[:, None]
    targets = share * first + (1 - share) * np.roll(first, 1, axis=0)
    log_probabilities = special.log_softmax(logits, axis=1)
    data = -(targets * log_probabilities).sum() / 16
    np.testing.assert_allclose(loss, data + L2 * (kernel**2).sum(), rtol=1e-5)

    slope = (targets.sum(1, keepdims=True) * special.softmax(logits, axis=1) - targets) / 16
    expected = kernel - 0.5 * (blend.T @ slope + 2 * L2 * kernel)
    np.testing.assert_allclose(mixed.layers[-1].kernel, expected, rtol=1e-4, atol=1e-6)


def test_alpha_0_trains_exactly_as_without():
    plain, mixed = model(alpha=None), model(alpha=0.0)
    for trained in (plain, mixed):
        trained.fit(X, Y, batch_size=6, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_array_equal(plain.layers[-1].kernel, mixed.layers[-1].kernel)


def test_evaluation_is_unchanged():
    plain, mixed = model(alpha=None), model(alpha=1.0)
    mixed.mixing_layer().share.assign(0.6)
    np.testing.assert_allclose(
        mixed.evaluate(X, Y, verbose=0), plain.evaluate(X, Y, verbose=0), rtol=1e-6
    )


def test_loads_from_a_file(tmp_path):
    mixed = model(alpha=0.3)
    mixed.fit(X, Y, verbose=0)
    mixed.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert isinstance(loaded, MixUpModel) and loaded.mixing_layer().alpha == 0.3
    np.testing.assert_allclose(loaded.predict(X, verbose=0), mixed.predict(X, verbose=0), rtol=1e-6)
    loaded.fit(X, Y, verbose=0)


def test_needs_one_mix_up_layer():
    inputs = keras.Input((4,))
    wrong = MixUpModel(inputs, keras.layers.Dense(3)(inputs))
    wrong.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="0 MixUp layers; expected one"):
        wrong.train_on_batch(X, Y)
