"""The optimizers on Keras's JAX backend, in a process of its own: the backend is chosen at import.

The process takes a few steps with each optimizer; with one of each kind (all tensors at once, two
gradients, its own decay, another evaluation point, a condition inside) it trains a model by `fit`'s
own steps, saves, loads and goes on; it prints the weights. The same is done here on TensorFlow,
from the same start, and the two must agree.
"""

import json
import os
import subprocess
import sys

import numpy as np

from tuner_app import optimizers

SCRIPT = """
import json, os, sys, tempfile
import keras
import numpy as np
from tuner_app import losses, optimizers

def weights(model):
    return np.concatenate([np.ravel(w) for w in model.get_weights()])

def train(model):
    rng = np.random.default_rng(1)
    for _ in range(4):
        x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
        model.train_on_batch(x.astype("float32"), y.astype("float32"))

IN_FIT = {"prodigy", "schedule_free_adamw", "sam", "soap"}
START = [np.random.default_rng(2).normal(size=shape) for shape in ((4, 3), (3,))]

compiled = []
if keras.backend.backend() == "jax":
    import jax
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **about: compiled.append(event) if "compile" in event else None
    )

def applied(optimizer):
    rng = np.random.default_rng(3)
    variables = [keras.Variable(start, dtype="float32", name="w") for start in START]
    for _ in range(3):
        gradients = [rng.normal(size=start.shape) for start in START]
        tensors = [keras.ops.convert_to_tensor(g, "float32") for g in gradients]
        before = len(compiled)
        optimizer.apply(tensors, variables)
    assert compiled[before:] == [], "its third eager step still compiles: " + optimizer.name
    return np.concatenate([np.ravel(variable.numpy()) for variable in variables])

def trained(optimizer, name):
    model = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    model.compile(optimizer, losses.MeanSquaredError())
    train(model)
    if hasattr(optimizer, "beta_1"):
        optimizer.beta_1 = 0.5
    with tempfile.TemporaryDirectory() as folder:
        model.save(os.path.join(folder, "model.keras"))
        loaded = keras.models.load_model(os.path.join(folder, "model.keras"), safe_mode=True)
    train(model)
    train(loaded)
    assert np.array_equal(weights(model), weights(loaded)), name
    return weights(model)

def results(names):
    for name in names:
        arguments = {"learning_rate": 0.01, "weight_decay": 0.1, "l2": 0.1, "clipnorm": 0.5}
        if name in ("shampoo", "soap"):
            arguments["epsilon"] = 0.01
        optimizer = optimizers.get(name)(**arguments)
        yield name, trained(optimizer, name) if name in IN_FIT else applied(optimizer)

if __name__ == "__main__":
    found = {name: result.tolist() for name, result in results(sys.argv[1:])}
    print(json.dumps({"backend": keras.backend.backend(), "weights": found}))
"""


def start(backend, names):
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *names],
        env=environment | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def weights_of(process, backend):
    try:
        output, errors = process.communicate(timeout=1800)
    finally:
        process.kill()
    assert process.returncode == 0, errors[-2000:]
    result = json.loads(output.splitlines()[-1])
    assert result["backend"] == backend
    return result["weights"]


def test_jax_and_tensorflow_train_alike():
    names = [
        c.__module__.rpartition(".")[2]
        for c in map(vars(optimizers).get, optimizers.__all__)
        if isinstance(c, type) and issubclass(c, optimizers.RuleOptimizer)
    ]
    names.remove("rule_optimizer")
    process = start("jax", names)
    try:
        here = {"__name__": "here"}
        exec(SCRIPT, here)
        tensorflow = dict(here["results"](names))
    finally:
        jax = weights_of(process, "jax")
    assert set(jax) == set(tensorflow) == set(names)
    for name in names:
        # The full matrix is float64 on TensorFlow and float32 on JAX (see the rule). SOAP's first
        # gradients lack full rank, and its step depends on the basis chosen where they vanish.
        tolerance = 1e-2 if name in ("full_matrix_adagrad", "soap") else 1e-5
        assert np.allclose(jax[name], tensorflow[name], rtol=tolerance, atol=tolerance), name
