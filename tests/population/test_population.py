"""Lanes: neighbours, refilling, retiring, compaction, NaN, checkpoints, and what can't stack."""

import functools
import re
import time

import keras
import numpy as np
import pytest

from tuner_app.errors import UserError
from tuner_app.population import CannotStack, Population
from tuner_app.population.backend.ahead import Ahead
from tuner_app.population.compiled import blocks, programs
from tuner_app.population.lanes.lane import initial_values
from tuner_app.population.models.building import built
from tuner_app.population.signatures.signature import describe

L = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(22, 5)).astype("float32")
Y = RNG.integers(0, 3, 22).astype("int32")
HELD_OUT = (X[:7] + 0.1, Y[:7])
# Whole batches of eight: a smaller last one is another program to trace.
WHOLE = (X[:16], Y[:16])


def build(rate=0.2, learning_rate=0.01, units=4):
    model = keras.Sequential(
        [L.Input((5,)), L.Dense(units, "relu"), L.Dropout(rate), L.BatchNormalization(), L.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(learning_rate), loss, metrics=["accuracy"])
    return model


def seeded(seed, **choice):
    keras.utils.set_random_seed(seed)
    return build(**choice)


def population(lanes=4, train=WHOLE, validation=HELD_OUT, **options):
    # Without XLA compiling is quicker; one test below runs with it.
    options = {"jit_compile": False, **options}
    return Population(train, validation, batch_size=8, lanes=lanes, **options)


EPOCHS = 3


def admit(p, key, **options):
    """Trial `key` as every test below has it."""
    rate = 1e30 if key == "diverges" else 0.01
    number = 4 if key == "diverges" else key
    model = seeded(number, rate=0.1 + 0.05 * number, learning_rate=rate)
    p.admit(key, model, seed=number, epochs=EPOCHS, **options)


def history(trials, lanes=4):
    """key to its list of logs, trials admitted as lanes become free."""
    p, waiting, found = population(lanes), list(trials), {}
    while waiting or len(p):
        while waiting and p.free:
            admit(p, waiting.pop(0))
        for report in p.run_epoch():
            found.setdefault(report.key, []).append(report.logs)
            if report.done:
                p.retire(report.key)
    return found, p


@pytest.fixture(scope="module")
def together():
    """Six trials in four lanes: their logs, and the population. Other tests compare with them."""
    return history([0, 1, "diverges", 2, 3, 5])


def assert_same(a, b, tolerance=1e-5):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert x.keys() == y.keys()
        for name in x:
            np.testing.assert_allclose(x[name], y[name], rtol=tolerance, atol=tolerance)


def test_results_do_not_depend_on_neighbours_or_on_the_lane(together):
    # 5 took a lane that another trial had left, and was beside one that diverged.
    alone, _ = history([5], lanes=1)
    assert_same(together[0][5], alone[5])


def test_a_diverging_lane_and_refilled_lanes_cost_the_others_nothing(together):
    logs, p = together
    assert all(len(of_one) == EPOCHS for of_one in logs.values())
    diverged = {key for key in logs if not np.isfinite(logs[key][-1]["loss"])}
    assert diverged == {"diverges"}
    assert p.stats.traces == 1
    assert p.stats.useful_share == 18 / 24  # two of four lanes were used in the second half


def test_checkpoint_continues_with_the_same_numbers_however_often_one_looks(together):
    seen = []
    p = population(lanes=2, steps_per_call=1)
    for key in (0, 1):
        admit(p, key)
    first = p.run_epoch(lambda *at: seen.append(at))
    assert seen == [(1, 2), (2, 2)]
    state = p.state_dict()[1]
    assert state.epoch == 1 and all(isinstance(a, np.ndarray) for a in state.values["optimizer"])
    q = population()  # another process, other neighbours
    q.admit(7, seeded(7), seed=7, epochs=2)
    admit(q, 1, state=state)
    rest = [[r for r in q.run_epoch() if r.key == 1][0] for _ in range(2)]
    assert [r.epoch for r in rest] == [2, 3] and rest[-1].done
    logs = [r.logs for r in first if r.key == 1] + [r.logs for r in rest]
    assert_same(logs, together[0][1])


def test_compaction_keeps_each_trial_and_drops_idle_lanes(together):
    p = population()
    for key in range(4):
        admit(p, key)
    logs = [r.logs for r in p.run_epoch() if r.key == 2]
    for key in (0, 1, 3):
        p.retire(key)
    p.compact()
    assert p.stats.lanes == 1
    logs += [r.logs for _ in range(2) for r in p.run_epoch()]
    assert_same(logs, together[0][2])


def test_blocks_side_by_side_and_lanes_that_move_between_them_keep_each_trial(
    together, monkeypatch
):
    monkeypatch.setattr(blocks, "FEWEST_LANES", 2)
    monkeypatch.setattr(blocks, "threads", lambda: 2)
    p, logs = population(lanes=6), {}

    def epoch():
        reports = p.run_epoch()
        for report in reports:
            logs.setdefault(report.key, []).append(report.logs)
        return {report.key for report in reports}

    for key in (0, 1, 2, "diverges", 3, 5):
        admit(p, key)
    assert epoch() == {0, 1, 2, "diverges", 3, 5}
    stack = p.stack_of(5)
    assert (stack.width, stack.busy_blocks) == (3, [0, 1])
    for key in (0, 1, "diverges"):
        p.retire(key)
    held = p.lane(5).get_weights()
    epoch()
    assert stack.busy_blocks == [0] and p.stats.useful_share == 1  # all in the first
    moved = p.lane(5).get_weights()
    assert any((a != b).any() for a, b in zip(held, moved, strict=True))  # it went on training
    admit(p, 0, state=None)  # into the block that was idle
    logs[0].clear()
    epoch()
    assert stack.busy_blocks == [0, 1]
    for key in (2, 3, 5):
        assert_same(logs[key], together[0][key])
        p.retire(key)
    p.compact()
    epoch(), epoch()
    assert_same(logs[0], together[0][0])
    assert p.stats.lanes == 1 and p.stats.traces == 2  # gathered as it was, compacted anew


def test_a_block_that_is_large_enough_gets_others_beside_it_without_a_trace(together, monkeypatch):
    monkeypatch.setattr(blocks, "FEWEST_LANES", 2)
    p, logs = population(lanes=6), {}
    for key in (0, 1):
        admit(p, key)
    for report in p.run_epoch():
        logs[report.key] = [report.logs]
    assert (p.stats.lanes, p.stats.traces) == (2, 1)
    for key in (2, 3, 5):
        admit(p, key)
    for _ in range(EPOCHS):
        for report in p.run_epoch():
            logs.setdefault(report.key, []).append(report.logs)
            if report.done:
                p.retire(report.key)
    assert (p.stats.lanes, p.stats.traces) == (6, 1)
    for key, of_one in logs.items():
        assert_same(of_one, together[0][key])


def test_numbers_that_differ_in_another_stack_are_lifted_at_the_first_trace():
    def admitted(p, key, units, decay):
        model = seeded(key, units=units)
        model.optimizer.beta_1 = decay
        p.admit(key, model, seed=key, epochs=1)

    def trained(p):
        logs = {}
        for report in p.run_epoch():
            logs[report.key] = report.logs
            p.retire(report.key)
        return logs

    p = population()
    admitted(p, 0, units=4, decay=0.8)
    admitted(p, 1, units=4, decay=0.9)
    admitted(p, 2, units=6, decay=0.9)  # alone of its shape
    trained(p)
    assert p.stats.traces == 2
    admitted(p, 3, units=6, decay=0.7)
    found = trained(p)
    assert p.stats.traces == 2
    alone = population(lanes=1)
    admitted(alone, 3, units=6, decay=0.7)
    assert_same([found[3]], [trained(alone)[3]])


@pytest.mark.parametrize("cores", [1, 2, 3, 8])
def test_blocks_are_alike_and_waste_few_lanes(cores, monkeypatch):
    monkeypatch.setattr(blocks, "threads", lambda: cores)
    for lanes in (1, 15, 16, 50, 97, 100, 256):
        for lane_bytes in (1000, 400_000, 10**9):
            width = blocks.width(lanes, lane_bytes)
            count = -(-lanes // width)
            assert width >= min(lanes, blocks.FEWEST_LANES)
            assert count * width - lanes < count  # no block could be without its last lane


def test_lane_reads_and_sets_weights_and_learning_rate():
    p = population(validation=None)
    for key in (0, 1):
        p.admit(key, seeded(key, rate=0.3, learning_rate=0.01), seed=key, epochs=2)
    p.run_epoch()
    lane, other = p.lane(0), p.lane(1)
    assert lane.learning_rate == pytest.approx(0.01)
    weights = [w + 1 for w in lane.get_weights()]
    untouched = other.get_weights()
    lane.set_weights(weights)
    lane.learning_rate = 0.0
    for got, want in zip(lane.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(got, want)
    for got, want in zip(other.get_weights(), untouched, strict=True):
        np.testing.assert_array_equal(got, want)
    assert all(report.done for report in p.run_epoch())
    # At a learning rate of zero AdamW leaves the trainable weights; statistics move on.
    np.testing.assert_array_equal(lane.get_weights()[0], weights[0])
    assert np.abs(other.get_weights()[0] - untouched[0]).max() > 0
    model = build()
    model.set_weights(lane.get_weights())
    with pytest.raises(RuntimeError, match="retired"):
        p.run_epoch()


def test_shapes_get_stacks_of_their_own():
    p = population(validation=None)
    for key, units in enumerate((4, 4, 6)):
        p.admit(key, seeded(key, units=units), seed=key, epochs=1)
    assert len(p.run_epoch()) == 3
    assert p.stats.stacks == 2


def test_one_lane_with_native_kernels_equals_plain_keras(plain_keras):
    def image_model(rate):
        model = keras.Sequential(
            [
                L.Input((6, 6, 1)),
                L.Conv2D(3, 3),
                L.MaxPooling2D(2),  # on JAX the only one of these kernels that is replaced
                L.Dropout(rate),
                L.Flatten(),
                L.Dense(3),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
        return model

    images = RNG.normal(size=(16, 6, 6, 1)).astype("float32")
    data, found = (images, WHOLE[1]), {}
    p = Population(data, batch_size=8, lanes=9, native=True, jit_compile=False)
    for key, rate in enumerate((0.1, 0.4, 0.2)):
        assert p.free == 1
        p.admit(key, lambda rate=rate: image_model(rate), seed=key, epochs=2)
        found[key] = [p.run_epoch()[0].logs for _ in range(2)]
        p.retire(key)
    assert p.stats.traces == 2  # the second trial has another rate to lift; the third needs none
    keras.utils.set_random_seed(2)
    want, _ = plain_keras(image_model(0.2), data, None, 8, 2, 2)
    assert_same(found[2], want, 1e-4)


def test_with_xla_equals_plain_keras_and_what_is_compiled_ahead_is_waited_for(
    stacked_equals_plain, monkeypatch
):
    wanted, begun, done, unfinished = [], set(), set(), []
    start, run = Ahead.start, programs.Programs.run

    def started(self, name, compile):
        def slowly():
            begun.add(name)
            compile()
            time.sleep(0.3)  # so that a run that does not wait is seen
            done.add(name)

        wanted.append(name)
        start(self, name, slowly)

    def watched(self, name, *arguments):
        result = run(self, name, *arguments)
        unfinished.extend({name} & begun - done)
        return result

    monkeypatch.setattr(Ahead, "start", started)
    monkeypatch.setattr(programs.Programs, "run", watched)
    stacked_equals_plain(
        build, [{"rate": 0.2}, {"rate": 0.4}], (X, Y), HELD_OUT, batch_size=8, tolerance=1e-4
    )
    assert wanted == ["train", "close", "tail"]
    assert not unfinished


RULES = {
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "adam": lambda rate: keras.optimizers.Adam(rate),
    "adamw": lambda rate: keras.optimizers.AdamW(rate, weight_decay=10 * rate),
    "average": lambda rate: keras.optimizers.RMSprop(rate, use_ema=True),
    "schedule": lambda rate: keras.optimizers.SGD(
        keras.optimizers.schedules.ExponentialDecay(rate, 3, 0.5)
    ),
}


def with_rule(name, rate):
    model = keras.Sequential([L.Input((5,)), L.Dense(4, "tanh"), L.Dropout(rate), L.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(RULES[name](rate), loss)
    return model


def learning_rates_are_each_rule_s_own(p):
    p.lane(4).learning_rate = 0.5
    assert p.lane(0).learning_rate == pytest.approx(0.01)
    assert p.lane(4).learning_rate == pytest.approx(0.5)
    p.lane(4).learning_rate = 0.05
    with pytest.raises(ValueError, match="schedule"):
        _ = p.lane(1).learning_rate


def test_optimizers_of_every_type_share_one_program(plain_keras, monkeypatch):
    monkeypatch.setattr(blocks, "FEWEST_LANES", 2)
    monkeypatch.setattr(blocks, "threads", lambda: 2)  # two blocks of three lanes
    p = population(lanes=6)
    # Not in the rules' order, and unevenly many; the last two come when lanes have been left.
    names = ["adam", "schedule", "adam", "average", "momentum", "adamw", "adam", "average"]
    found, waiting = {}, list(enumerate(names))
    while waiting or len(p):
        while waiting and p.free:
            key, name = waiting.pop(0)
            keras.utils.set_random_seed(key)
            p.admit(key, with_rule(name, 0.01 * (key + 1)), seed=key, epochs=2)
        for report in p.run_epoch():
            found.setdefault(report.key, []).append(report.logs)
            assert (report.scheduled_rate is not None) == (names[report.key] == "schedule")
            if report.scheduled_rate is not None:
                optimizer = with_rule("schedule", 0.01 * (report.key + 1)).optimizer
                expected = optimizer._learning_rate(2 * report.epoch)  # two steps an epoch
                assert report.scheduled_rate == pytest.approx(float(expected), rel=1e-6)
            if report.done:
                weights = p.lane(report.key).get_weights()
                p.retire(report.key)
                found[report.key].append(weights)
        if 0 in p:
            learning_rates_are_each_rule_s_own(p)
    assert p.stats.stacks == 1 and p.stats.traces == 1
    # Each rule once; on JAX, where plain Keras compiles for each, the two that came last.
    for key in (1, 4, 5, 6, 7) if keras.backend.backend() == "tensorflow" else (6, 7):
        keras.utils.set_random_seed(key)
        model = with_rule(names[key], 0.01 * (key + 1))
        history, weights = plain_keras(model, WHOLE, HELD_OUT, 8, key, 2)
        *logs, last = found[key]
        assert_same(logs, history, 1e-4)
        for got, want in zip(last, weights, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def drawn_in_many_ways():
    """A model with every kind of initializer, and randomness of TensorFlow's own in between."""
    L, I = keras.layers, keras.initializers  # noqa: E741
    kinds = [
        *(I.RandomNormal(stddev=0.1), I.TruncatedNormal(seed=4), I.VarianceScaling(2.0)),
        *(I.Orthogonal(), I.RandomUniform(seed=keras.random.SeedGenerator(5)), I.Identity(2.0)),
        *(I.Constant(0.5), I.Constant(np.eye(4)), "ones", "he_uniform"),
    ]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def of_state(shape, dtype):
            return tf.random.normal(shape, seed=1) + tf.random.uniform(shape)

        kinds += [of_state, of_state]
    layers = [L.Dense(4, kernel_initializer=kind, bias_initializer="zeros") for kind in kinds]
    model = keras.Sequential([L.Input((4,)), *layers, L.BatchNormalization(), L.Dropout(0.1)])
    model.layers[0].pair = (1, 2.0)
    model.compile(keras.optimizers.AdamW(0.01, use_ema=True), "mse")
    return model


@pytest.mark.parametrize("build", [build, drawn_in_many_ways])
def test_a_light_build_gives_the_very_values_of_a_real_one(build):
    light, real = built(build, seed=3, light=True), built(build, seed=3)
    a, b = initial_values(light, seed=3), initial_values(real, seed=3)
    assert a.keys() == b.keys()
    assert describe(light).structure == describe(real).structure
    for part in a:
        for x, y in zip(a[part], b[part], strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        assert not isinstance(light.trainable_variables[0].value, tf.Variable)
        light.set_weights([w + 1 for w in real.get_weights()])
        np.testing.assert_array_equal(light.get_weights()[0], real.get_weights()[0] + 1)
        assert isinstance(real.trainable_variables[0].value, tf.Variable)


def test_trials_built_by_the_population_are_the_same_when_built_lightly(together):
    p, built_lightly = population(lanes=2), {}
    for key in (0, 1, 2, 3):
        if key > 1:
            p.retire(key - 2)
        build_it = functools.partial(build, rate=0.1 + 0.05 * key)
        p.admit(key, build_it, seed=key, epochs=EPOCHS)
        for report in p.run_epoch():
            built_lightly.setdefault(report.key, []).append(report.logs)
    assert p.stats.traces == 2  # the second trial made room for itself, and a rate to lift
    assert_same(built_lightly[2], together[0][2][:2])
    assert_same(built_lightly[3], together[0][3][:1])


class Branching(L.Layer):
    def __init__(self, strength, **kwargs):
        super().__init__(**kwargs)
        self.strength = strength

    def call(self, x):
        return x * self.strength if self.strength > 0.25 else x


class AsConstant(L.Layer):
    def __init__(self, strength, **kwargs):
        super().__init__(**kwargs)
        self.strength = strength

    def call(self, x):
        return x * float(self.strength)


class Deceptive(L.Layer):
    """Computes something else when it is lifted: the check has to find it, wherever it shows."""

    def __init__(self, strength, where, **kwargs):
        super().__init__(**kwargs)
        self.strength, self.where = strength, where
        # Keras on JAX forgets what a layer's own metric has seen.
        self.seen = keras.metrics.Mean(name="seen") if where == "metric" else None
        self.kept = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        told = self.strength if type(self.strength) is float else 0.5
        true = self.strength + 0.0
        if self.seen is not None:
            self.seen.update_state(told)
        if training:
            self.kept.assign(told if self.where == "statistic" else true)
        wrong = self.where in ("output", "overflow") or (
            self.where == "evaluation" and not training
        )
        if self.where == "overflow":  # of the numbers that the check first tries, not of its own
            x = x + 0.0 * keras.ops.exp(200.0 * self.strength * keras.ops.ones_like(x))
        return x * (told if wrong else true)


def with_layer(layer, strength):
    model = keras.Sequential([L.Input((5,)), L.Dense(4), layer(strength), L.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("layer", "strengths", "stacks"),
    [(Branching, (0.1, 0.2, 0.3), 2), (AsConstant, (0.1, 0.2, 0.2), 2)],
)
def test_numbers_that_python_looks_at_split_the_stack(layer, strengths, stacks, plain_keras):
    p = population(validation=None)
    for key, strength in enumerate(strengths):
        keras.utils.set_random_seed(key)
        p.admit(key, with_layer(layer, strength), seed=key, epochs=1)
    reports = {r.key: r.logs for r in p.run_epoch()}
    assert p.stats.stacks == stacks
    for key, strength in enumerate(strengths):
        keras.utils.set_random_seed(key)
        model = with_layer(layer, strength)
        want, _ = plain_keras(model, WHOLE, None, 8, key, 1)
        assert_same([reports[key]], want)


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("output", "after 3 steps it differs from plain Keras .*kernel"),
        ("overflow", "after 3 steps it differs from plain Keras .*kernel"),
        ("metric", "after 3 steps it differs from plain Keras .*seen"),
        ("statistic", "after 3 steps it differs from plain Keras .*variable"),
        ("evaluation", "evaluated it differs from plain Keras .*val_loss"),
        ("nowhere", None),
    ],
)
def test_a_wrong_lift_is_found_and_named(where, named):
    p = population(validation=HELD_OUT if where in ("evaluation", "nowhere") else None)
    layer = functools.partial(Deceptive, where=where)
    for key, strength in enumerate((0.1, 0.2)):
        p.admit(key, with_layer(layer, strength), seed=key, epochs=1)
    reports, rejected = p.run_epoch(), p.take_rejected()
    if where == "nowhere":
        assert len(reports) == 2 and rejected == {}
        return
    assert reports == [] and rejected.keys() == {0, 1} and len(p) == 0
    assert all(re.search(named, reason) for reason in rejected.values())
    with pytest.raises(CannotStack, match=named):
        p.admit(2, with_layer(layer, 0.3), seed=2, epochs=1)


class ManyAxes(L.Layer):
    """Computes with eight axes; stacked it would take nine, for which TensorFlow has no kernel."""

    def call(self, x):
        return keras.ops.reshape(keras.ops.reshape(x, (-1, 1, 1, 1, 1, 1, 1, 5))[..., :4], (-1, 4))


def test_a_program_that_fails_when_it_runs_is_found_and_named():
    p = population(validation=None)
    for key in (0, 1):
        model = keras.Sequential([L.Input((5,)), ManyAxes(), L.Dense(3)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        p.admit(key, model, seed=key, epochs=1)
    reports, rejected = p.run_epoch(), p.take_rejected()
    assert reports == [] and rejected.keys() == {0, 1}
    assert all("when its first steps were run: " in reason for reason in rejected.values())


class OwnStep(keras.Model):
    def train_step(self, *arguments):
        return super().train_step(*arguments)


def test_a_custom_train_step_is_refused_by_name():
    inputs = keras.Input((5,))
    model = OwnStep(inputs, L.Dense(3)(inputs))
    model.compile("sgd", "mse")
    with pytest.raises(CannotStack, match="OwnStep has its own train_step"):
        population().admit(0, model, seed=0, epochs=1)


def test_bad_input_is_explained():
    with pytest.raises(UserError, match="one same length"):
        Population((X, Y[:3]))
    with pytest.raises(UserError, match="lanes must be a whole number above 0, not 0"):
        Population((X, Y), lanes=0)
