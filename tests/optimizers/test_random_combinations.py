"""Random float types, shapes and options for every rule: it runs, stays finite, and is saved whole.

One for each rule here; `python tests/optimizers/test_random_combinations.py 50` takes more, on any
backend of Keras, and says which went wrong; rules may be named: `... 50 adam soap`.
"""

import dataclasses
import json
import sys

import keras
import numpy as np
import pytest
from keras import ops

from tuner_app import optimizers

NAMES = sorted(
    c.__module__.rpartition(".")[2]
    for c in map(vars(optimizers).get, optimizers.__all__)
    if isinstance(c, type)
    and issubclass(c, optimizers.RuleOptimizer)
    and c is not optimizers.RuleOptimizer
)
DTYPES = ["float32", "float32", "float16", "bfloat16", "float64"]
SHAPES = [(), (1,), (5,), (3, 4), (4, 1), (1, 1), (1, 6), (2, 3, 4), (2, 3, 1, 4)]
INNER = ["sgd", "adamw", "lion", "muon", "prodigy", "adopt", "lars"]


def _number(rng, span):
    if isinstance(span, tuple):
        return float(rng.choice(span))
    if span.scale == "log":
        return float(np.exp(rng.uniform(np.log(span.low), np.log(span.high))))
    return float(rng.uniform(span.low, span.high))


def combination(name, seed):
    """A function that makes the same optimizer again and again, its variables' shapes and type."""
    rng = np.random.default_rng([seed, *name.encode()])
    cls = optimizers.get(name)
    arguments = {}
    rule = cls.rule
    for field in dataclasses.fields(rule):
        if field.name == "inner":
            arguments["inner"] = str(rng.choice(INNER))
        elif field.name in ("period", "iterations"):
            arguments[field.name] = int(rng.integers(1, 4))
        elif field.name == "max_size":
            arguments["max_size"] = int(rng.choice([3, 1024]))
        elif isinstance(getattr(rule, field.name), bool):
            arguments[field.name] = bool(rng.integers(2))
    rule = dataclasses.replace(rule, **arguments)
    for key, span in rule.ranges.items():
        if rng.integers(2):
            arguments[key] = _number(rng, span)
    rate = arguments.get("learning_rate", rule.defaults["learning_rate"])
    arguments["learning_rate"] = min(rate, 0.1)  # so that float16 has no reason to overflow
    if "start" in rule.defaults:
        arguments["start"] = int(rng.integers(1, 4))

    def maybe(**options):
        if rng.integers(3) == 0:
            arguments.update(options)

    maybe(weight_decay=0.05)
    maybe(l2=0.01)
    maybe(no_decay_below=2)
    maybe(no_decay=())
    maybe(learning_rate_multipliers={"w1": 0.5})
    maybe(gradient_accumulation_steps=2)
    maybe(use_ema=True, ema_overwrite_frequency=int(rng.integers(1, 4)))
    maybe(loss_scale_factor=4.0)
    maybe(**{str(rng.choice(["clipnorm", "clipvalue", "global_clipnorm"])): 0.5})
    followed = str(rng.choice(sorted(set(rule.defaults) - {"period", "start"})))
    value = arguments.get(followed, rule.defaults[followed])
    schedule = keras.optimizers.schedules.PolynomialDecay(value, 5, 0.5 * value)
    maybe(**{followed: schedule})
    shapes = [SHAPES[i] for i in rng.integers(0, len(SHAPES), rng.integers(1, 4))]
    return lambda: cls(**arguments), shapes, str(rng.choice(DTYPES)), arguments


def run(name, seed):
    """Takes steps with a random combination, saves in the middle, and compares the rest."""
    make, shapes, dtype, arguments = combination(name, seed)
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-4, 1)
    start = [rng.normal(size=shape) for shape in shapes]

    def variables(values):
        return [keras.Variable(v, dtype=dtype, name=f"w{i}") for i, v in enumerate(values)]

    def step(optimizer, variables):
        for _ in range(2):
            # A gradient of zero now and then, too.
            sizes = [scale * (rng.integers(4) > 0) for _ in shapes]
            grads = [s * rng.normal(size=v.shape) for s, v in zip(sizes, variables, strict=True)]
            optimizer.apply([ops.convert_to_tensor(g, dtype) for g in grads], variables)

    def values(variables):
        return [ops.convert_to_numpy(v).astype("float64") for v in variables]

    one, other = make(), variables(start)
    one.build(other)
    step(one, other)
    store = {}
    one.save_own_variables(store)
    written = json.loads(json.dumps(keras.optimizers.serialize(one)))
    again, copies = keras.optimizers.deserialize(written), variables(values(other))
    assert again.get_config() == one.get_config(), arguments
    again.build(copies)
    again.load_own_variables(store)
    state = rng.bit_generator.state
    step(one, other)
    rng.bit_generator.state = state
    step(again, copies)
    for a, b in zip(
        [*values(other), *values(one.variables)],
        [*values(copies), *values(again.variables)],
        strict=True,
    ):
        assert np.isfinite(a).all(), (arguments, shapes, dtype)
        assert np.array_equal(a, b), (arguments, shapes, dtype)


@pytest.mark.parametrize("name", NAMES)
def test_random_combinations(name):
    run(name, seed=0)


if __name__ == "__main__":
    count, rules = int(sys.argv[1]), sys.argv[2:] or NAMES
    wrong = 0
    for rule in rules:
        for number in range(count):
            try:
                run(rule, number)
            except Exception as error:
                wrong += 1
                print(rule, number, type(error).__name__, str(error)[:600], flush=True)
        print(f"{rule}: {count} tried", flush=True)
    tried = len(rules) * count
    print(f"{keras.backend.backend()}: {tried} combinations of {len(rules)} rules, {wrong} wrong")
