"""Trials that come one by one: a program traced again has room for what others have shown."""

import functools

import keras
import numpy as np
import pytest

from tuner_app.population import Population
from tuner_app.population.compiled import blocks
from tuner_app.population.lanes.foresight import Foresight
from tuner_app.population.signatures.description import Part
from tuner_app.population.signatures.lifting import Rule
from tuner_app.population.signatures.signature import describe

K = keras.optimizers
RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(8, 3)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")
RULES = {
    "sgd": K.SGD,
    "momentum": functools.partial(K.SGD, momentum=0.9),
    "adam": K.Adam,
    "rmsprop": K.RMSprop,
}


def build(units, rule, rate):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dense(2)])
    model.compile(RULES[rule](rate), "mse")
    return model


@pytest.fixture
def trained():
    """An epoch of each of `works`, one after another, in one population: it, and the weights."""

    def train(works, lanes=10):
        population = Population(DATA, batch_size=4, lanes=lanes, jit_compile=False)
        weights = {}
        for work in works:
            population.admit(work, functools.partial(build, *work), seed=3, epochs=1)
            assert population.run_epoch()[0].done
            weights[work] = population.lane(work).get_weights()
            population.retire(work)
        return population, weights

    return train


def traces(population):
    return [stack.stats.traces for stack in population._stacks]


def same(weights, others):
    return all(np.allclose(a, b, 1e-5, 1e-6) for a, b in zip(weights, others, strict=True))


def test_the_second_trace_has_the_rules_and_numbers_of_all_trials(trained):
    seen = [(4, name, 0.1) for name in ("adam", "rmsprop", "sgd")]
    later = [(5, name, rate) for rate in (0.1, 0.02) for name in ("sgd", "adam", "rmsprop")]
    population, weights = trained([*seen, *later])
    # Of five units: SGD's trial, then Adam's, with which RMSprop's rule is taken in; at 0.02 each
    # rule's rate is lifted once, but for those that were not among the first program's.
    assert traces(population)[1] <= 3
    assert len(population._stacks[1].rules) == 3
    assert same(weights[later[-1]], trained(later[-1:])[1][later[-1]])


def test_lanes_are_as_many_as_cost_little_from_the_second_trace_on(trained):
    population, _ = trained([(4, "sgd", 0.1)])
    stack = population._stacks[0]
    assert len(stack.trials) == 1
    for key in range(3):
        population.admit(key, functools.partial(build, 4, "sgd", 0.2), seed=key, epochs=2)
    population.run_epoch()
    assert len(stack.trials) == blocks.FEWEST_LANES
    population.admit(3, functools.partial(build, 4, "sgd", 0.2), seed=3, epochs=2)
    population.run_epoch()
    assert stack.stats.traces == 2


def test_a_foreseen_rule_that_has_no_stacked_form_is_let_go(trained, monkeypatch):
    class Refusing(K.SGD):
        def update_step(self, gradient, variable, learning_rate):
            raise NotImplementedError("not in a stack")

    def refusing(self, stack):
        optimizer = Refusing(0.1)
        optimizer.build(stack.model.trainable_variables)
        return [Rule(Part(("refusing",), np.zeros(0), ()), optimizer, stack.pool)]

    monkeypatch.setattr(Foresight, "other_rules", refusing)
    works = [(4, "sgd", 0.1), (4, "adam", 0.1)]
    population, weights = trained(works)
    assert len(population._stacks) == 1 and not population._stacks[0].barred
    assert len(population._stacks[0].rules) == 2
    assert same(weights[works[1]], trained(works[1:])[1][works[1]])


def test_rules_that_cannot_be_made_for_a_model_wait_for_their_trials(trained):
    population, _ = trained([(4, "sgd", 0.1)])
    stack, foresight = population._stacks[0], Foresight()

    class Unmakeable(K.SGD):
        def get_config(self):
            raise NotImplementedError

    class Otherwise(K.SGD):
        def get_config(self):
            return {**super().get_config(), "momentum": 0.5, "nesterov": True}

    for structure, optimizer in ((("a",), Unmakeable(0.1)), (("b",), Otherwise(0.1))):
        foresight.note(Part(structure, np.zeros(0), ()), optimizer)
    foresight.note(Part(("c",), np.zeros(0), ()))
    assert foresight.other_rules(stack) == []


def test_no_more_rules_are_made_than_a_stack_takes_in(trained, monkeypatch):
    population, _ = trained([(4, "sgd", 0.1)])
    stack, foresight = population._stacks[0], population._foresight
    for name in ("adam", "rmsprop", "momentum"):
        model = build(4, name, 0.1)
        model.optimizer.build(model.trainable_variables)
        foresight.note(describe(model).rule, model.optimizer)
    monkeypatch.setattr("tuner_app.population.lanes.foresight.MOST_RULES", 2)
    made, make = [], Foresight._rule

    def noted(self, structure, stack):
        made.append(structure)
        return make(self, structure, stack)

    monkeypatch.setattr(Foresight, "_rule", noted)
    (rule,) = foresight.other_rules(stack)
    assert made == [rule.structure]
