"""Every rule stacks: three trials in one program equal the same three, one after another."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.optimizers.base_optimizer import BaseOptimizer

from tuner_app import optimizers

# TensorFlow's optimizers assign to tf.Variables; these methods of the base assign to Keras's, whose
# values a StatelessScope replaces by tensors.
FUNCTIONAL = [
    "assign",
    "assign_add",
    "assign_sub",
    "_apply_weight_decay",
    "_backend_update_step",
    "_backend_apply_gradients",
    "_overwrite_model_variables_with_average_value",
    "stateless_apply",
    "_var_key",
]
LANES, STEPS = 3, 6
RNG = np.random.default_rng(0)
START = [RNG.normal(size=(LANES, 4, 3)), RNG.normal(size=(LANES, 3))]
GRADIENTS = [[RNG.normal(size=(LANES, 4, 3)), RNG.normal(size=(LANES, 3))] for _ in range(STEPS)]
RATES = [0.01, 0.05, 0.1]

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
    "adamw averaged": {"weight_decay": [0.0, 0.1, 0.3], "use_ema": True, "ema_momentum": 0.5},
}


def make(case, lane):
    cls = optimizers.get(case.partition(" ")[0])
    arguments = {k: v[lane] if isinstance(v, list) else v for k, v in CASES[case].items()}
    return cls(learning_rate=RATES[lane], **arguments)


def lane_variables(lane):
    return [keras.Variable(start[lane], dtype="float32", name="w") for start in START]


def tensors(arrays):
    return [tf.constant(array, tf.float32) for array in arrays]


def one_after_another(case):
    results = []
    for lane in range(LANES):
        optimizer, variables = make(case, lane), lane_variables(lane)
        for gradients in GRADIENTS:
            optimizer.apply(tensors(g[lane] for g in gradients), variables)
        results.append([variable.numpy() for variable in variables])
    return [np.stack(values) for values in zip(*results, strict=True)]


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("case", CASES)
def test_stacked_lanes_equal_separate_trials(case, xla):
    lanes = []
    for lane in range(LANES):
        optimizer = make(case, lane)
        for name in FUNCTIONAL:
            method = types.MethodType(getattr(BaseOptimizer, name), optimizer)
            object.__setattr__(optimizer, name, method)
        optimizer.build(lane_variables(lane))
        lanes.append(optimizer)
    stacked = [
        tf.constant(np.stack([v.numpy() for v in same]))
        for same in zip(*(optimizer.variables for optimizer in lanes), strict=True)
    ]
    traces = []

    @tf.function(jit_compile=xla)
    def step(trainable, state, gradients):
        traces.append(1)
        return tf.vectorized_map(
            lambda lane: lanes[0].stateless_apply(lane[1], lane[2], lane[0]),
            (trainable, state, gradients),
            fallback_to_while_loop=False,
        )

    trainable = tensors(START)
    for gradients in GRADIENTS:
        trainable, stacked = step(trainable, stacked, tensors(gradients))
    assert len(traces) == 1
    for ours, theirs in zip(trainable, one_after_another(case), strict=True):
        assert np.allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-6)


def test_every_optimizer_has_a_case():
    tested = {optimizers.get(case.partition(" ")[0]) for case in CASES}
    public = {getattr(optimizers, name) for name in optimizers.__all__}
    rules = {c for c in public if isinstance(c, type) and issubclass(c, optimizers.RuleOptimizer)}
    assert rules - {optimizers.RuleOptimizer} == tested
