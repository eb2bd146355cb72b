"""What is due in few steps is computed for the lanes whose turn it is, and for no other."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app import optimizers
from tuner_app.optimizers import shampoo, soap
from tuner_app.optimizers.rarely import rarely, wanted_where
from tuner_app.population import Population
from tuner_app.population.compiled.seam import seam

DUE = np.array([False, True, True, False, True])
X = np.arange(10, dtype="float32").reshape(5, 2)
FACTOR = np.float32(3.0)


def called(function, x):
    # As if without effects: TensorFlow would run it once more, where it was vectorized, for those.
    return tf.ensure_shape(tf.numpy_function(function, [x], x.dtype, stateful=False), x.shape)


def counted(function, calls):
    """`function` of one tensor on the host, whose every call is noted."""

    def on_host(array):
        calls.append(array)
        return function(array)

    return lambda x: called(on_host, x)


def over_lanes(then, *arguments):
    def lane(arguments):
        due, x, *wanted = arguments
        with wanted_where(wanted[0] if wanted else None):
            chosen = rarely(due, lambda x, f: (then(x) * f, x), lambda x, f: (x, x), x, FACTOR)
        return chosen[0]

    with seam():
        return tf.vectorized_map(lane, arguments, fallback_to_while_loop=False)


def want(due):
    return np.where(due[:, None], FACTOR * X * X, X)


@pytest.mark.parametrize("due", [DUE, np.zeros(5, bool), np.ones(5, bool)])
def test_the_rare_side_is_computed_for_the_lanes_whose_turn_it_is(due):
    calls = []
    found = tf.function(over_lanes)(counted(np.square, calls), due, X)
    np.testing.assert_allclose(found, want(due))
    assert sorted(a.tolist() for a in calls) == X[due].tolist()


def test_xla_compiles_it_once_whosever_turn_it_is():
    step = tf.function(lambda due: over_lanes(tf.square, due, X), jit_compile=True)
    turns, programs = [tf.constant(DUE), tf.constant(~DUE)], set()
    for due in turns:
        np.testing.assert_allclose(step(due), want(due.numpy()))
        programs.add(step.experimental_get_compiler_ir(due)(stage="hlo"))
    assert len(programs) == 1


def test_lanes_that_want_no_result_cost_nothing():
    calls, wanted = [], np.array([True, True, False, False, False])
    found = tf.function(over_lanes)(counted(np.square, calls), DUE, X, wanted)
    np.testing.assert_allclose(found, want(DUE & wanted))
    np.testing.assert_array_equal(calls, X[[1]])


def test_a_condition_that_is_the_same_in_all_lanes_is_one_condition():
    def all_lanes(due):
        def lane(x):
            return rarely(due, lambda x: x * x, lambda x: x, x)

        with seam():
            return tf.vectorized_map(lane, X, fallback_to_while_loop=False)

    for due in (True, False):
        found = tf.function(all_lanes)(tf.constant(due))
        np.testing.assert_allclose(found, X * X if due else X)


def test_the_same_on_jax(monkeypatch):
    jax = pytest.importorskip("jax")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    calls = []

    def then(x, f):
        jax.debug.callback(lambda a: calls.append(np.asarray(a)), x)
        return x * x * f

    def lane(due, x):
        return rarely(due, then, lambda x, f: x, x, FACTOR)

    np.testing.assert_allclose(jax.jit(jax.vmap(lane))(DUE, X), want(DUE))
    jax.effects_barrier()
    assert sorted(a.tolist() for a in calls) == X[DUE].tolist()
    one = jax.jit(jax.vmap(lane, (None, 0)))
    np.testing.assert_allclose(one(True, X), FACTOR * X * X)
    np.testing.assert_allclose(one(False, X), X)


@pytest.fixture
def decompositions(monkeypatch):
    """A list that grows by one with every decomposition of an optimizer."""
    calls = []

    def noted(x):
        calls.append(1)
        return x

    def counting(module, function):
        original = getattr(module, function)

        def both(M, *arguments, **keywords):
            return original(called(noted, M), *arguments, **keywords)

        monkeypatch.setattr(module, function, both)

    counting(shampoo, "eigenpairs")
    counting(soap, "eigenpairs")
    counting(soap, "_refined")
    return calls


RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(40, 3)).astype("float32"), RNG.normal(size=(40, 2)).astype("float32")
SIDES = 2  # of the one matrix


def build(name):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    model.compile(optimizers.get(name)(), "mse", run_eagerly=True)
    return model


@pytest.mark.parametrize("names", [["shampoo"] * 4, ["soap"] * 4, ["soap", "adam", "soap", "sgd"]])
def test_decompositions_are_as_many_as_in_fit(names, decompositions):
    """Ten steps an epoch: the second one has one step in which the roots, or bases, are due."""
    population = Population(DATA, batch_size=4, lanes=4, jit_compile=False)
    for key, name in enumerate(names):
        population.admit(key, functools.partial(build, name), seed=key, epochs=2)
    population.run_epoch()
    assert not population.take_rejected() and len(population.in_use) == 1
    decompositions.clear()
    population.run_epoch()
    own = [name for name in names if name in ("shampoo", "soap")]
    assert len(decompositions) == len(own) * SIDES


@pytest.mark.parametrize("names", [["soap"], ["sgd", "soap"]])
def test_stacks_that_decompose_do_without_xla(names):
    population = Population(DATA, batch_size=4, lanes=2)
    for key, name in enumerate(names):
        population.admit(key, functools.partial(build, name), seed=key, epochs=2)
        stack = population.stack_of(key)
        if key == 0:
            assert stack.xla is (name == "sgd")
        stack.seat()
    assert stack.xla is False
