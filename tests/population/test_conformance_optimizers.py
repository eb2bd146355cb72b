"""Every optimizer: stacked equals plain Keras, its numeric hyperparameters differing by lane."""

import keras
import numpy as np
import pytest

K = keras.optimizers
S = keras.optimizers.schedules


@keras.saving.register_keras_serializable(package="tuner_app_tests")
class SignDescent(keras.optimizers.Optimizer):
    """A user's own subclass, with a slot and a number of its own."""

    def __init__(self, learning_rate=0.01, memory=0.5, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.memory = memory

    def build(self, variables):
        super().build(variables)
        self.means = self.add_optimizer_variables(variables, "mean")

    def update_step(self, gradient, variable, learning_rate):
        mean = self.means[self._get_variable_index(variable)]
        self.assign(mean, self.memory * mean + (1 - self.memory) * gradient)
        self.assign_sub(variable, learning_rate * keras.ops.tanh(10 * mean))


# Name, and the numbers of two lanes.
OPTIMIZERS = {
    "sgd": (K.SGD, [{"learning_rate": 0.1}, {"learning_rate": 0.02}]),
    "nesterov": (
        lambda **k: K.SGD(nesterov=True, global_clipnorm=0.5, **k),
        [{"momentum": 0.9, "weight_decay": 0.01}, {"momentum": 0.5, "weight_decay": 0.1}],
    ),
    "rmsprop": (
        lambda **k: K.RMSprop(centered=True, **k),
        [{"rho": 0.9, "momentum": 0.3}, {"rho": 0.5, "momentum": 0.8}],
    ),
    "adam": (
        lambda **k: K.Adam(amsgrad=True, clipvalue=0.1, **k),
        [{"beta_1": 0.9, "beta_2": 0.99}, {"beta_1": 0.5, "beta_2": 0.9995}],
    ),
    "adam_average": (
        lambda **k: K.Adam(use_ema=True, ema_overwrite_frequency=2, **k),
        [{"ema_momentum": 0.9}, {"ema_momentum": 0.3}],
    ),
    "adam_accumulated": (
        lambda **k: K.Adam(gradient_accumulation_steps=2, clipnorm=0.3, **k),
        [{"weight_decay": 0.1}, {"weight_decay": 0.01}],
    ),
    "adamw": (K.AdamW, [{"weight_decay": 0.3}, {"weight_decay": 0.004, "epsilon": 1e-3}]),
    "adadelta": (K.Adadelta, [{"learning_rate": 1.0, "rho": 0.9}, {"rho": 0.6}]),
    "adagrad": (
        K.Adagrad,
        [{"initial_accumulator_value": 0.1}, {"initial_accumulator_value": 1.0}],
    ),
    "adamax": (K.Adamax, [{"beta_1": 0.9}, {"beta_1": 0.6}]),
    "adafactor": (K.Adafactor, [{"beta_2_decay": -0.8}, {"beta_2_decay": -0.5}]),
    "nadam": (K.Nadam, [{"beta_1": 0.9}, {"beta_1": 0.6}]),
    "ftrl": (
        K.Ftrl,
        [{"l1_regularization_strength": 0.01}, {"l1_regularization_strength": 0.001}],
    ),
    "lion": (K.Lion, [{"beta_1": 0.9, "weight_decay": 0.1}, {"beta_1": 0.7, "weight_decay": 0.4}]),
    "lamb": (K.Lamb, [{"beta_2": 0.99}, {"beta_2": 0.9}]),
    "muon": (K.Muon, [{"momentum": 0.9}, {"momentum": 0.6}]),
    "schedule_free": (K.ScheduleFreeAdamW, [{"beta_1": 0.9}, {"beta_1": 0.6}]),
    "user_subclass": (SignDescent, [{"memory": 0.5}, {"memory": 0.9}]),
    "excluded_from_decay": (lambda **k: _without_bias_decay(**k), [{"weight_decay": 0.3}, {}]),
    "exponential_decay": (
        lambda rate, **k: K.Adam(S.ExponentialDecay(rate, 2, 0.7)),
        [{"rate": 0.01}, {"rate": 0.1}],
    ),
    "cosine_warm_up": (
        lambda steps, **k: K.SGD(S.CosineDecay(0.01, steps, warmup_target=0.1, warmup_steps=2)),
        [{"steps": 5}, {"steps": 9}],
    ),
    "piecewise": (
        lambda rate, **k: K.SGD(S.PiecewiseConstantDecay([2, 4], [rate, 0.05, 0.01])),
        [{"rate": 0.2}, {"rate": 0.1}],
    ),
}


def _without_bias_decay(**numbers):
    optimizer = K.AdamW(**numbers)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_stacked_equals_plain_keras(name, stacked_equals_plain):
    make, choices = OPTIMIZERS[name]

    def build(**numbers):
        model = keras.Sequential(
            [keras.Input((5,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)]
        )
        model.compile(make(**numbers), "mse")
        return model

    rng = np.random.default_rng(0)
    train = (rng.normal(size=(11, 5)).astype("float32"), rng.normal(size=(11, 3)).astype("float32"))
    # Without XLA: a third of the time, and the same arithmetic.
    if name == "schedule_free" and keras.backend.backend() == "tensorflow":
        # There Keras's own update reads a slot after it has changed it (the old value is kept by
        # reference), which a function can't follow: found by the check, and trained by `fit`.
        with pytest.raises(AssertionError, match="differs from plain Keras"):
            stacked_equals_plain(build, choices, train, jit_compile=False)
        return
    stacked_equals_plain(build, choices, train, jit_compile=False)
