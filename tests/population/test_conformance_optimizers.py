"""Every optimizer that Keras ships, all in one program: each lane follows its own trajectory.

All rules and lanes share one stack. Each lane is held for 100 steps to the unstacked optimizer,
whose `apply` is given the gradients of a least-squares problem, computed by NumPy. Between the two
lanes of a rule every numeric hyperparameter differs that the rule has.
"""

import functools
import os

import keras
import numpy as np
import pytest

from tuner_app.population import Population

K = keras.optimizers
S = keras.optimizers.schedules
STEPS, BATCH = 100, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(STEPS * BATCH, 3)).astype("float32")
Y = (X @ RNG.normal(size=(3, 2)) + 0.3 * RNG.normal(size=(len(X), 2))).astype("float32")
KERNEL, BIAS = RNG.normal(size=(3, 2)).astype("float32"), np.zeros(2, "float32")


@keras.saving.register_keras_serializable(package="tuner_app_tests")
class SmoothSign(keras.optimizers.Optimizer):
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


def _without_bias_decay(**numbers):
    optimizer = K.AdamW(**numbers)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _scheduled(kind, optimizer=K.SGD, **numbers):
    return optimizer(kind(**numbers))


def _piecewise(first, second):
    return K.SGD(S.PiecewiseConstantDecay([30, 60], [first, second, 0.01]))


def _of(**named):
    """The two lanes' numbers, from name=(one, other)."""
    return [{name: pair[i] for name, pair in named.items()} for i in (0, 1)]


_ADAM = {
    "learning_rate": (0.01, 0.03),
    "beta_1": (0.9, 0.6),
    "beta_2": (0.99, 0.9),
    "epsilon": (1e-7, 1e-3),
}
_DECAY = {"weight_decay": (0.01, 0.1)}
# Name: the optimizer, and the numbers of two lanes.
OPTIMIZERS = {
    "SGD": (
        K.SGD,
        _of(learning_rate=(0.05, 0.02), momentum=(0.5, 0.9), **_DECAY, clipnorm=(1.0, 0.3)),
    ),
    "SGD, Nesterov": (
        functools.partial(K.SGD, nesterov=True),
        _of(learning_rate=(0.02, 0.01), momentum=(0.5, 0.9), global_clipnorm=(1.0, 0.3)),
    ),
    "RMSprop": (
        functools.partial(K.RMSprop, centered=True),
        _of(
            learning_rate=(0.003, 0.01),
            rho=(0.9, 0.6),
            momentum=(0.3, 0.8),
            epsilon=(1e-3, 1e-2),
            **_DECAY,
        ),
    ),
    "Adam": (functools.partial(K.Adam, amsgrad=True), _of(**_ADAM, clipvalue=(1.0, 0.2))),
    "Adam, averaged": (
        functools.partial(K.Adam, use_ema=True, ema_overwrite_frequency=3),
        _of(**_ADAM, ema_momentum=(0.9, 0.3)),
    ),
    "Adam, gradients accumulated": (
        functools.partial(K.Adam, gradient_accumulation_steps=2),
        _of(**_ADAM, **_DECAY, clipnorm=(1.0, 0.3)),
    ),
    "AdamW": (K.AdamW, _of(**_ADAM, **_DECAY)),
    "AdamW, biases not decayed": (_without_bias_decay, _of(**_DECAY)),
    "Adadelta": (
        K.Adadelta,
        _of(learning_rate=(1.0, 0.5), rho=(0.9, 0.6), epsilon=(1e-3, 1e-4), **_DECAY),
    ),
    "Adagrad": (
        K.Adagrad,
        _of(
            learning_rate=(0.1, 0.3),
            initial_accumulator_value=(0.1, 1.0),
            epsilon=(1e-7, 1e-3),
            **_DECAY,
        ),
    ),
    "Adamax": (K.Adamax, _of(**_ADAM, **_DECAY)),
    "Adafactor": (
        K.Adafactor,
        _of(
            learning_rate=(0.1, 0.03),
            beta_2_decay=(-0.8, -0.5),
            epsilon_1=(1e-30, 1e-6),
            epsilon_2=(1e-3, 1e-2),
            clip_threshold=(1.0, 0.5),
            **_DECAY,
        ),
    ),
    "Nadam": (K.Nadam, _of(**_ADAM, **_DECAY)),
    "ScheduleFreeAdamW": (
        functools.partial(K.ScheduleFreeAdamW, warmup_steps=10),
        _of(**_ADAM, **_DECAY),
    ),
    "Ftrl": (
        K.Ftrl,
        _of(
            learning_rate=(0.1, 0.3),
            learning_rate_power=(-0.5, -0.4),
            initial_accumulator_value=(0.1, 1.0),
            l1_regularization_strength=(0.01, 0.001),
            l2_regularization_strength=(0.01, 0.1),
            l2_shrinkage_regularization_strength=(0.01, 0.03),
            beta=(0.1, 1.0),
            **_DECAY,
        ),
    ),
    "Lion": (
        K.Lion,
        _of(learning_rate=(0.01, 0.003), beta_1=(0.9, 0.7), beta_2=(0.99, 0.9), **_DECAY),
    ),
    "Lamb": (K.Lamb, _of(**_ADAM, **_DECAY)),
    "Muon": (
        K.Muon,
        _of(
            learning_rate=(0.01, 0.02),
            adam_beta_1=(0.9, 0.6),
            adam_beta_2=(0.99, 0.9),
            adam_weight_decay=(0.01, 0.1),
            epsilon=(1e-7, 1e-5),
            muon_a=(3.4445, 3.0),
            muon_b=(-4.775, -4.5),
            muon_c=(2.0315, 2.0),
            adam_lr_ratio=(1.0, 0.5),
            momentum=(0.9, 0.6),
            **_DECAY,
        ),
    ),
    "a user's subclass": (SmoothSign, _of(memory=(0.5, 0.9), **_DECAY)),
    "ExponentialDecay": (
        functools.partial(_scheduled, S.ExponentialDecay, K.Adam),
        _of(initial_learning_rate=(0.01, 0.1), decay_steps=(30, 50), decay_rate=(0.7, 0.5)),
    ),
    "CosineDecay": (
        functools.partial(_scheduled, S.CosineDecay),
        _of(
            initial_learning_rate=(0.01, 0.02),
            decay_steps=(50, 90),
            alpha=(0.1, 0.3),
            warmup_target=(0.1, 0.05),
            warmup_steps=(10, 30),
        ),
    ),
    "CosineDecayRestarts": (
        functools.partial(_scheduled, S.CosineDecayRestarts),
        _of(
            initial_learning_rate=(0.05, 0.02),
            first_decay_steps=(20, 30),
            t_mul=(2.0, 1.5),
            m_mul=(0.9, 0.5),
            alpha=(0.1, 0.3),
        ),
    ),
    "InverseTimeDecay": (
        functools.partial(_scheduled, S.InverseTimeDecay),
        _of(initial_learning_rate=(0.05, 0.02), decay_steps=(10, 30), decay_rate=(0.7, 0.5)),
    ),
    "PolynomialDecay": (
        functools.partial(_scheduled, S.PolynomialDecay),
        _of(
            initial_learning_rate=(0.05, 0.02),
            decay_steps=(60, 90),
            end_learning_rate=(0.001, 0.002),
            power=(1.0, 2.0),
        ),
    ),
    "PiecewiseConstantDecay": (_piecewise, _of(first=(0.05, 0.02), second=(0.03, 0.015))),
}
# On JAX nothing is replaced, and compiling takes long: a few, unless ALL_ROWS is set.
if keras.backend.backend() == "jax" and "ALL_ROWS" not in os.environ:
    ON_JAX = ("Adafactor", "Nadam", "ScheduleFreeAdamW", "Adam, gradients accumulated")
    OPTIMIZERS = {name: OPTIMIZERS[name] for name in ON_JAX}
TRIALS = [(name, lane) for name in OPTIMIZERS for lane in (0, 1)]


def _model(name, lane):
    make, choices = OPTIMIZERS[name]
    return _compiled_with(make(**choices[lane]))


def _compiled_with(optimizer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mse")
    model.set_weights([KERNEL, BIAS])
    return model


def _compiled(optimizer, variables):
    """`optimizer.apply`, compiled: quicker than 100 eager steps."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda *gradients: optimizer.apply(gradients, variables))
    import jax

    apply = jax.jit(optimizer.stateless_apply)

    def assigned(*gradients):
        held = [[v.value for v in part] for part in (optimizer.variables, variables)]
        weights, slots = apply(held[0], list(gradients), held[1])
        for variable, value in zip(
            [*variables, *optimizer.variables], [*weights, *slots], strict=True
        ):
            variable.assign(value)

    return assigned


def _trajectory(model) -> list[np.ndarray]:
    """The weights after 100 steps of the unstacked optimizer."""
    optimizer, variables = model.optimizer, model.trainable_variables
    optimizer.build(variables)
    apply = _compiled(optimizer, variables)
    for start in range(0, len(X), BATCH):
        x, y = X[start : start + BATCH], Y[start : start + BATCH]
        kernel, bias = model.get_weights()
        error = 2 * (x @ kernel + bias - y) / y.size
        gradients = (x.T @ error, error.sum(0))
        apply(*(keras.ops.convert_to_tensor(g) for g in gradients))
    optimizer.finalize_variable_values(variables)
    return model.get_weights()


def _stacked(models: dict):
    population = Population(
        (X, Y), batch_size=BATCH, lanes=len(models), shuffle=False, jit_compile=False
    )
    for key, model in models.items():
        population.admit(key, model, seed=0, epochs=1)
    population.run_epoch()
    return population


@pytest.fixture(scope="module")
def stack():
    return _stacked({trial: _model(*trial) for trial in TRIALS})


def test_every_optimizer_of_keras_has_a_row():
    shipped = {n for n, c in vars(K).items() if isinstance(c, type) and issubclass(c, K.Optimizer)}
    elsewhere = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    assert shipped == elsewhere | {name for name in OPTIMIZERS if name in vars(K)}


def test_all_share_one_stack(stack):
    assert stack.take_rejected() == {}
    assert stack.stats.stacks == 1


def _assert_near(got, want, start):
    """Within a hundredth of a percent of the way travelled, and of the size."""
    bound = 1e-4 * (np.abs(want - start).max() + np.abs(want).max())
    np.testing.assert_allclose(got, want, rtol=0, atol=bound)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_lane_follows_its_own_trajectory(name, stack):
    got = []
    for lane in (0, 1):
        got.append(stack.lane((name, lane)).get_weights())
        want = _trajectory(_model(name, lane))
        for a, b, start in zip(got[-1], want, (KERNEL, BIAS), strict=True):
            _assert_near(a, b, start)
    assert np.abs(got[0][0] - got[1][0]).max() > 1e-3  # the numbers do make a difference


def _two_optimizers(rate, beta):
    inner = K.OptimizerMap(K.SGD(rate), {".*bias": K.Adam(0.01, beta_1=beta)})
    return _compiled_with(K.MultiOptimizer(inner))


def test_an_optimizer_for_each_part_of_a_model():
    choices = [(0.05, 0.9), (0.02, 0.6)]
    population = _stacked({choice: _two_optimizers(*choice) for choice in choices})
    assert population.take_rejected() == {}
    for choice in choices:
        want = _trajectory(_two_optimizers(*choice))
        for a, b, start in zip(
            population.lane(choice).get_weights(), want, (KERNEL, BIAS), strict=True
        ):
            _assert_near(a, b, start)
