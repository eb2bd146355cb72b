"""Each check finds what it is for, in data and models made to have it, and passes what is sound."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tuner_app.answers.checking import baselines, data_checks, model_checks, rate_test, scores
from tuner_app.cli.main import main

DRAW = np.random.default_rng(0)


def table(rows=200, classes=3, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 4)).astype("float32")
    return x, (np.arange(rows) % classes).astype("int32")


def splits(**changed):
    found = {"train": table(), "validation": table(60, seed=1), "test": table(60, seed=2)}
    return found | changed


SPEC = SimpleNamespace(
    task="classification",
    kind="tabular",
    num_classes=3,
    class_names=("a", "b", "c"),
    input_shape=(4,),
)


def test_sound_data_pass():
    found = list(data_checks.data_findings(splits(), SPEC))
    assert {one.status for one in found} == {"pass"}, found
    assert {one.advice for one in found} == {""} and len(found) == 7


def one_of(name, given, spec=SPEC):
    (found,) = [f for f in data_checks.data_findings(given, spec) if f.check == name]
    return found


def changed(index, value, column=slice(None)):
    x, y = table()
    x[index, column] = value
    return x, y


def test_flaws_of_data_are_found():
    x, y = table()
    assert one_of("finite numbers", splits(train=changed(3, np.nan, 1))).status == "fail"
    few = y.copy()
    few[few == 2] = 0
    few[:3] = 2
    rare = one_of("class balance", splits(train=(x, few)))
    assert rare.status == "warn" and "Rare: c" in rare.advice
    gone = one_of("class balance", splits(train=(x, np.minimum(y, 1))))
    assert gone.status == "fail" and "c" in gone.advice
    away = one_of("class balance", splits(test=(x[:9], np.zeros(9, "int32"))))
    assert away.status == "warn" and "test" in away.advice
    twice = one_of("labels agree", splits(train=(np.repeat(x[:100], 2, axis=0), y)))
    assert twice.status == "warn" and "100 of 200" in twice.found
    constant = one_of("constant features", splits(train=changed(slice(None), 7.0, 2)))
    assert constant.status == "warn" and "feature 2" in constant.advice
    assert one_of("feature scale", splits(train=changed(0, 5000.0, 0))).status == "warn"
    leak = one_of("leaking columns", splits(train=(x + 0, y)))
    assert leak.status == "pass"
    both = {
        name: (np.column_stack([x, y * 2.5]).astype("float32"), y)
        for name, (x, y) in splits().items()
    }
    leak = one_of("leaking columns", both)
    assert leak.status == "warn" and "feature 4" in leak.advice


def test_columns_are_named_and_the_place_of_unseen_texts_is_no_fault():
    named = ["age", "colour=<others>", "colour=red", "colour=blue"]

    def found(check, given):
        (one,) = [f for f in data_checks.data_findings(given, SPEC, named) if f.check == check]
        return one

    unseen = splits(train=changed(slice(None), 0.0, 1))
    assert found("constant features", unseen).status == "pass"
    same = found("constant features", splits(train=changed(slice(None), 7.0, 2)))
    assert same.status == "warn" and "leave out colour=red." in same.advice
    age = {name: (x.copy(), y) for name, (x, y) in splits().items()}
    for x, y in age.values():
        x[:, 0] = y
    leak = found("leaking columns", age)
    assert "column, age, alone" in leak.found and leak.advice.startswith("age nearly")


@pytest.mark.parametrize(("copies", "status"), [(0, "pass"), (1, "fail")])
def test_copies_between_splits_are_counted(copies, status):
    train, (x, y) = table(), table(60, seed=1)
    x[:copies] = train[0][:copies]
    found = one_of("duplicates", splits(validation=(x, y)))
    assert found.status == status and (f"{copies} of validation" in found.found) == bool(copies)
    # The same row with a negative zero is the same row; one that differs in a bit is not.
    zeros = np.array([[0.0, 1.0], [-0.0, 1.0], [np.nextafter(0.0, 1.0), 1.0]])
    digests = data_checks._digests(zeros)
    assert digests[0] == digests[1] != digests[2]


def test_targets_far_out_are_found():
    y = DRAW.normal(size=(500, 1))
    assert data_checks.targets_are_spread(y).status == "pass"
    y[7] = 40.0
    assert data_checks.targets_are_spread(y).status == "warn"
    assert data_checks.targets_are_spread(np.ones((9, 1))).status == "fail"


def test_the_range_test_reads_a_curve():
    rates = np.geomspace(1e-6, 10, 71)
    falls = 2.0 / (1 + (rates / 1e-3)) + 0.3 + 0.01 * rates
    found = rate_test.judged(rates, falls)
    assert 1e-4 < found.steepest < 1e-2 and found.steepest < found.suggested
    assert found.diverges is None
    diverging = rate_test.judged(rates, np.where(rates > 0.5, 50.0, falls))
    assert diverging.diverges == 10.0
    flat = rate_test.judged(rates, np.full(71, 2.0))
    assert flat.suggested is None and model_checks.rate_finding(flat).status == "warn"
    for one in (found, diverging, flat):
        picture = rate_test.as_svg(one)
        assert picture.count("<svg") == 1 == picture.count("</svg>") and "nan" not in picture
    assert rate_test.as_text(found).count("▁") > 3


def model(last=None, scale=None):
    """A small compiled classifier; what comes last in it may be changed."""
    keras.utils.set_random_seed(0)
    start = "glorot_uniform" if scale is None else keras.initializers.RandomNormal(stddev=scale)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(8, activation="tanh")(inputs)
    x = keras.layers.Dense(3, kernel_initializer=start)(x)
    built = keras.Model(inputs, x if last is None else last(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    built.compile(keras.optimizers.Adam(0.05), loss, metrics=["accuracy"], jit_compile=False)
    return built


def test_the_initial_loss_is_compared_with_theory():
    found = model_checks.initial_loss(model(scale=1e-3), table(), SPEC)
    assert found.status == "pass" and "1.099, where ln 3 = 1.099" in found.found
    assert model_checks.initial_loss(model(scale=1.5), table(), SPEC).status == "warn"
    assert model_checks.initial_loss(model(scale=50.0), table(), SPEC).status == "fail"


@keras.saving.register_keras_serializable(package="tests")
class WrongGradient(keras.layers.Layer):
    """Twice its input, with the gradient of once."""

    def call(self, x):
        return x + keras.ops.stop_gradient(x)


def test_a_wrong_gradient_is_found_and_a_right_one_is_sharp():
    right = model_checks.gradient_of(model(), table(), seed=0)
    assert right.status == "pass" and "float64" in right.found
    wrong = model_checks.gradient_of(model(WrongGradient()), table(), seed=0)
    assert wrong.status == "fail" and "kernel" in wrong.advice


def test_a_model_that_learns_passes_and_one_without_gradients_is_told():
    learns = model_checks.tiny_subset(model(), table(), SPEC)
    assert learns.status == "pass" and "100% right" in learns.found
    dead = model(keras.layers.Lambda(keras.ops.stop_gradient))
    found = model_checks.attempted("tiny", lambda: model_checks.tiny_subset(dead, table(), SPEC))
    assert found.status == "fail" and "No gradients" in found.found


@pytest.mark.parametrize(
    ("units", "activation", "loss"),
    [
        (1, "sigmoid", "binary_crossentropy"),
        (1, "sigmoid", keras.losses.BinaryCrossentropy()),
        (1, None, keras.losses.BinaryCrossentropy(from_logits=True)),
        (2, "softmax", keras.losses.sparse_categorical_crossentropy),
    ],
)
def test_two_classes_may_have_any_usual_last_layer(units, activation, loss):
    keras.utils.set_random_seed(0)
    last = keras.layers.Dense(units, activation, kernel_initializer="zeros")
    both = keras.Sequential([keras.Input((4,)), last])
    both.compile(keras.optimizers.Adam(0.3), loss, metrics=["accuracy"], jit_compile=False)
    spec = SimpleNamespace(**(vars(SPEC) | {"num_classes": 2, "class_names": ("no", "yes")}))
    x, y = table(classes=2)
    x[:, 0] = 2.0 * y - 1.0
    assert "0.693, where ln 2 = 0.693" in model_checks.initial_loss(both, (x, y), spec).found
    assert model_checks.gradient_of(both, (x, y), seed=0).status == "pass"
    learnt = model_checks.tiny_subset(both, (x, y), spec)
    assert learnt.status == "pass" and "100% right" in learnt.found
    assert scores.score(both, (x, y), spec) == 1.0


def test_baselines_are_those_of_scikit_learn_and_of_chance():
    x, y = table(300)
    x[:, 0] = y * 2.0 - 2.0 + 0.1 * x[:, 0]
    split = (x, y)
    linear = baselines.linear_baseline(split, split, SPEC)
    assert linear > 0.9
    random = baselines.random_weights(model(), split, split, SPEC, seed=0)
    trained = baselines.against_baselines(model(), split, split, SPEC, 0.5, random, 3, 32)
    assert trained.status == "pass" and f"best of 50 random weights {random:.4f}" in trained.found


def test_from_the_command_line(in_empty_folder, capsys):
    words = ["check", "--dataset=diabetes", "--space=linear", "--epochs=2", "--format=json"]
    status = main([*words, "--plot=rates.svg"])
    found = json.loads(capsys.readouterr().out)
    statuses = {one["check"]: one["status"] for one in found["findings"]}
    assert status == int("fail" in statuses.values())
    assert statuses["gradient check"] == statuses["duplicates"] == "pass"
    assert set(statuses) >= {"targets", "leaking columns", "baselines", "loss at initialization"}
    assert (in_empty_folder / "rates.svg").read_text().startswith("<svg")
    for wrong in (["--plot=rates.txt"], ["--dataset=digts"], ["--epochs=0"], ["more"]):
        assert main(["check", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
