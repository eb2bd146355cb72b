"""The spaces themselves: they fit their data, keep their shape, and learn."""

import keras
import keras_tuner
import numpy as np
import pytest
from sklearn.datasets import load_digits

import search_spaces
from tuner_app import catalogue
from tuner_app.data import DataSpec
from tuner_app.errors import UserError

NAMES = tuple("0123456789")
DIGITS = DataSpec(
    "digits", "classification", "image", (8, 8, 1), num_classes=10, class_names=NAMES,
    sizes={"train": 1400},
)  # fmt: skip
TABLE = DataSpec("wine", "classification", "tabular", (5,), num_classes=2, class_names=("a", "b"))
NUMBERS = DataSpec("diabetes", "regression", "tabular", (5,), target_mean=1.0, target_std=2.0)
FITTING = [
    ("linear", DIGITS), ("linear", TABLE), ("linear", NUMBERS),
    ("mlp", DIGITS), ("mlp", TABLE), ("mlp", NUMBERS),
    ("cnn", DIGITS), ("tabular", TABLE), ("tabular", NUMBERS),
]  # fmt: skip
STRENGTHS = {"l1", "l2", "dropout", "shift", "rotation", "flip", "noise", "mix_up"}


def sampled(space, seed):
    """Hyperparameters at random, as an oracle would draw them."""
    hp = keras_tuner.HyperParameters()
    space.build(hp)
    rng = np.random.default_rng(seed)
    for item in hp.space:
        if hp.is_active(item):
            hp.values[item.name] = item.random_sample(int(rng.integers(1 << 30)))
    return hp


def examples(spec, count=32):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, *spec.input_shape)).astype("float32")
    if spec.task == "regression":
        return x, rng.normal(size=(count, 1)).astype("float32")
    return x, rng.integers(0, spec.num_classes, size=count)


def test_every_space_is_tested():
    assert {name for name, _ in FITTING} == set(catalogue.names("spaces"))


@pytest.mark.parametrize("name, spec", FITTING)
def test_a_space_suits_its_task(name, spec):
    space = search_spaces.load(name, spec, ("adam", "nesterov"))
    assert vars(type(space))["builds_anew"]
    model = space.build(keras_tuner.HyperParameters())
    x, y = examples(spec)
    history = model.fit(x, y, validation_data=(x, y), verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    if spec.task == "classification":
        assert "val_accuracy" in history and model.output_shape == (None, spec.num_classes)
        # Logits, not probabilities: they need not sum to 1.
        assert np.abs(np.asarray(model(x)).sum(axis=1) - 1).max() > 0.1
    else:
        assert "val_mean_absolute_error" in history and model.output_shape == (None, 1)
        predicted = np.asarray(model(x), "float64")
        expected = np.mean((predicted - y) ** 2)
        penalties = sum(float(loss) for loss in model.losses)
        loss = model.evaluate(x, y, verbose=0)[0]
        np.testing.assert_allclose(loss, expected + penalties, rtol=1e-5)


@pytest.mark.parametrize("name", catalogue.names("spaces"))
def test_strengths_do_not_change_the_model(name):
    spec = next(spec for fitting, spec in FITTING if fitting == name)
    space = search_spaces.load(name, spec, ("adam",))
    hp = keras_tuner.HyperParameters()
    space.build(hp)
    most = hp.copy()
    for item in hp.space:
        if item.name in STRENGTHS:
            most.values[item.name] = item.max_value
    shapes = []
    for values in (hp, most):
        model = space.build(values)
        shapes.append([(type(layer), [w.shape for w in layer.weights]) for layer in model.layers])
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name, spec", FITTING)
def test_any_draw_builds_and_takes_a_step(name, spec):
    space = search_spaces.load(name, spec, ("adam", "adamw", "nesterov"))
    x, y = examples(spec, count=8)
    for seed in range(3):
        model = space.build(sampled(space, seed))
        # Eagerly: a trace for each draw would take the time of all other tests.
        model.compile(model.optimizer, model.loss, run_eagerly=True)
        assert np.isfinite(model.train_on_batch(x, y)).all()


@pytest.mark.parametrize(
    "name, spec, message",
    [
        ("cnn", TABLE, "Space 'cnn' is for image data, but 'wine' is tabular"),
        ("tabular", DIGITS, "Space 'tabular' is for tabular data, but 'digits' is image"),
    ],
)
def test_a_space_refuses_data_it_is_not_for(name, spec, message):
    with pytest.raises(UserError, match=message):
        search_spaces.load(name, spec)


@pytest.mark.parametrize("side, blocks", [(4, 1), (7, 1), (8, 2), (28, 3), (64, 3)])
def test_cnn_leaves_a_picture_after_its_poolings(side, blocks):
    spec = DataSpec(
        "s", "classification", "image", (side, 2 * side, 3), num_classes=2, class_names=("a", "b")
    )
    hp = keras_tuner.HyperParameters()
    space = search_spaces.load("cnn", spec)
    space.build(hp)
    assert next(item.max_value for item in hp.space if item.name == "blocks") == blocks
    hp.values["blocks"] = blocks
    model = space.build(hp)
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)][-1]
    assert min(last.output.shape[1:3]) >= 2


def test_cnn_refuses_images_that_are_too_small():
    spec = DataSpec("s", "regression", "image", (3, 9, 1))
    with pytest.raises(UserError, match=r"images of shape \(3, 9, 1\); expected .* at least 4"):
        search_spaces.load("cnn", spec)


def test_schedules_are_as_long_as_the_trial():
    assert search_spaces.load("mlp", DIGITS).steps == 20 * 44  # 1,400 examples, batches of 32
    assert search_spaces.load("mlp", DIGITS, steps=70).steps == 70
    hp = keras_tuner.HyperParameters()
    hp.values.update(schedule="cosine", adam_learning_rate=0.01)
    optimizer = search_spaces.load("mlp", DIGITS, steps=70).build(hp).optimizer
    optimizer.iterations.assign(35)
    np.testing.assert_allclose(float(optimizer.learning_rate), 0.005, rtol=1e-5)


def test_mlp_learns_digits():
    x, y = load_digits(return_X_y=True)
    held_out = np.arange(len(x)) % 5 == 0
    hp = keras_tuner.HyperParameters()
    hp.values.update(adam_learning_rate=0.005, units=256, dropout=0.2, schedule="cosine")
    keras.utils.set_random_seed(0)
    model = search_spaces.load("mlp", DIGITS, steps=45 * 15).build(hp)
    images = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")
    model.fit(images[~held_out], y[~held_out], batch_size=32, epochs=15, verbose=0)
    accuracy = model.evaluate(images[held_out], y[held_out], verbose=0)[1]
    assert accuracy > 0.97
