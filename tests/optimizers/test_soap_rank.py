"""SOAP where the gradient lacks rank: nothing moves along directions that it has no part in."""

import keras
import numpy as np
import pytest
from keras import ops

from tuner_app.optimizers import SOAP

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("rows, columns, rank", [(7, 2, 2), (6, 5, 3)])
def test_rounding_makes_no_step(rows, columns, rank):
    # All gradients have the singular vectors U and V, so the steps are Adam's on the singular
    # values, and exactly 0 elsewhere: there, rounding is all that float32 has to divide by itself.
    U, _ = np.linalg.qr(RNG.normal(size=(rows, rank)))
    V, _ = np.linalg.qr(RNG.normal(size=(columns, rank)))
    sigma = np.arange(3.0, 3.0 - rank, -1)
    start = RNG.normal(size=(rows, columns))
    variable = keras.Variable(start, dtype="float32")
    optimizer = SOAP(learning_rate=0.01, weight_decay=0.0, period=3)
    moved, m, v = np.zeros(rank), 0.0, 0.0
    for t, length in enumerate([1.0, 2.0, -0.5, 1.5, 0.7, -2.0, 1.0, 1.0]):
        gradient = (U * (length * sigma)) @ V.T
        optimizer.apply([ops.convert_to_tensor(gradient, "float32")], [variable])
        if t == 0:  # it only fills the matrices
            continue
        m = 0.95 * m + 0.05 * length * sigma
        v = 0.95 * v + 0.05 * (length * sigma) ** 2
        moved -= 0.01 * m / (1 - 0.95**t) / (np.sqrt(v / (1 - 0.95**t)) + 1e-8)
        got = ops.convert_to_numpy(variable) - start
        want = (U * moved) @ V.T
        assert np.abs(got - want).max() < 1e-3 * np.abs(want).max(), f"step {t + 1}"
