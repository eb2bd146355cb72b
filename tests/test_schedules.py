"""Schedules against their formulas, in an optimizer, saved, and with numbers that are tensors."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app import losses, optimizers, schedules
from tuner_app.errors import UserError


def half_cosine(share, start, end):
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


def restarts(t, steps, growth, height):
    """One cycle after another."""
    top = 0.3
    while t >= steps:
        t, steps, top = t - steps, steps * growth, top * height
    return top * half_cosine(t / steps, 1, 0.1)


# schedule, its formula, and which of its numbers to let differ by lane
ROWS = {
    "fixed": (schedules.Fixed(0.3), lambda t: 0.3, "learning_rate"),
    "step": (schedules.StepDecay(0.3, 7, 0.2), lambda t: 0.3 * 0.2 ** (t // 7), "factor"),
    "exponential": (
        schedules.ExponentialDecay(0.3, 7),
        lambda t: 0.3 * math.exp(-t / 7),
        "decay_steps",
    ),
    "inverse time": (
        schedules.InverseTimeDecay(0.3, 7),
        lambda t: 0.3 / (1 + t / 7),
        "decay_steps",
    ),
    "linear": (
        schedules.LinearDecay(0.3, 7, 0.1),
        lambda t: 0.3 * (0.1 + 0.9 * max(1 - t / 7, 0)),
        "final",
    ),
    "cosine": (
        schedules.CosineDecay(0.3, 7, 0.1),
        lambda t: 0.3 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(t / 7, 1)))),
        "decay_steps",
    ),
    "warm-up": (
        schedules.WarmUp(schedules.ExponentialDecay(0.3, 7, 0.5), 4),
        lambda t: 0.3 * min((t + 1) / 4, 1) * 0.5 ** (max(t - 4, 0) / 7),
        "warmup_steps",
    ),
    "warm-up of Keras's": (
        schedules.WarmUp(keras.optimizers.schedules.InverseTimeDecay(0.3, 7, 0.5), 4),
        lambda t: 0.3 * min((t + 1) / 4, 1) / (1 + 0.5 * max(t - 4, 0) / 7),
        "warmup_steps",
    ),
    "blend": (
        schedules.Blend([schedules.StepDecay(0.3, 7, 0.2), schedules.Fixed(0.1)], [0.5, 2.0]),
        lambda t: 0.5 * 0.3 * 0.2 ** (t // 7) + 2.0 * 0.1,
        "weights",
    ),
    "polynomial": (
        schedules.PolynomialDecay(0.3, 7, 1.5, 0.1),
        lambda t: 0.3 * (0.1 + 0.9 * max(1 - t / 7, 0) ** 1.5),
        "power",
    ),
    "piecewise": (
        schedules.PiecewiseConstant([4, 8], [0.3, 0.1, 0.02]),
        lambda t: 0.3 if t < 4 else 0.1 if t < 8 else 0.02,
        "values",
    ),
    "restarts": (
        schedules.CosineRestarts(0.3, 7, height=0.5, final=0.1),
        lambda t: restarts(t, 7, 1.0, 0.5),
        "height",
    ),
    "growing restarts": (
        schedules.CosineRestarts(0.3, 7, 3.0, 0.5, 0.1),
        lambda t: restarts(t, 7, 3.0, 0.5),
        "first_steps",
    ),
    "one cycle": (
        schedules.OneCycle(0.3, 10, 0.4, 0.1, 0.01),
        lambda t: (
            0.3 * half_cosine(t / 4, 0.1, 1)
            if t < 4
            else 0.3 * half_cosine(min((t - 4) / 6, 1), 1, 0.01)
        ),
        "rise",
    ),
    "warm-up, stable, decay": (
        schedules.WarmUpStableDecay(0.3, 4, 3, 8, 0.1),
        lambda t: 0.3 * min((t + 1) / 4, 1) * (1 - 0.9 * math.sqrt(min(max(t - 7, 0) / 8, 1))),
        "decay_steps",
    ),
    "warm-up of 0 steps": (schedules.WarmUp(0.3, 0), lambda t: 0.3, "warmup_steps"),
}
every_row = pytest.mark.parametrize("name", ROWS)


def test_every_schedule_has_a_row():
    assert {type(row[0]).__name__ for row in ROWS.values()} == set(schedules.__all__)


@every_row
def test_formula(name):
    schedule, formula, _ = ROWS[name]
    for t in (0, 1, 3, 4, 6, 7, 8, 14, 100):
        # Keras hands the step over as an int64 variable.
        rate = schedule(keras.Variable(t, dtype="int64"))
        assert np.isclose(rate, formula(t), rtol=1e-5, atol=1e-8), t


@pytest.mark.parametrize("growth", [1.0, 1.5, 2.0, 3.0])
def test_a_restart_is_at_its_very_step(growth):
    schedule = schedules.CosineRestarts(1.0, 16, growth)
    start, length = 0, 16
    for _ in range(6):
        rates = schedule(np.arange(start, start + 2))
        assert np.isclose(rates[0], 1.0) and rates[1] < 1.0
        if start:
            assert schedule(start - 1) < 0.02
        start, length = start + length, length * growth
        if length != int(length):
            break


@every_row
def test_config_makes_an_equal_schedule(name):
    schedule, formula, _ = ROWS[name]
    config = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(json.loads(json.dumps(config)))
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    assert np.isclose(again(9), formula(9), rtol=1e-5)


@every_row
def test_an_optimizer_steps_by_it_and_goes_on_after_loading(name, tmp_path):
    schedule, formula, _ = ROWS[name]
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizers.SGD(schedule), losses.SumOfSquares())
    # The loss (w·1 − (w + ½))² = ¼ has the gradient −1 at every w, so w counts the rates.
    w = float(model.get_weights()[0][0, 0])
    for t in range(10):
        if t == 6:
            model.save(tmp_path / "model.keras")
            model = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
        before = float(model.get_weights()[0][0, 0])
        model.train_on_batch(np.ones((1, 1)), np.array([[before + 0.5]]))
    expected = w + sum(formula(t) for t in range(10))
    assert np.isclose(model.get_weights()[0][0, 0], expected, rtol=1e-4)


@every_row
def test_its_numbers_may_be_tensors_that_differ_by_lane(name):
    schedule, _, parameter = ROWS[name]
    config = keras.optimizers.schedules.serialize(schedule)
    values = np.array([0.5, 1.0, 3.0], "float32")

    def rate(value):
        lane = keras.optimizers.schedules.deserialize(config)
        if isinstance(getattr(lane, parameter), tuple):
            value = (value, *getattr(lane, parameter)[1:])
        setattr(lane, parameter, value)
        return lane(tf.constant(2, tf.int64))

    stacked = tf.function(
        lambda values: tf.vectorized_map(rate, values, fallback_to_while_loop=False)
    )(values)
    assert np.allclose(stacked, [float(rate(float(value))) for value in values], rtol=1e-5)


BAD = [
    (lambda: schedules.StepDecay(0.1, 0), "every_steps must be at least 1"),
    (lambda: schedules.CosineDecay(-0.1, 5), "initial_learning_rate must be a number, zero or"),
    (lambda: schedules.Fixed("0.1"), "learning_rate must be a number"),
    (lambda: schedules.Blend([schedules.Fixed(0.1)], []), "as many weights as schedules"),
    (lambda: schedules.Blend([0.1], [1.0]), "needs learning-rate schedules; got 0.1"),
    (lambda: schedules.Blend([schedules.Fixed(0.1)], [-1.0]), "a weight must be a number, zero"),
    (lambda: schedules.PiecewiseConstant([4], [0.1]), "one value more than boundaries"),
    (lambda: schedules.PiecewiseConstant([4, 2], [1, 2, 3]), "rising boundaries; got .4, 2."),
    (lambda: schedules.CosineRestarts(0.1, 5, 0.5), "growth must be a number, 1 or more"),
    (lambda: schedules.OneCycle(0.1, 5, 1.5), "rise must be a number from 0 to 1"),
    (lambda: schedules.WarmUp("cosine", 5), "needs a learning-rate schedule or a number"),
]


@pytest.mark.parametrize("make, message", BAD, ids=[message for _, message in BAD])
def test_bad_input_says_what_was_expected(make, message):
    with pytest.raises(UserError, match=message):
        make()
