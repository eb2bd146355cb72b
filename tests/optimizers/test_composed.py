"""Wrappers in wrappers, options together, and hyperparameters that follow a schedule: in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app import optimizers
from tuner_app.errors import UserError
from tuner_app.optimizers.sam import SAMRule

RNG = np.random.default_rng(0)
START = np.array([1.0, -2.0, 3.0])
A = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]])


@keras.saving.register_keras_serializable(package="composed")
class SAMOfSGD(optimizers.SAM):
    """SAM around plain gradient descent: a rule of the user's own, to be wrapped by name."""

    rule = SAMRule(inner="sgd")


def stepped(optimizer, steps, gradient=lambda x: A @ x):
    """Yields after each step the variable, and where it is evaluated."""
    w = keras.Variable(START, dtype="float64", name="w")
    for _ in range(steps):
        optimizer.apply([tf.constant(gradient(w.numpy()), "float64")], [w])
        yield w.numpy(), np.asarray(optimizer.eval_param(w))


def close(a, b):
    return np.allclose(a, b, rtol=1e-6, atol=1e-9)


def test_weights_are_averaged_every_so_many_steps_from_a_step_on():
    points, averages = [], []
    for step, (x, evaluated) in enumerate(
        stepped(optimizers.SWA(0.1, inner="sgd", start=3, period=2), 8), start=1
    ):
        points.append(x)
        due = [points[i - 1] for i in range(3, step + 1, 2)] or [x]
        averages.append(np.mean(due, axis=0))
        assert close(evaluated, averages[-1])
    x = START
    for point in points:
        x = x - 0.1 * A @ x
        assert close(point, x)
    assert not close(points[-1], averages[-1])


def sam(x, e, step, alpha=0.1, radius=0.2):
    """x and e after a step of SAM around gradient descent; the variable is x + e."""
    g = A @ (x + e)
    return (x, radius * g / np.linalg.norm(g)) if step % 2 else (x - alpha * g, 0 * e)


ARGUMENTS = {"learning_rate": 0.1, "radius": 0.2, "inner": "composed>SAMOfSGD"}


def test_the_average_of_sam_is_of_the_points_that_it_does_not_climb_from():
    x, e, points = START, np.zeros(3), []
    swa = optimizers.SWA(start=1, period=1, **ARGUMENTS)
    for step, (w, evaluated) in enumerate(stepped(swa, 7), start=1):
        x, e = sam(x, e, step)
        points.append(x)
        assert close(w, x + e)
        assert close(evaluated, np.mean(points, axis=0))


def test_lookahead_of_sam_comes_back_between_its_two_gradients():
    x, e, slow = START, np.zeros(3), START
    lookahead = optimizers.Lookahead(period=3, slow_step=0.25, **ARGUMENTS)
    for step, (w, evaluated) in enumerate(stepped(lookahead, 8), start=1):
        x, e = sam(x, e, step)
        if step % 3 == 0:
            x = slow = slow + 0.25 * (x - slow)
        assert close(w, x + e)
        assert close(evaluated, slow)


def test_lookahead_of_nesterov_keeps_the_velocity():
    x, m, slow = START, np.zeros(3), START
    lookahead = optimizers.Lookahead(0.1, inner="nesterov", rho=0.5, period=3)
    for step, (w, evaluated) in enumerate(stepped(lookahead, 8), start=1):
        m = 0.5 * m - 0.1 * A @ (x + 0.5 * m)
        x = x + m
        if step % 3 == 0:
            x = slow = slow + 0.5 * (x - slow)
        assert close(w, x + 0.5 * m)
        assert close(evaluated, slow)


def test_sam_of_schedule_free_is_evaluated_at_its_average():
    z, x, y, e = START, START, START, np.zeros(3)
    optimizer = optimizers.SAM(0.1, inner="schedule_free_sgd", radius=0.2, beta_1=0.75)
    for step, (w, evaluated) in enumerate(stepped(optimizer, 8), start=1):
        g = A @ (y + e)
        if step % 2:
            e = 0.2 * g / np.linalg.norm(g)
        else:
            z, t = z - 0.1 * g, step // 2
            x, e = x + (z - x) / t, 0 * e
            y = 0.25 * z + 0.75 * x
        assert close(w, y + e)
        assert close(evaluated, x)


REFUSED = [
    (optimizers.Cautious, "sam", "other way round"),
    (optimizers.Cautious, "schedule_free_adamw", "other way round"),
    (optimizers.Lookahead, "schedule_free_sgd", "a mean of its own"),
    (optimizers.SWA, "lookahead", "both have a hyperparameter that is called period"),
    (optimizers.SAM, "asam", "both have a hyperparameter that is called radius"),
    (optimizers.SAM, "sma", "expected a name from"),
]


@pytest.mark.parametrize("wrapper, inner, message", REFUSED, ids=[row[1] for row in REFUSED])
def test_what_can_not_be_wrapped_is_refused(wrapper, inner, message):
    with pytest.raises(UserError, match=message):
        wrapper(inner=inner)


@pytest.mark.parametrize(
    "name", ["adopt", "soap", "prodigy", "sam", "schedule_free_adamw", "mars", "muon", "lars"]
)
def test_accumulation_clipping_and_averaging_together(name):
    start = [RNG.normal(size=(3, 2)), RNG.normal(size=2)]
    gradients = [[RNG.normal(size=s.shape) for s in start] for _ in range(8)]
    options = {"gradient_accumulation_steps": 2, "global_clipnorm": 0.7}
    averaged = {"use_ema": True, "ema_momentum": 0.75}
    one, other = ([keras.Variable(s, dtype="float64") for s in start] for _ in range(2))
    ours = optimizers.get(name)(weight_decay=0.1, **options, **averaged)
    plain, averages = optimizers.get(name)(weight_decay=0.1), None
    for i, gradient in enumerate(gradients):
        ours.apply([tf.constant(g) for g in gradient], one)
        if i % 2:
            mean = [(a + b) / 2 for a, b in zip(gradients[i - 1], gradient, strict=True)]
            length = np.sqrt(sum((g**2).sum() for g in mean))
            plain.apply([tf.constant(g * min(1.0, 0.7 / length)) for g in mean], other)
            assert all(close(a.numpy(), b.numpy()) for a, b in zip(one, other, strict=True))
        # Keras averages at every call, whether anything moved or not, from the first move on.
        now = [v.numpy() for v in other]
        pairs = zip(averages if i > 1 else now, now, strict=True)
        averages = [0.75 * average + 0.25 * x for average, x in pairs]
    ours.finalize_variable_values(one)
    assert not all(close(a, b.numpy()) for a, b in zip(averages, other, strict=True))
    assert all(close(v.numpy(), m) for v, m in zip(one, averages, strict=True))


def falling(start, end):
    return keras.optimizers.schedules.PolynomialDecay(start, 6, end)


def test_any_hyperparameter_follows_a_schedule_of_the_step():
    optimizer = optimizers.AdEMAMix(
        learning_rate=falling(0.1, 0.01),
        alpha=falling(1.0, 5.0),
        beta_1=falling(0.5, 0.9),
        beta_3=falling(0.9, 0.99),
        weight_decay=falling(0.0, 0.2),
    )
    x, m, slow, v = START, 0.0, 0.0, 0.0
    for t, (w, _) in enumerate(stepped(optimizer, 8), start=1):
        share = min(t - 1, 6) / 6  # of the way: a schedule is asked for steps 0, 1, ...
        a, alpha, b1, b3, decay = (
            first + (last - first) * share
            for first, last in [(0.1, 0.01), (1, 5), (0.5, 0.9), (0.9, 0.99), (0, 0.2)]
        )
        g = A @ x
        m, slow, v = (
            b * mean + (1 - b) * now
            for b, mean, now in [(b1, m, g), (b3, slow, g), (0.999, v, g * g)]
        )
        direction = (m / (1 - b1**t) + alpha * slow) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        x = x - a * decay * x - a * direction
        assert np.allclose(w, x, rtol=1e-5), t  # the schedules are computed in float32


def test_masks_multipliers_and_schedules_are_saved_with_a_model(tmp_path):
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(4, name="encoder"),
            keras.layers.LayerNormalization(name="normalization"),
            keras.layers.Dense(2, name="head"),
        ]
    )
    optimizer = optimizers.Momentum(
        learning_rate=1.0,
        rho=falling(0.9, 0.1),
        weight_decay=0.5,
        no_decay=("gamma", "kernel2?"),
        learning_rate_multipliers={"encoder/kernel": 0.5, "head": 0.25},
    )
    model.compile(optimizer, "mse")
    rng = np.random.default_rng(1)

    def step(model, size):
        gradients = [size * rng.normal(size=v.shape) for v in model.trainable_variables]
        model.optimizer.apply([tf.constant(g, "float32") for g in gradients])

    optimizer.build(model.trainable_variables)
    step(model, 1.0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path, safe_mode=True)
    assert loaded.optimizer.get_config() == optimizer.get_config()
    for m in (model, loaded):
        rng = np.random.default_rng(2)
        for _ in range(3):
            step(m, 1.0)
    assert all(map(np.array_equal, model.get_weights(), loaded.get_weights()))
    # And what it does: without gradients and velocity, decay alone.
    fresh = optimizers.Momentum.from_config(optimizer.get_config() | {"rho": 0.0})
    loaded.compile(fresh, "mse")
    fresh.build(loaded.trainable_variables)
    before = [w.numpy() for w in loaded.trainable_variables]
    step(loaded, 0.0)
    shrunk = {"bias": 0.5, "beta": 0.5, "gamma": 1.0, "kernel": 1.0}
    for variable, old in zip(loaded.trainable_variables, before, strict=True):
        # The head's rate is a quarter: so is what decay takes.
        left = 0.875 if variable.path == "head/bias" else shrunk[variable.name]
        assert np.allclose(variable.numpy(), left * old, rtol=1e-6)
