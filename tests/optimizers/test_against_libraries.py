"""Every rule against Keras and Optax, with the arguments at which the definitions agree.

The docstring of each optimizer says how its defaults differ from theirs.
"""

import keras
import numpy as np
import optax
import pytest

from tuner_app import optimizers

STEPS = 100
RATE = 0.01

# Ours, and the same by Keras. ε = 0 where the two place it differently.
KERAS = {
    "sgd": (optimizers.SGD(RATE), keras.optimizers.SGD(RATE)),
    "sgd with decay": (
        optimizers.SGD(RATE, weight_decay=0.1),
        keras.optimizers.SGD(RATE, weight_decay=0.1),
    ),
    "momentum": (optimizers.Momentum(RATE, rho=0.8), keras.optimizers.SGD(RATE, momentum=0.8)),
    "nesterov": (
        optimizers.Nesterov(RATE, rho=0.8),
        keras.optimizers.SGD(RATE, momentum=0.8, nesterov=True),
    ),
    "adagrad": (
        optimizers.Adagrad(RATE, initial_accumulator=0.1, epsilon=0.0),
        keras.optimizers.Adagrad(RATE, initial_accumulator_value=0.1, epsilon=0.0),
    ),
    "rmsprop": (
        optimizers.RMSprop(RATE, rho=0.95, epsilon=0.0),
        keras.optimizers.RMSprop(RATE, rho=0.95, epsilon=0.0),
    ),
    "adadelta": (
        optimizers.Adadelta(1.0, rho=0.9, epsilon=1e-4),
        keras.optimizers.Adadelta(1.0, rho=0.9, epsilon=1e-4),
    ),
    "adam": (
        optimizers.Adam(RATE, beta_1=0.8, beta_2=0.95, epsilon=0.0),
        keras.optimizers.Adam(RATE, beta_1=0.8, beta_2=0.95, epsilon=0.0),
    ),
    "adamw": (
        optimizers.AdamW(RATE, weight_decay=0.1, epsilon=0.0),
        keras.optimizers.AdamW(RATE, weight_decay=0.1, epsilon=0.0),
    ),
    "lion": (
        optimizers.Lion(RATE, weight_decay=0.1),
        keras.optimizers.Lion(RATE, weight_decay=0.1),
    ),
    "amsgrad": (
        optimizers.AMSGrad(RATE, epsilon=0.0),
        keras.optimizers.Adam(RATE, amsgrad=True, epsilon=0.0),
    ),
    "lamb": (optimizers.Lamb(RATE), keras.optimizers.Lamb(RATE, epsilon=1e-6)),
}

OPTAX = {
    "sgd": (optimizers.SGD(RATE), optax.sgd(RATE)),
    "sgd with penalty": (
        optimizers.SGD(RATE, l2=0.1),
        optax.chain(optax.add_decayed_weights(0.1), optax.sgd(RATE)),
    ),
    "momentum": (optimizers.Momentum(RATE, rho=0.8), optax.sgd(RATE, momentum=0.8)),
    "nesterov": (optimizers.Nesterov(RATE, rho=0.8), optax.sgd(RATE, momentum=0.8, nesterov=True)),
    "adagrad": (
        optimizers.Adagrad(RATE, initial_accumulator=0.1, epsilon=0.0),
        optax.adagrad(RATE, initial_accumulator_value=0.1, eps=0.0),
    ),
    "rmsprop": (
        optimizers.RMSprop(RATE, rho=0.95, epsilon=1e-3),
        optax.rmsprop(RATE, decay=0.95, eps=1e-3, eps_in_sqrt=False),
    ),
    "adadelta": (
        optimizers.Adadelta(1.0, rho=0.9, epsilon=1e-4),
        optax.adadelta(1.0, rho=0.9, eps=1e-4),
    ),
    "adam": (optimizers.Adam(RATE, epsilon=1e-3), optax.adam(RATE, eps=1e-3)),
    "adam inside the root": (
        optimizers.Adam(RATE, epsilon=1e-3, epsilon_inside_root=True),
        optax.adam(RATE, eps=0.0, eps_root=1e-3),
    ),
    "adam with penalty": (
        optimizers.Adam(RATE, l2=0.1),
        optax.chain(optax.add_decayed_weights(0.1), optax.adam(RATE)),
    ),
    "adamw": (
        optimizers.AdamW(RATE, weight_decay=0.1),
        optax.adamw(RATE, weight_decay=0.1),
    ),
    "lion": (optimizers.Lion(RATE, weight_decay=0.1), optax.lion(RATE, weight_decay=0.1)),
    "nadam": (optimizers.Nadam(RATE), optax.nadam(RATE)),
    "radam": (optimizers.RAdam(RATE, beta_2=0.99), optax.radam(RATE, b2=0.99)),
    "lamb": (optimizers.Lamb(RATE), optax.lamb(RATE)),
    "adabelief": (optimizers.AdaBelief(RATE), optax.adabelief(RATE)),
}


def gradients():
    """A fixed sequence: the optimizers are compared, not the problems."""
    rng = np.random.default_rng(4)
    return [rng.normal(0.3, 1.0, size=(4, 3)).astype("float32") for _ in range(STEPS)]


START = np.random.default_rng(5).normal(size=(4, 3)).astype("float32")


def run(optimizer):
    w = keras.Variable(START)
    for g in gradients():
        optimizer.apply([keras.ops.convert_to_tensor(g)], [w])
    return w.numpy()


@pytest.mark.parametrize("name", KERAS)
def test_equal_to_keras(name):
    ours, theirs = KERAS[name]
    assert np.allclose(run(ours), run(theirs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPTAX)
def test_equal_to_optax(name):
    ours, theirs = OPTAX[name]
    w, state = START, theirs.init(START)
    for g in gradients():
        updates, state = theirs.update(g, state, w)
        w = optax.apply_updates(w, updates)
    assert np.allclose(run(ours), np.asarray(w), rtol=1e-4, atol=1e-5)
