"""What Keras asks of an optimizer, asked of ours: options, serialization, saving, tracing."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app import optimizers
from tuner_app.errors import UserError
from tuner_app.optimizers.tensors import sign

CLASSES = [
    c
    for c in map(vars(optimizers).get, optimizers.__all__)
    if isinstance(c, type)
    and issubclass(c, optimizers.RuleOptimizer)
    and c is not optimizers.RuleOptimizer
]
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3)).astype("float32")
Y = RNG.normal(size=(24, 2)).astype("float32")


def small_model(optimizer, seed=0, **arguments):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)]
    )
    model.compile(optimizer, "mse", **arguments)
    return model


def train(model, steps, first=0):
    for step in range(first, first + steps):
        rows = np.arange(8) + 8 * (step % 3)
        model.train_on_batch(X[rows], Y[rows])
    return model


def weights(model):
    return np.concatenate([np.ravel(w) for w in model.get_weights()])


@every_class
def test_config_is_plain_and_makes_an_equal_optimizer(cls):
    optimizer = cls(learning_rate=0.03, weight_decay=0.25, l2=0.125, clipnorm=2.0)
    config = optimizer.get_config()
    assert json.loads(json.dumps(config)) == config
    assert config["learning_rate"] == 0.03
    assert {name: config[name] for name in cls.rule.defaults if name not in config} == {}
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is cls
    assert again.get_config() == config


@every_class
def test_ranges_are_for_hyperparameters_and_hold_usable_values(cls):
    assert "learning_rate" in cls.rule.ranges
    assert set(cls.rule.ranges) <= set(cls.rule.defaults)
    for name, values in cls.rule.ranges.items():
        for value in values if isinstance(values, tuple) else (values.low, values.high):
            cls.rule.check(name, value)


@every_class
def test_is_found_by_its_registered_name(cls):
    assert type(keras.optimizers.get(f"tuner_app>{cls.__name__}")) is cls


def steps(model, count, first=0):
    """Steps with given gradients: without a forward and a backward pass, which take longer."""
    for step in range(first, first + count):
        rng = np.random.default_rng(step)
        variables = model.trainable_variables
        model.optimizer.apply([tf.constant(rng.normal(size=v.shape), "float32") for v in variables])


@every_class
def test_training_goes_on_after_loading_exactly_where_it_stopped(cls, tmp_path):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    # A step of these is due after loading.
    due = {"period": 5} if "period" in cls.rule.defaults or hasattr(cls.rule, "period") else {}
    model.compile(cls(**due), "mse")
    model.optimizer.build(model.trainable_variables)
    steps(model, 2)
    for name in model.optimizer.hyperparameters:  # changed by hand: this too is kept
        if name != "period":
            setattr(model.optimizer, name, float(getattr(model.optimizer, name)) * 0.5)
    steps(model, 1, first=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    before = weights(model)
    steps(model, 3, first=3)
    steps(loaded, 3, first=3)
    assert np.array_equal(weights(model), weights(loaded))
    assert not np.array_equal(weights(model), before)


OPTIONS = {
    "plain": {},
    "clipnorm": {"clipnorm": 0.05},
    "global_clipnorm": {"global_clipnorm": 0.05},
    "clipvalue": {"clipvalue": 0.02},
    "average": {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 3},
    "accumulation": {"gradient_accumulation_steps": 2},
    "decay": {"weight_decay": 0.3},
    "loss_scale": {"loss_scale_factor": 8.0},
    "schedule": {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)},
}
OPTIONS["all at once"] = {
    "gradient_accumulation_steps": 2,
    "use_ema": True,
    "ema_momentum": 0.7,
    "ema_overwrite_frequency": 3,
    "global_clipnorm": 0.05,
    "weight_decay": 0.3,
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_keras_options_act_as_in_keras(options):
    arguments = {"learning_rate": 0.1} | options
    ours = optimizers.Nesterov(rho=0.8, **arguments)
    theirs = keras.optimizers.SGD(momentum=0.8, nesterov=True, **arguments)
    for optimizer in (ours, theirs):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    # Eagerly but once: to trace a step takes the time of a hundred.
    eager = options is not OPTIONS["all at once"]
    ours, theirs = (train(small_model(o, run_eagerly=eager), 7) for o in (ours, theirs))
    # float32 rounds the two orders of the same sums differently.
    assert np.allclose(weights(ours), weights(theirs), rtol=1e-5, atol=1e-6)


def test_exclusion_from_decay_holds_for_both_kinds():
    for option in ({"weight_decay": 0.5}, {"l2": 0.5}):
        # The bias is excluded by default, the others as in Keras.
        names = ["kernel", "bias", "other_kernel", "table"]
        variables = [keras.Variable([2.0], name=name) for name in names]
        optimizer = optimizers.SGD(learning_rate=0.1, **option)
        optimizer.exclude_from_weight_decay(var_list=[variables[3]], var_names=["other"])
        optimizer.apply([tf.zeros(1)] * 4, variables)
        assert np.allclose([v.numpy()[0] for v in variables], [2.0 * (1 - 0.05), 2.0, 2.0, 2.0])


def test_mixed_precision_with_dynamic_loss_scale_acts_as_in_keras(tmp_path):
    def mixed(optimizer):
        keras.utils.set_random_seed(0)
        layer = keras.layers.Dense(2, dtype="mixed_float16")
        model = keras.Sequential([keras.layers.Input((3,)), layer])
        model.compile(keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=64.0), "mse")
        return train(model, 5)

    ours = mixed(optimizers.Momentum(0.1, rho=0.8))
    theirs = mixed(keras.optimizers.SGD(0.1, momentum=0.8))
    assert ours.layers[0].compute_dtype == "float16"
    assert np.allclose(weights(ours), weights(theirs), rtol=1e-3, atol=1e-4)  # float16 gradients
    ours.save(tmp_path / "mixed.keras")
    loaded = keras.models.load_model(tmp_path / "mixed.keras", safe_mode=True)
    assert type(loaded.optimizer.inner_optimizer) is optimizers.Momentum
    assert np.array_equal(weights(train(ours, 2)), weights(train(loaded, 2)))


def test_half_precision_weights_are_updated_in_float32():
    w = keras.Variable([1.0], dtype="bfloat16")
    optimizer = optimizers.Adam(learning_rate=0.25)
    for _ in range(2):
        optimizer.apply([tf.constant([0.5], tf.bfloat16)], [w])
    # Equal gradients: m̂ / √v̂ is 1 at each step. In bfloat16 β₂ = 0.999 would be 1, and v zero.
    assert w.numpy().astype("float32") == 0.5
    assert {v.dtype for v in optimizer.variables if v.shape.rank} == {"float32"}


def test_the_sign_of_no_number_is_none_on_torch_either(monkeypatch):
    x = tf.constant([np.nan, 2.0, -0.5, 0.0])

    def torchs(x):
        return tf.where(tf.math.is_nan(x), tf.zeros_like(x), tf.sign(x))

    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    monkeypatch.setattr("keras.ops.sign", torchs)
    assert np.array_equal(sign(x), [np.nan, 1.0, -1.0, 0.0], equal_nan=True)


def test_one_trace_serves_every_value_of_the_hyperparameters():
    class Counted(optimizers.Momentum.rule.__class__):
        traces = 0

        def update(self, *arguments):
            type(self).traces += 1
            return super().update(*arguments)

    optimizer = optimizers.Momentum(learning_rate=0.1, rho=0.5, weight_decay=0.0)
    object.__setattr__(optimizer, "rule", Counted())
    w = keras.Variable([1.0])
    optimizer.build([w])

    @tf.function
    def step():
        optimizer.apply([tf.constant([1.0])], [w])

    x, v = 1.0, 0.0
    for rate, rho, decay in [(0.1, 0.5, 0.0), (0.1, 0.25, 0.0), (0.2, 0.25, 0.5)]:
        optimizer.learning_rate = rate
        optimizer.rho = rho
        optimizer.weight_decay = decay
        step()
        v = rho * v + 1.0
        x = x - rate * decay * x - rate * v
        assert np.isclose(w.numpy()[0], x, rtol=1e-6)
    assert Counted.traces == 1


def test_an_optimizer_may_be_built_while_its_first_step_is_traced():
    w = tf.Variable([1.0, 2.0])
    optimizer = optimizers.Adagrad(learning_rate=0.1, initial_accumulator=3.0, epsilon=0.0)

    @tf.function
    def step():
        optimizer.apply([w * 1.0], [w])

    step()
    expected = np.array([1 - 0.1 * 1 / 2, 2 - 0.1 * 2 / np.sqrt(7)])
    assert np.allclose(w.numpy(), expected, rtol=1e-6)


def test_the_sparse_gradient_of_an_embedding_acts_as_in_keras():
    def trained(optimizer):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Embedding(9, 2), keras.layers.Flatten()])
        model.compile(optimizer, "mse")
        tokens = np.array([[1, 4, 1], [7, 2, 4]])
        for _ in range(3):
            model.train_on_batch(tokens, np.ones((2, 6)))
        return weights(model)

    ours = trained(optimizers.Momentum(0.5, rho=0.8))
    assert np.allclose(ours, trained(keras.optimizers.SGD(0.5, momentum=0.8)), rtol=1e-5)


def test_keras_reduces_the_learning_rate_on_a_plateau():
    model = small_model(optimizers.Adam(0.1), run_eagerly=True)
    callback = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[callback])
    assert float(model.optimizer.learning_rate) == 0.025


def test_validation_at_the_evaluation_point_leaves_training_as_it_was():
    plain = small_model(optimizers.Nesterov(0.05, rho=0.9))
    watched = small_model(optimizers.Nesterov(0.05, rho=0.9))
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_test_batch_begin(self, batch, logs=None):
            seen.append(weights(self.model))

    arguments = dict(epochs=3, batch_size=8, shuffle=False, verbose=0, validation_data=(X, Y))
    plain.fit(X, Y, **arguments)
    watched.fit(X, Y, callbacks=[optimizers.EvaluateAtPoint(), Watch()], **arguments)
    assert np.array_equal(weights(plain), weights(watched))
    expected = [plain.optimizer.eval_param(v) for v in plain.trainable_variables]
    expected = np.concatenate([np.ravel(v) for v in expected])
    assert np.allclose(seen[-1], expected, rtol=1e-6)
    assert np.abs(expected - weights(plain)).max() > 1e-3


def test_signature_names_what_may_be_given():
    parameters = inspect.signature(optimizers.AdamW).parameters
    assert parameters["weight_decay"].default == 0.004
    assert parameters["epsilon_inside_root"].default is False
    assert list(parameters)[0] == "learning_rate"


BAD = [
    (lambda: optimizers.Adam(bata_1=0.9), "Did you mean 'beta_1'"),
    (lambda: optimizers.Adam(beta_1=1.0), r"beta_1 must be a number in \[0, 1\)"),
    (lambda: optimizers.Adam(epsilon=-1e-8), r"epsilon must be a number in \[0, inf\)"),
    (lambda: optimizers.Adam(learning_rate=-0.1), "learning_rate must be a number"),
    (lambda: optimizers.Adam(learning_rate=float("nan")), "learning_rate must be a number"),
    (lambda: optimizers.Adam(beta_2="0.9"), "beta_2 must be a number"),
    (lambda: optimizers.get("admw"), "Did you mean 'adamw'"),
    (lambda: setattr(optimizers.Adam(), "beta_1", 2.0), "beta_1 must be a number"),
    (lambda: setattr(optimizers.Adam(), "weight_decay", 0.1), "Make it with weight_decay=0.0"),
    (lambda: setattr(optimizers.AdamW(), "weight_decay", None), "Set it to 0.0"),
    (lambda: optimizers.Range(0.1, 0.01), "low < high"),
    (lambda: optimizers.Range(0.0, 1.0), "low > 0"),
    (lambda: optimizers.Range(1.0, 2.0, "square"), "'log' or 'linear'"),
]


@pytest.mark.parametrize("make, message", BAD, ids=[message for _, message in BAD])
def test_bad_input_says_what_was_expected(make, message):
    with pytest.raises(UserError, match=message):
        make()
