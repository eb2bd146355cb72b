"""The blocks of a space: what they draw, when it is active, and what they make of it."""

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner.engine import hyperparameters as hyperparameters_of_kerastuner

from search_spaces import hyperparameters
from tuner_app import catalogue, optimizers
from tuner_app.data import DataSpec
from tuner_app.errors import UserError

STEPS = 200
IMAGES = DataSpec("i", "classification", "image", (8, 8, 1), num_classes=2, class_names=("a", "b"))


def drawn(block, **values):
    """(the block's result, hp) with some hyperparameters chosen, the others at their defaults."""
    hp = keras_tuner.HyperParameters()
    hp.values.update(values)
    return block(hp), hp


def active(hp):
    return {item.name for item in hp.space if hp.is_active(item)}


@pytest.mark.parametrize("name", catalogue.names("optimizers"))
def test_each_type_has_its_rules_ranges_and_defaults(name):
    offer, prefix = optimizers.offer(name), name.replace(":", "_")
    made, hp = drawn(lambda hp: hyperparameters.optimizer(hp, [name], STEPS))
    assert type(made) is offer.make
    space = {item.name: item for item in hp.space}
    for key, span in offer.ranges.items():
        item = space[f"{prefix}_{key}"]
        if isinstance(item, hyperparameters_of_kerastuner.Choice):
            assert tuple(item.values) == span
        else:
            assert (item.min_value, item.max_value) == (span.low, span.high)
            assert item.sampling == span.scale
        usual = offer.defaults[key]
        # A penalty that Keras leaves at 0 is nowhere on a log scale: as little of it as may be.
        assert item.default == (usual or span.low)
    assert space[f"{prefix}_learning_rate"].max_value <= 10


def test_only_the_chosen_types_hyperparameters_are_active():
    names = ["adam", "momentum", "sgd"]
    made, hp = drawn(
        lambda hp: hyperparameters.optimizer(hp, names, STEPS),
        optimizer="momentum",
        momentum_learning_rate=0.05,
        weight_decay=1e-3,
    )
    assert isinstance(made, optimizers.Momentum)
    np.testing.assert_allclose(float(made.learning_rate), 0.05, rtol=1e-6)
    np.testing.assert_allclose(float(made.weight_decay), 1e-3, rtol=1e-6)
    assert "momentum_learning_rate" in active(hp)
    assert not any(name.startswith(("adam_", "sgd_")) for name in active(hp))
    # All were declared in this one build, so that an oracle knows the whole space at once.
    assert {"adam_learning_rate", "sgd_learning_rate"} <= {item.name for item in hp.space}


def test_a_rule_with_decay_of_its_own_has_one_decay():
    _, hp = drawn(lambda hp: hyperparameters.optimizer(hp, ["adamw"], STEPS))
    assert "adamw_weight_decay" in active(hp) and "weight_decay" not in active(hp)


def test_the_decay_of_the_others_is_active_with_them_alone():
    for name, expected in (("adam", True), ("adamw", False)):
        _, hp = drawn(
            lambda hp: hyperparameters.optimizer(hp, ["adamw", "adam"], STEPS), optimizer=name
        )
        assert ("weight_decay" in active(hp)) == expected
        assert "weight_decay" in {item.name for item in hp.space}


def test_averaging_begins_late_in_a_trial_however_long():
    for steps in (40, 4000):
        made, _ = drawn(lambda hp, steps=steps: hyperparameters.optimizer(hp, ["swa"], steps))
        assert float(made.start) == 0.75 * steps


def test_an_unknown_optimizer_is_named():
    with pytest.raises(UserError, match="Unknown optimizer 'momentun'. Did you mean 'momentum'"):
        drawn(lambda hp: hyperparameters.optimizer(hp, ["momentun"], STEPS))


def learning_rates(steps, **values):
    """The learning rate before each step of a trial, from a rate of 0.1."""
    schedule, hp = drawn(lambda hp: hyperparameters.schedule(hp, 0.1, STEPS), **values)
    rates = [float(schedule(step)) for step in steps]
    return np.array(rates), active(hp)


def test_schedules_follow_their_equations():
    at = np.arange(STEPS + 1)
    share = at / STEPS
    constant, names = learning_rates(at, schedule="constant")
    np.testing.assert_allclose(constant, 0.1)
    assert names == {"schedule"}

    exponential, names = learning_rates(at, schedule="exponential", decay_to=0.02)
    np.testing.assert_allclose(exponential, 0.1 * 0.02**share, rtol=1e-5)
    assert names == {"schedule", "decay_to"}

    cosine, names = learning_rates(at, schedule="cosine")
    np.testing.assert_allclose(cosine, 0.05 * (1 + np.cos(np.pi * share)), atol=1e-8)
    assert names == {"schedule"}

    step, names = learning_rates(at, schedule="step", decay_to=0.01, drops=2)
    # Three equal stretches, the rate falling by 0.01 ** (1 / 2) between them.
    stretch = np.minimum(at // (STEPS // 3), 3)
    np.testing.assert_allclose(step, 0.1 * 0.1**stretch, rtol=1e-5)
    assert names == {"schedule", "decay_to", "drops"}

    warm_up, names = learning_rates(at, schedule="warm_up", warm_up_share=0.1)
    rising = 0.1 * (at + 1) / 20
    falling = 0.05 * (1 + np.cos(np.pi * (at - 20) / 180))
    np.testing.assert_allclose(warm_up, np.where(at < 20, rising, falling), atol=1e-8)
    assert names == {"schedule", "warm_up_share"}


@pytest.mark.parametrize("kind", hyperparameters.SCHEDULES)
@pytest.mark.parametrize("steps", [1, 3])
def test_schedules_are_finite_for_the_shortest_trial(kind, steps):
    schedule, _ = drawn(lambda hp: hyperparameters.schedule(hp, 0.1, steps), schedule=kind)
    rates = [float(schedule(step)) for step in range(5)]
    assert np.isfinite(rates).all() and max(rates) <= 0.1 * (1 + 1e-6) and min(rates) >= 0


def test_regularization_hands_out_what_was_drawn():
    made, hp = drawn(hyperparameters.regularization, l1=1e-5, l2=1e-4, dropout=0.25)
    assert made.penalty().get_config() == {"l1": 1e-5, "l2": 1e-4}
    assert made.dropout().rate == 0.25
    assert active(hp) == {"l1", "l2", "dropout"}


@pytest.mark.parametrize("name", ["shift", "rotation", "flip", "noise", "mix_up"])
def test_every_augmentation_may_be_off_without_another_model(name):
    def layers(hp):
        inputs = keras.Input((8, 8, 1))
        model = keras.Model(inputs, hyperparameters.augmentation(hp, IMAGES)(inputs))
        return [type(layer) for layer in model.layers]

    without, hp = drawn(layers)
    strength = next(item for item in hp.space if item.name == name)
    assert strength.min_value == 0 and strength.default == 0
    with_it, _ = drawn(layers, **{name: strength.max_value})
    assert with_it == without and len(without) == 6


def test_strengths_of_0_leave_images_as_they_are():
    images = np.random.default_rng(0).random((4, 8, 8, 1)).astype("float32")

    def augmented(hp):
        inputs = keras.Input((8, 8, 1))
        model = keras.Model(inputs, hyperparameters.augmentation(hp, IMAGES)(inputs))
        return model(images, training=True)

    np.testing.assert_array_equal(drawn(augmented)[0], images)


def test_tables_are_not_augmented():
    table = DataSpec("t", "regression", "tabular", (4,))
    augment, hp = drawn(lambda hp: hyperparameters.augmentation(hp, table))
    assert augment("anything") == "anything" and not hp.space
