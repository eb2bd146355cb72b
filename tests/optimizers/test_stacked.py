"""Every rule stacks: three trials in one program equal the same three, one after another.

All rules are in one compiled program, under the engine's own replacements.
"""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app import optimizers
from tuner_app.population.compiled.seam import seam
from tuner_app.population.models.functional import functional_optimizers

LANES, STEPS = 3, 5
RNG = np.random.default_rng(0)
START = [RNG.normal(size=(LANES, 4, 3)), RNG.normal(size=(LANES, 3))]
GRADIENTS = [[RNG.normal(size=(LANES, 4, 3)), RNG.normal(size=(LANES, 3))] for _ in range(STEPS)]
RATES, FACTORS = [0.01, 0.05, 0.1], [1.0, 0.9, 0.8]

CASES = {
    "sgd": {},
    "sgd with decay, penalty and clipping": {
        "weight_decay": [0.0, 0.1, 0.3],
        "l2": [0.2, 0.0, 0.1],
        "global_clipnorm": 1.0,
    },
    "momentum": {"rho": [0.5, 0.7, 0.9]},
    "nesterov": {"rho": [0.5, 0.7, 0.9], "weight_decay": [0.0, 0.1, 0.3]},
    "adagrad": {"epsilon": [1e-7, 1e-3, 1e-1]},
    "full_matrix_adagrad": {"epsilon": [1e-3, 1e-2, 1e-1]},
    "rmsprop": {"rho": [0.5, 0.9, 0.99], "epsilon": [1e-7, 1e-3, 1e-1]},
    "adadelta": {"rho": [0.5, 0.9, 0.99], "epsilon": [1e-6, 1e-4, 1e-2]},
    "adam": {"beta_1": [0.5, 0.8, 0.95], "beta_2": [0.9, 0.99, 0.999], "epsilon": [1e-8, 0.1, 0.0]},
    "adam inside the root": {"epsilon": [1e-8, 1e-4, 1e-2], "epsilon_inside_root": True},
    "lion": {"beta_1": [0.5, 0.8, 0.95], "beta_2": [0.9, 0.99, 0.999]},
    "amsgrad": {"beta_1": [0.5, 0.8, 0.95], "beta_2": [0.9, 0.99, 0.999]},
    "nadam": {"beta_1": [0.5, 0.8, 0.95], "epsilon": [1e-8, 0.1, 0.0]},
    "radam": {"beta_1": [0.5, 0.8, 0.95], "beta_2": [0.75, 0.9, 0.999]},
    "lamb": {"beta_1": [0.5, 0.8, 0.95], "epsilon": [1e-8, 0.1, 0.0]},
    "adabelief": {"beta_1": [0.5, 0.8, 0.95], "epsilon": [1e-8, 1e-6, 1e-16]},
    "nadamw": {"beta_1": [0.5, 0.8, 0.95], "weight_decay": [0.0, 0.1, 0.3]},
    "adabound": {"final_ratio": [1.0, 10.0, 100.0], "gamma": [0.001, 0.1, 1.0]},
    "yogi": {"beta_1": [0.5, 0.8, 0.95], "epsilon": [1e-3, 1e-2, 1e-1]},
    "adan": {"beta_2": [0.5, 0.8, 0.95], "weight_decay": [0.0, 0.1, 0.3]},
    "lars": {"trust": [0.1, 0.01, 1.0], "weight_decay": [0.0, 0.1, 0.3]},
    "signsgd": {},
    "signum": {"rho": [0.5, 0.7, 0.9]},
    "ademamix": {"beta_3": [0.9, 0.99, 0.999], "alpha": [1.0, 3.0, 5.0]},
    "adopt": {"beta_2": [0.9, 0.99, 0.999]},
    "mars": {"gamma": [0.0, 0.025, 0.1], "weight_decay": [0.0, 0.1, 0.3]},
    "prodigy": {"initial_d": [1e-3, 1e-2, 1e-1], "weight_decay": [0.0, 0.1, 0.3]},
    "d_adaptation": {"initial_d": [1e-3, 1e-2, 1e-1], "weight_decay": [0.0, 0.1, 0.3]},
    "schedule_free_sgd": {"beta_1": [0.5, 0.8, 0.95], "weight_decay": [0.0, 0.1, 0.3]},
    "schedule_free_adamw": {"beta_1": [0.5, 0.8, 0.95], "weight_decay": [0.0, 0.1, 0.3]},
    "sophia": {"rho": [0.01, 0.1, 1.0], "period": 2},
    "shampoo": {"rho": [0.0, 0.5, 0.9], "epsilon": [1e-2, 1e-1, 1.0], "period": 2},
    "soap": {"beta_2": [0.5, 0.8, 0.95], "period": 2},
    "muon": {"momentum": [0.5, 0.8, 0.95], "weight_decay": [0.0, 0.1, 0.3]},
    "cautious": {"inner": "lion", "beta_1": [0.5, 0.8, 0.95]},
    "lookahead": {"slow_step": [0.2, 0.5, 0.9], "period": [2, 3, 4]},
    "sam": {"radius": [0.01, 0.1, 1.0], "weight_decay": [0.0, 0.1, 0.3]},
    "sam prodigy": {"inner": "prodigy", "radius": [0.01, 0.1, 1.0]},
    "asam": {"radius": [0.01, 0.1, 1.0], "inner": "momentum"},
    "swa": {"start": [1, 2, 3], "period": [1, 2, 1]},
    "adam with multipliers and masks": {
        "weight_decay": [0.0, 0.1, 0.3],
        "no_decay_below": 2,
        "learning_rate_multipliers": {"w": 0.3},
    },
    "adamw averaged": {"weight_decay": [0.0, 0.1, 0.3], "use_ema": True, "ema_momentum": 0.5},
}

# A rule without a row: every float that it has differs by lane.
for name in optimizers.__all__:
    cls = getattr(optimizers, name)
    if isinstance(cls, type) and issubclass(cls, optimizers.RuleOptimizer) and hasattr(cls, "rule"):
        case = cls.__module__.rpartition(".")[2]
        numbers = {k: v for k, v in cls.rule.defaults.items() if k != "learning_rate"}
        CASES.setdefault(case, {k: [v, 0.9 * v, 0.8 * v] for k, v in numbers.items()})


def make(case, lane):
    """A lane's optimizer: whatever number the case does not name differs by lane, too."""
    cls = optimizers.get(case.partition(" ")[0])
    arguments = {k: v[lane] if isinstance(v, list) else v for k, v in CASES[case].items()}
    inner = {name: value for name, value in arguments.items() if name == "inner"}
    for name, usual in dataclasses.replace(cls.rule, **inner).defaults.items():
        arguments.setdefault(
            name, RATES[lane] if name == "learning_rate" else usual * FACTORS[lane]
        )
    return cls(**arguments)


def lane_variables(lane):
    return [keras.Variable(start[lane], dtype="float32", name="w") for start in START]


def tensors(arrays):
    return [tf.constant(array, tf.float32) for array in arrays]


@functools.cache
def one_after_another():
    """For each case the variables of all lanes after the last step, trained by `apply`."""
    trained = {}
    for case in CASES:
        for lane in range(LANES):
            optimizer, variables = make(case, lane), lane_variables(lane)
            for gradients in GRADIENTS:
                optimizer.apply(tensors(g[lane] for g in gradients), variables)
            trained[case, lane] = [variable.numpy() for variable in variables]
    return {
        case: [np.stack(v) for v in zip(*(trained[case, i] for i in range(LANES)), strict=True)]
        for case in CASES
    }


@functools.cache
def program():
    """The first slots of all cases, and one step of all of them and their lanes, traced once."""
    templates, slots = {}, {}
    with functional_optimizers():
        for case in CASES:
            lanes = [make(case, lane) for lane in range(LANES)]
            for lane, optimizer in enumerate(lanes):
                optimizer.build(lane_variables(lane))
            templates[case] = lanes[0]
            slots[case] = [
                tf.constant(np.stack([v.numpy() for v in same]))
                for same in zip(*(optimizer.variables for optimizer in lanes), strict=True)
            ]

    @tf.function
    def step(weights, slots, gradients):
        stepped = {
            case: tf.vectorized_map(
                lambda lane, rule=rule: rule.stateless_apply(lane[1], lane[2], lane[0]),
                (weights[case], slots[case], gradients),
                fallback_to_while_loop=False,
            )
            for case, rule in templates.items()
        }
        return {c: s[0] for c, s in stepped.items()}, {c: s[1] for c, s in stepped.items()}

    weights = {case: tensors(START) for case in CASES}
    with functional_optimizers(), seam():
        return slots, step.get_concrete_function(weights, slots, tensors(GRADIENTS[0]))


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_stacked_lanes_equal_separate_trials(xla):
    slots, traced = program()
    # XLA compiles the graph that was traced: tracing is what takes most of the time.
    step = tf.function(traced, jit_compile=True) if xla else traced
    weights = {case: tensors(START) for case in CASES}
    for gradients in GRADIENTS:
        weights, slots = step(weights, slots, tensors(gradients))
    for case, expected in one_after_another().items():
        for ours, theirs in zip(weights[case], expected, strict=True):
            # The bases and roots of a matrix come of an iteration, which XLA has another of.
            loose = case in ("shampoo", "soap")
            tolerance = 1e-3 if loose else 1e-5
            assert np.allclose(ours.numpy(), theirs, rtol=tolerance, atol=tolerance / 10), case
