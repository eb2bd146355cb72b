"""The same trial alone, among 10, among 100 of other optimizers, and gone on with: one history."""

import functools

import keras
import numpy as np

from tuner_app.population import Population

L, K = keras.layers, keras.optimizers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 5)).astype("float32")
Y = RNG.integers(0, 3, 16).astype("int32")
EPOCHS = 2
RULES = (K.AdamW, functools.partial(K.SGD, momentum=0.9))


def build(number):
    """The trial of this number; 0 is the one whose neighbours change."""
    model = keras.Sequential(
        [
            L.Input((5,)),
            L.Dense(4, "relu"),
            L.Dropout(0.1 + 0.002 * number),
            L.BatchNormalization(),
            L.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = 0.01 if number == 0 else 0.001 * number
    model.compile(RULES[number % len(RULES)](rate), loss)
    return model


def admit(population, key, number, **options):
    make = functools.partial(build, number)
    population.admit(key, make, seed=number, epochs=EPOCHS, **options)


def test_a_trial_is_the_same_whatever_shares_its_stack():
    p = Population((X, Y), (X[:8], Y[:8]), batch_size=8, lanes=100, jit_compile=False)
    histories, state = {}, None
    for neighbours in (0, 9, 99):
        keys = [*range(1, neighbours // 2 + 1), "it", *range(neighbours // 2 + 1, neighbours + 1)]
        if state is not None:
            keys[-1] = "gone on"
        for key in keys:
            kept = {"state": state} if key == "gone on" else {}
            admit(p, key, key if isinstance(key, int) else 0, **kept)
        for _ in range(EPOCHS):
            for report in p.run_epoch():
                if not isinstance(report.key, int):
                    of_one = histories.setdefault((report.key, neighbours), [])
                    of_one.append([report.logs[name] for name in sorted(report.logs)])
                if report.done:
                    if report.key == "it":
                        histories["it", neighbours].append(p.lane("it").get_weights())
                    p.retire(report.key)
            if "it" in p and neighbours == 9:
                state = p.state_dict()["it"]
    assert p.take_rejected() == {}
    assert p.stats.stacks == 1
    alone, last = histories["it", 0][:EPOCHS], histories["it", 0][EPOCHS]
    for number in (9, 99):
        np.testing.assert_allclose(histories["it", number][:EPOCHS], alone, rtol=1e-5, atol=1e-6)
        for got, want in zip(histories["it", number][EPOCHS], last, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    # From the state after one epoch among 10, beside the very same trial and 98 others.
    np.testing.assert_allclose(histories["gone on", 99], alone[1:], rtol=1e-5, atol=1e-6)
