"""Losses as hyperparameters: what a space draws, in one stack, equal to the loss alone."""

import keras
import keras_tuner
import numpy as np
import pytest

import search_spaces
from search_spaces import hyperparameters
from tuner_app import SearchConfig, catalogue, losses
from tuner_app.data import DataSpec
from tuner_app.errors import UserError
from tuner_app.population import Population
from tuner_app.population.data.order import permutation
from tuner_app.preparation.objective import _check_comparable

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4)).astype("float32")
LABELS = RNG.integers(0, 3, 24).astype("int32")
KERNEL = RNG.normal(size=(4, 3))
TASKS = ("classification", "regression")
FOR = {
    task: [
        name
        for name in catalogue.names("losses")
        if getattr(getattr(losses, name), "task", "") == task
    ]
    for task in TASKS
}


def drawn(names, task, **values):
    hp = keras_tuner.HyperParameters()
    hp.values.update(values)
    return hyperparameters.loss(hp, names, task), hp


def test_every_task_has_a_choice():
    assert len(FOR["classification"]) >= 6 and len(FOR["regression"]) >= 4
    assert "Dice" not in FOR["classification"] + FOR["regression"]


@pytest.mark.parametrize("task", TASKS)
def test_each_losss_own_numbers_are_active_with_it_alone(task):
    for name in FOR[task]:
        made, hp = drawn(FOR[task], task, loss=name)
        active = {item.name for item in hp.space if hp.is_active(item)}
        ranges = getattr(losses, name).ranges
        assert active == {"loss"} | {f"{name}_{key}" for key in ranges}
        truth = LABELS if task == "classification" else X[:, :1]
        prediction = X[:, :3] if task == "classification" else X[:, 1:2]
        alone, _ = drawn([name], task)
        assert type(alone) is getattr(losses, name)
        np.testing.assert_allclose(
            float(made(truth, prediction)), float(alone(truth, prediction)), rtol=1e-6
        )
        ends = [s if isinstance(s, tuple) else (s.low, s.high) for s in ranges.values()]
        for values in zip(*ends, strict=True):
            named = dict(zip(ranges, values, strict=True))
            assert np.isfinite(float(losses.offer(name, task).make(**named)(truth, prediction)))


def model(loss):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    network.set_weights([KERNEL, np.zeros(3)])
    network.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return network


def test_trials_of_different_losses_are_one_stack_and_equal_each_loss_alone():
    names = FOR["classification"]
    population = Population((X, LABELS), None, batch_size=8, lanes=len(names), jit_compile=False)
    for name in names:
        made, _ = drawn(names, "classification", loss=name)
        population.admit(name, model(made), seed=3, epochs=1)
    population.run_epoch()
    assert population.take_rejected() == {} and population.stats.stacks == 1
    order = permutation(len(X), 3, 0)
    for name in names:
        plain = model(drawn([name], "classification")[0])
        plain.run_eagerly = True
        plain.fit(X[order], LABELS[order], batch_size=8, shuffle=False, verbose=0)
        for got, want in zip(population.lane(name).get_weights(), plain.get_weights(), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_a_blend_is_saved_with_its_losses():
    made = losses.LossBlend([losses.Huber(delta=0.5), losses.LogCosh()], [0.25, 0.75])
    again = keras.losses.deserialize(keras.losses.serialize(made))
    want = 0.25 * losses.Huber(delta=0.5)(X, X[::-1]) + 0.75 * losses.LogCosh()(X, X[::-1])
    np.testing.assert_allclose(float(again(X, X[::-1])), float(want), rtol=1e-6)
    with pytest.raises(UserError, match="as many weights as losses"):
        losses.LossBlend([losses.Huber()], [])
    with pytest.raises(UserError, match="needs Keras losses; got 'mse'"):
        losses.LossBlend(["mse"], [1.0])


@pytest.mark.parametrize(
    "name, task, message",
    [
        ("Dice", "classification", "Dice is not for this classification. Expected of: .*Focal"),
        ("Huber", "classification", "Huber is not for this classification"),
        ("CategoricalFocal", "regression", "is not for this regression. Expected of: .*Huber"),
    ],
)
def test_a_loss_for_other_truths_is_refused(name, task, message):
    with pytest.raises(UserError, match=message):
        losses.offer(name, task)


def test_a_loss_is_no_objective_where_trials_differ_in_it():
    def check(objective, *names):
        config = SearchConfig(losses=names, objective=objective)
        _check_comparable(config, "regression")

    for names in (("Huber",), ("LogCosh", "MeanSquaredError")):
        with pytest.raises(UserError, match="can't be compared. Take val_mean_absolute_error"):
            check("val_loss", *names)
        check("val_mean_absolute_error", *names)
    check("val_loss", "LogCosh")  # has no numbers: all trials have the same


def test_a_space_with_a_loss_of_its_own_takes_none(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def build(hp):\n    pass\n")
    spec = DataSpec("t", "regression", "tabular", (4,))
    with pytest.raises(UserError, match="'Huber', but the space .* has a loss of its own"):
        search_spaces.load(f"{file}:build", spec, losses=("Huber",))
    hp = keras_tuner.HyperParameters()
    built = search_spaces.load("linear", spec, losses=("Huber",)).build(hp)
    assert isinstance(built.loss, losses.Huber) and "Huber_delta" in hp.values


def test_names_are_checked_at_once():
    with pytest.raises(UserError, match="Unknown loss 'Hubber'. Did you mean 'Huber'"):
        SearchConfig(losses="Hubber")
    config = SearchConfig(losses="Huber,LogCosh,Huber")
    assert config.losses == ("Huber", "LogCosh")
    assert SearchConfig.from_dict(config.to_dict()) == config
