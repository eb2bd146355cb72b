"""The reference that every stacked result is held to: plain Keras, one trial at a time.

`plain_keras` trains by the model's own `fit`, an epoch at a time, in the population's data order
and, on TensorFlow, with the seam's random numbers (a stack can't draw TensorFlow's own).
"""

import keras
import numpy as np
import pytest

from tuner_app.population import Population
from tuner_app.population.compiled.seam import seam
from tuner_app.population.data.order import permutation
from tuner_app.population.lanes.lane import initial_values


def _take(data, index):
    return keras.tree.map_structure(lambda a: a[index], data)


def _train_alone(model, train, validation, batch_size, seed, epochs, class_weight=None):
    """History, as a list of logs, and final weights."""
    values = initial_values(model, seed)
    for part in ("trainable", "non_trainable"):
        for variable, value in zip(getattr(model, f"{part}_variables"), values[part], strict=True):
            variable.assign(value)
    model.run_eagerly = keras.backend.backend() == "tensorflow"
    x, y, *weight = train
    size, history = len(keras.tree.flatten(x)[0]), []
    # `fit` ends by putting averaged weights in place; here it runs once an epoch.
    finalize = model.optimizer.finalize_variable_values
    object.__setattr__(model.optimizer, "finalize_variable_values", lambda variables: None)
    # Convolutions and the like stay Keras's own: only random numbers come from the seam.
    with seam(plain=True):
        for epoch in range(epochs):
            order = permutation(size, seed, epoch)
            extra = {"sample_weight": weight[0][order]} if weight else {}
            found = model.fit(
                _take(x, order),
                _take(y, order),
                batch_size=batch_size,
                shuffle=False,
                class_weight=class_weight,
                verbose=0,
                **extra,
            )
            logs = {name: values[0] for name, values in found.history.items()}
            if validation is not None:
                # Some layers draw random numbers while they evaluate; a stack keeps a trial's for
                # its training steps.
                states = [keras.ops.convert_to_numpy(v) for v in model.non_trainable_variables]
                names = ("x", "y", "sample_weight")
                held_out = dict(zip(names, validation, strict=False))
                found = model.evaluate(
                    **held_out, batch_size=batch_size, verbose=0, return_dict=True
                )
                logs |= {f"val_{name}": value for name, value in found.items()}
                for variable, state in zip(model.non_trainable_variables, states, strict=True):
                    variable.assign(state)
            history.append({name: float(value) for name, value in logs.items()})
    finalize(model.trainable_weights)
    return history, model.get_weights()


@pytest.fixture
def plain_keras():
    return _train_alone


@pytest.fixture
def stacked_equals_plain():
    """check(build, choices, train, validation, ...): each choice stacked and alone in Keras.

    `build(**choice)` returns a compiled model. Compares every epoch's logs and the last weights;
    returns the population. All choices must share one stack.
    """

    def check(
        build,
        choices,
        train,
        validation=None,
        batch_size=4,
        epochs=2,
        tolerance=2e-5,
        class_weight=None,
        stacks=1,
        jit_compile=None,
    ):
        population = Population(
            train,
            validation,
            batch_size=batch_size,
            lanes=len(choices),
            class_weight=class_weight,
            jit_compile=jit_compile,
        )
        initial = []
        for key, choice in enumerate(choices):
            keras.utils.set_random_seed(key)
            model = build(**choice)
            population.admit(key, model, seed=key, epochs=epochs)
            initial.append(model.get_weights())
        reports = [report for _ in range(epochs) for report in population.run_epoch()]
        rejected = population.take_rejected()
        assert rejected == {}, rejected
        assert population.stats.stacks == stacks
        for key, choice in enumerate(choices):
            keras.utils.set_random_seed(key)
            model = build(**choice)
            history, weights = _train_alone(
                model, train, validation, batch_size, key, epochs, class_weight
            )
            mine = [report.logs for report in reports if report.key == key]
            for got, want in zip(mine, history, strict=True):
                assert got.keys() == want.keys()
                for name in want:
                    np.testing.assert_allclose(
                        got[name], want[name], rtol=20 * tolerance, atol=tolerance, err_msg=name
                    )
            lane = population.lane(key).get_weights()
            for got, want, start in zip(lane, weights, initial[key], strict=True):
                assert got.shape == want.shape == start.shape
                np.testing.assert_allclose(got, want, rtol=20 * tolerance, atol=tolerance)
        return population

    return check


@pytest.fixture
def rows_stack_as_plain(stacked_equals_plain):
    """check(rows, dtype="float32"): layers in one model, each a branch of it.

    A row is (class, shape of one example, function of the lane's number): the function gives the
    layer, or a function of a symbolic tensor that calls it. Inputs are random numbers between 0
    and 1, or whole numbers below 7. A row that differs is named by its head.
    """

    def check(rows, dtype="float32", examples=8, tolerance=1e-4):
        L = keras.layers
        shapes = list(dict.fromkeys(shape for _, shape, _ in rows))

        def build(rate):
            inputs = {shape: L.InputLayer(shape, dtype=dtype).output for shape in shapes}
            heads = []
            for kind, shape, layer in rows:
                x = L.Flatten()(layer(rate)(inputs[shape]))
                heads.append(L.Dense(2, name=f"of_{kind.__name__}")(x))
            x = L.Concatenate()(heads) if len(heads) > 1 else heads[0]
            given = list(inputs.values())
            model = keras.Model(given if len(given) > 1 else given[0], L.Dense(3)(x))
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.SGD(0.05), loss, metrics=["accuracy"])
            return model

        rng = np.random.default_rng(0)
        draw = rng.random if dtype == "float32" else lambda size: rng.integers(0, 7, size)
        x = [draw((examples, *shape)).astype(dtype) for shape in shapes]
        data = x if len(x) > 1 else x[0], rng.integers(0, 3, examples).astype("int32")
        stacked_equals_plain(
            build,
            [{"rate": 0.2}, {"rate": 0.4}],
            data,
            _take(data, slice(4)),  # one batch
            epochs=1,
            jit_compile=False,
            tolerance=tolerance,
        )

    return check
