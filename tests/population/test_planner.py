"""The plan: lanes for little models, native kernels for large ones, memory respected."""

import functools

import keras
import numpy as np
import pytest

from tuner_app import optimizers
from tuner_app.optimizers.step_work import StepWork
from tuner_app.population import CannotStack
from tuner_app.population.compiled.rule_work import rule_work
from tuner_app.population.planning.estimates import Mode, estimate, first_by_fit, rule_step
from tuner_app.population.planning.model_sample import ModelSample
from tuner_app.population.planning.planner import native_mode, plan
from tuner_app.population.planning.timing import Timing, timed
from tuner_app.population.planning.work import lane_bytes, multiplications

L = keras.layers
X, Y = np.zeros((64, 8, 8, 1), "float32"), np.zeros((64, 10), "float32")
SPEED = 5e10  # multiplications a second


def dense(units=16):
    layers = [L.Input((8, 8, 1)), L.Flatten(), L.Dense(units), L.Dense(10)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    return model


def convolution(filters=4):
    layers = [L.Input((8, 8, 1)), L.Conv2D(filters, 3, padding="same"), L.Flatten(), L.Dense(10)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    return model


@pytest.fixture(autouse=True)
def time_enough(monkeypatch):
    """A busy machine builds fewer models within a second."""
    monkeypatch.setattr("tuner_app.population.planning.model_sample._MOST_SECONDS", np.inf)


def as_on_jax(monkeypatch):
    for module in ("planner", "estimates"):
        path = f"tuner_app.population.planning.{module}"
        monkeypatch.setattr(f"{path}.on_jax", lambda: True)
        monkeypatch.setattr(f"{path}._on_accelerator", lambda: False)


def native(model, steps=1e6):
    return native_mode(ModelSample.of([lambda: model]), 32, SPEED, steps)


def no_timing(*_):
    raise AssertionError("this needs no timing")


def planned(
    build=dense,
    *more,
    train=(X, Y),
    trials=100,
    epochs=10,
    batch_size=32,
    memory=2**40,
    **options,
):
    return plan(
        [build, *more],
        train,
        batch_size=batch_size,
        trials=trials,
        epochs=epochs,
        memory=memory,
        **{"rate": lambda: SPEED, "measure": no_timing, **options},
    )


def test_multiplications_follow_from_the_kernels():
    assert multiplications(dense(16), 32) == 3 * 32 * (64 * 16 + 16 * 10)
    want = 3 * 32 * (64 * 9 * 1 * 4 + 64 * 4 * 10)
    assert multiplications(convolution(4), 32) == want


def test_multiplications_of_layers_that_repeat_look_up_or_have_parts():
    words = L.Input((7,), dtype="int32")
    x = L.Embedding(1000, 4)(words)
    x = L.MultiHeadAttention(2, 3)(x, x)
    x = L.Bidirectional(L.LSTM(5))(x)
    inner = keras.Sequential([L.Input((10,)), L.Dense(6)])
    model = keras.Model(words, L.Dense(2)(inner(x)))
    # Queries, keys and values of 4 to 2 x 3, and back; 4 gates from 4 inputs and 5 states, twice.
    want = 7 * 4 * (4 * 2 * 3) + 7 * 2 * (4 + 5) * 4 * 5 + 10 * 6 + 6 * 2
    assert multiplications(model, 1) == 3 * (
        want + 7 * 2 * 3 * 3
    )  # three biases, which have two axes too


def test_little_models_get_lanes_and_large_ones_native_kernels():
    little = planned(epochs=1000)
    assert (little.native, little.lanes) == (False, 100)
    assert "100 lanes (estimated" in little.reason
    short = planned(trials=6, epochs=1)
    assert (short.native, short.lanes) == (False, 6)
    near = planned(lambda: dense(500), trials=6, epochs=10, rate=lambda: 1e9)
    assert (near.native, near.lanes) == (False, 6)
    assert "would save less than 2 s" in near.reason
    large = planned(lambda: dense(4000), batch_size=4096, epochs=20, rate=lambda: 1e12)
    assert (large.native, large.lanes) == (True, 1)
    assert "one lane with native kernels (estimated" in large.reason


@pytest.mark.parametrize(("lanes", "alone", "native"), [(1e-3, 2e-3, False), (2e-3, 1e-3, True)])
def test_the_middle_range_is_timed_and_the_quicker_mode_chosen(lanes, alone, native):
    asked = []

    def measure(build, train, batch_size, mode):
        asked.append(mode)
        return Timing(1.0, alone if mode.native else lanes, spent=1.5)

    found = planned(lambda: dense(500), epochs=100_000, rate=lambda: 1e9, measure=measure)
    assert [mode.native for mode in asked] == [False, True]
    # Lanes stop where a step takes 0.2 s at half the machine's rate.
    filling = int(0.2 * 0.5e9 / multiplications(dense(500), 32))
    assert (found.native, found.lanes) == ((True, 1) if native else (False, filling))
    assert ("fill the machine" in found.reason) != native
    assert "timed in 3.0 s" in found.reason


def test_where_timing_fails_the_estimate_decides():
    def measure(*_):
        raise MemoryError("the lanes take too much")

    found = planned(lambda: dense(500), epochs=100_000, rate=lambda: 1e9, measure=measure)
    assert "estimated, since timing failed: MemoryError" in found.reason


def test_a_short_search_is_not_worth_timing():
    found = planned(lambda: dense(500), epochs=10, rate=lambda: 1e9)
    assert "estimated" in found.reason


def test_compiling_counts():
    def measure(build, train, batch_size, mode):
        return Timing(5.0 if mode.native else 1000.0, 1.1e-3 if mode.native else 1e-3)

    # 100 trials of 2 steps an epoch: lanes save 0.1 ms a step and take 995 s longer to compile.
    options = {"rate": lambda: 1e9, "measure": measure}
    assert planned(lambda: dense(500), epochs=40_000, **options).native
    assert not planned(lambda: dense(500), epochs=80_000, **options).native


def test_convolutions_on_a_cpu_keep_out_of_xlas_loops():
    assert native(convolution()).jit_compile is False
    assert native(dense()).jit_compile is None
    model = convolution(64)
    sample, mode = ModelSample.of([lambda: model]), native(model)
    assert estimate(sample, 512, mode, SPEED / 2).step > estimate(sample, 512, mode, SPEED).step


def test_a_structure_of_few_steps_is_not_worth_compiling_by_xla():
    assert native(dense(), steps=100).jit_compile is False
    assert native(dense(), steps=1e5).jit_compile is None


def test_few_trials_of_a_large_model_are_not_stacked():
    found = planned(lambda: convolution(512), trials=3, epochs=200)
    assert (found.native, found.lanes, found.jit_compile) == (True, 1, False)
    assert "one lane with native kernels (estimated" in found.reason


def test_a_trial_or_two_of_a_model_of_many_layers_are_left_to_fit():
    def deep():
        layers = [L.Dense(8) for _ in range(150)]
        model = keras.Sequential([L.Input((8, 8, 1)), L.Flatten(), *layers, L.Dense(10)])
        model.compile("sgd", "mse")
        return model

    one = planned(deep, trials=1, epochs=1)
    assert one.by_fit and "fit (estimated" in one.reason and "s in 1 lane" in one.reason
    # What it can't be left, a killed search's stack, has the native kernels.
    assert (one.lanes, one.native) == (1, True)
    assert not planned(deep, trials=8, epochs=1).by_fit
    assert not planned(trials=1, epochs=1).by_fit


def test_memory_counts_what_is_evaluated_at_once():
    """A product of a batch with patches, or of up to 512 examples to evaluate on."""
    model = convolution(4)
    state = 4 * (3 + 4) * sum(np.prod(v.shape) for v in model.trainable_variables)
    outputs, patches = 8 * 8 * 4 + 256 + 10, 9 * 64
    training = 4 * 32 * 2 * (outputs + patches)
    assert lane_bytes(model, 32, held_out=32) == pytest.approx(state + training, rel=0.1)
    evaluating = 4 * (patches + 8 * 8 * 4)  # of one example, where the layer is the largest
    for size, at_once in ((300, 300), (10_000, 512)):
        want = state + at_once * evaluating
        assert lane_bytes(model, 32, held_out=size) == pytest.approx(want, rel=0.01)
    few = planned(convolution, memory=20 * lane_bytes(model, 32), held_out=512)
    assert few.native or few.lanes < 20


def test_a_recurrence_keeps_its_gates_of_every_step():
    layers = [keras.layers.Input((30, 6)), keras.layers.LSTM(16), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    # Of each step, by the inputs and by the last output: 4 gates of 16 numbers.
    kept = 4 * 16 * 30 * (64 + 64)
    assert 2 * kept < lane_bytes(model, 16) < 3 * kept


def test_many_layers_of_convolutions_keep_out_of_lanes_on_jax(monkeypatch):
    """A ResNet-20 was slower in lanes there, and a CNN of as much arithmetic quicker."""
    as_on_jax(monkeypatch)

    def deep():
        layers = [L.Conv2D(16, 3, padding="same") for _ in range(20)]
        norms = [L.BatchNormalization() for _ in range(20)]
        x = inputs = L.Input((16, 16, 16))
        for layer, norm in zip(layers, norms, strict=True):
            x = norm(layer(x))
        model = keras.Model(inputs, L.Dense(10)(L.GlobalAveragePooling2D()(x)))
        model.compile("sgd", "mse")
        return model

    def wide():
        x = inputs = L.Input((32, 32, 3))
        for filters in (32, 64, 64):
            x = L.MaxPooling2D(2)(L.Conv2D(filters, 3, padding="same")(x))
        model = keras.Model(inputs, L.Dense(10)(L.Flatten()(x)))
        model.compile("sgd", "mse")
        return model

    short = {"trials": 20, "epochs": 20, "rate": lambda: 7e10}  # of two steps each
    assert planned(deep, **short).native
    assert not planned(wide, **short).native


def test_convolutions_of_jax_are_timed_as_they_will_run(monkeypatch):
    as_on_jax(monkeypatch)
    mode = native(convolution())
    assert (mode.steps_per_call, mode.jit_compile) == (1, None)  # a step a call: without a loop
    assert native(dense()).steps_per_call > 1
    seen = []

    class Seen(Exception):
        pass

    def population(*_, **options):
        seen.append(options["steps_per_call"])
        raise Seen

    monkeypatch.setattr("tuner_app.population.planning.timing.Population", population)
    with pytest.raises(Seen):
        timed(convolution, (X[:8], Y[:8]), 4, mode)
    assert seen == [1]


@pytest.mark.parametrize("trials", [3, 1000])
def test_lanes_respect_memory_and_the_number_of_trials(trials):
    found = planned(trials=trials, memory=20 * lane_bytes(dense(), 32))
    assert found.lanes == min(trials, 20)
    assert ("GiB hold" in found.reason) == (trials > 20)
    assert 1 <= found.steps_per_call <= 2


def test_what_cannot_be_stacked_cannot_be_timed():
    class Own(keras.Model):
        def train_step(self, data):
            return {"loss": 0.0}

    def build():
        inputs = L.Input((8, 8, 1))
        model = Own(inputs, L.Dense(10)(L.Flatten()(inputs)))
        model.compile("sgd", "mse")
        return model

    with pytest.raises(CannotStack, match="train_step"):
        timed(build, (X[:8], Y[:8]), 4, Mode(2, False))


def test_timing_runs_the_mode_that_is_asked_for():
    built = []

    def build():
        built.append(dense(2))
        return built[-1]

    x, y = X[:8], Y[:8]
    mode = native(dense(2))
    found = timed(build, (x, y), 4, mode)
    assert built
    assert 0 < found.step < found.first <= found.spent
    assert found.seconds(10) == pytest.approx(found.first + 10 * found.step)


def test_structures_are_counted_and_those_not_drawn_estimated():
    twice = ModelSample.of([dense, dense, lambda: dense(8)])
    assert twice.structures(trials=100) == 2  # one of each is all there is to be seen
    # Six that were drawn once: Chao's estimator adds 6 x 5 / 2 to them.
    own = ModelSample.of([lambda units=units: dense(units) for units in range(1, 7)])
    assert own.structures(trials=100) == 6 + 15
    assert own.structures(trials=10) == 10
    assert ModelSample.of([dense]).structures(trials=100) == 1


def test_a_single_lane_has_a_program_for_each_optimizer_too():
    def other():
        model = dense()
        model.compile("adam", "mse")
        return model

    sample = ModelSample.of([dense, dense, other, other])
    assert sample.structures(trials=10) == 1
    assert sample.structures(trials=10, with_rule=True) == 2


def test_each_structure_is_compiled():
    sizes = [lambda units=units: dense(units) for units in range(1, 9)]
    many, one = (planned(*builds, trials=20, epochs=1500) for builds in (sizes, [dense]))
    assert "20 trials of about 20 structures" in many.reason
    assert "structures" not in one.reason
    # XLA is little use where every trial has a program of its own, which takes longer with it.
    assert (many.jit_compile, one.jit_compile) == (False, None)


def test_the_plan_is_for_the_mean_of_the_models():
    memory = 200 * lane_bytes(dense(16), 32)
    found = planned(dense, lambda: dense(160), lambda: dense(160), epochs=1000, memory=memory)
    mean = (lane_bytes(dense(16), 32) + 2 * lane_bytes(dense(160), 32)) / 3
    assert found.lanes == int(memory / mean)


def test_the_model_of_median_work_is_the_one_that_is_timed():
    sizes = [lambda units=units: dense(units) for units in (4, 900, 300)]
    assert ModelSample.of(sizes).typical is sizes[2]


def test_a_draw_that_cannot_be_built_is_left_out():
    def broken():
        raise ValueError("no such model")

    assert len(ModelSample.of([dense, broken, dense]).models) == 2
    with pytest.raises(ValueError, match="no such model"):
        ModelSample.of([broken, dense])


def test_models_that_take_long_to_build_are_judged_by_the_first(monkeypatch):
    monkeypatch.setattr("tuner_app.population.planning.model_sample._MOST_SECONDS", -1.0)
    assert len(ModelSample.of([dense, dense, dense]).models) == 1


def with_rule(name, units=784, features=784):
    model = keras.Sequential([L.Input((features,)), L.Dense(units, use_bias=False)])
    model.compile(optimizers.get(name)(), "mse")
    return model


def planned_with(*names, **options):
    x, y = np.zeros((2000, 784), "float32"), np.zeros((2000, 784), "float32")
    builds = [functools.partial(with_rule, name) for name in names]
    return planned(*builds, train=(x, y), trials=8, epochs=5, **options)


def test_an_optimizers_products_and_decompositions_are_counted():
    m, n = 30, 20
    shampoo = StepWork(
        2 * m * n * (m + n) + (m**3 + n**3) / 10, ((m, 0.1), (n, 0.1)), (), 2 * (m * m + n * n)
    )
    assert rule_work(with_rule("shampoo", n, m)) == shampoo
    assert rule_work(with_rule("soap", n, m)).first_eigen == (m, n)
    # Five times X Xᵀ, its square, and the product with X.
    for muon in (with_rule("muon", n, m), with_rule("muon", m, n)):
        assert rule_work(muon).multiplications == 5 * (2 * n * n * m + n**3)
    assert rule_work(with_rule("adam")) == StepWork()
    wrapped = with_rule("lookahead", n, m)
    wrapped.compile(optimizers.get("lookahead")(inner="shampoo"), "mse")
    assert rule_work(wrapped) == shampoo


def test_keras_own_muon_costs_what_ours_does():
    model = with_rule("muon")
    want = rule_work(model)
    model.compile(keras.optimizers.Muon(), "mse")
    assert rule_work(model) == want


def test_decompositions_keep_out_of_xla():
    """On TensorFlow its eigenvectors take a hundred times as long as LAPACK's."""
    found = planned_with("shampoo")
    assert found.jit_compile is False
    assert "mostly for the optimizer" in found.reason
    assert "mostly" not in planned_with("adam").reason
    # SOAP has them in its first step alone: seven seconds each of two for every trial.
    assert planned_with("soap").jit_compile is False


def test_decompositions_on_jax_compile_longer_and_run_sooner(monkeypatch):
    lanes, alone = Mode(8, False, jit_compile=False), Mode(1, True, jit_compile=False)

    def estimated(name, mode):
        build = functools.partial(with_rule, name, 256, 256)
        return estimate(ModelSample.of([build]), 32, mode, speed=1e15)  # products take no time

    on_tensorflow = estimated("shampoo", alone).step
    as_on_jax(monkeypatch)
    assert estimated("shampoo", alone).step < 0.7 * on_tensorflow
    for name in ("shampoo", "soap"):
        more = [estimated(name, m).first - estimated("adam", m).first for m in (lanes, alone)]
        assert more[0] > more[1] > 0
    by_fit = [first_by_fit(with_rule(name)) for name in ("adam", "shampoo", "soap")]
    assert by_fit == sorted(set(by_fit))


def test_lanes_compute_every_type_of_optimizer_but_its_decompositions():
    lanes, alone = Mode(8, False, jit_compile=False), Mode(1, True, jit_compile=False)

    def steps(name):
        sample = ModelSample.of([functools.partial(with_rule, n) for n in (name, "adam", "adam")])
        assert sample.rules == 2
        return [rule_step(sample, mode, SPEED, 100) for mode in (lanes, alone)]

    of_all, of_one = steps("muon")
    assert of_all == pytest.approx(3 * of_one)
    of_all, of_one = steps("shampoo")
    assert of_one < of_all < 3 * of_one
    # So a few trials of it among many others are better trained one after another.
    assert planned_with("shampoo", "adam", "adam").native


def test_memory_counts_an_optimizers_matrices():
    build = functools.partial(with_rule, "shampoo", 16, 16)
    data = np.zeros((64, 16), "float32"), np.zeros((64, 16), "float32")
    matrices = 8 * 2 * (16**2 + 16**2)  # old and new, of both sides
    memory = 20 * (lane_bytes(build(), 32) + matrices)
    assert planned(build, train=data, memory=memory).lanes == 20


def test_a_mode_is_named():
    assert Mode(1, False, jit_compile=False).name == "1 lane without XLA"
    assert Mode(2, False).name == "2 lanes"
    assert Mode(1, True, jit_compile=False).name == "one lane with native kernels"
