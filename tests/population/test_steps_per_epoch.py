"""Epochs of so many batches, out of an endless stream of passes through the data."""

import keras
import numpy as np
import pytest

from tuner_app.errors import UserError
from tuner_app.population import Population, alone
from tuner_app.population.data.order import permutation, stream

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 6)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int32")
BATCH, STEPS, EPOCHS = 8, 9, 3  # 6.25 batches are a pass


def build(rate):
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.3), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def test_the_stream_is_pass_after_pass_cut_into_epochs():
    passes = np.concatenate([permutation(7, 3, number) for number in range(4)])
    for count in (2, 7, 9):
        epochs = [stream(7, 3, epoch, count) for epoch in range(28 // count)]
        np.testing.assert_array_equal(np.concatenate(epochs), passes[: len(epochs) * count])


def test_a_stacks_epochs_are_those_of_fit_and_go_on_in_another_population():
    def population():
        return Population((X, Y), (X, Y), batch_size=BATCH, lanes=2, steps_per_epoch=STEPS)

    rates, curves = {1: 0.01, 2: 0.03}, {1: [], 2: []}
    found = population()
    for seed, rate in rates.items():
        found.admit(seed, lambda rate=rate: build(rate), seed=seed, epochs=EPOCHS)
    for epoch in range(EPOCHS):
        if epoch == 1:
            state, found = found.state_dict(), population()
            for seed, rate in rates.items():
                model = build(rate)
                found.admit(seed, model, seed=seed, epochs=EPOCHS, state=state[seed])
        for report in found.run_epoch():
            curves[report.key].append(report.logs)
    for seed, rate in rates.items():
        keras.utils.set_random_seed(seed)
        model = build(rate)
        how = {"batch_size": BATCH, "steps_per_epoch": STEPS, "epochs": EPOCHS, "verbose": 0}
        alone_ = alone.fit(model, X, Y, seed=seed, validation_data=(X, Y), **how)
        assert int(model.optimizer.iterations) == EPOCHS * STEPS
        for name, values in alone_.history.items():
            got = [logs[name] for logs in curves[seed]]
            np.testing.assert_allclose(got, values, rtol=1e-4, err_msg=name)


def test_steps_must_be_a_number_above_0():
    with pytest.raises(UserError, match="steps_per_epoch must be a whole number above 0, not 0"):
        Population((X, Y), steps_per_epoch=0)
