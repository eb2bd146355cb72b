"""The data as each trial sees them."""

import numpy as np

from tuner_app import data
from tuner_app.trial_data import endless


def test_endless_batches_are_pass_after_pass_from_any_epoch_on():
    split = data.load("digits").validation

    def targets(batches):
        return [y.tolist() for _, y in batches.as_numpy_iterator()]

    per_pass = -(-split.size // 64)
    passes = split.batches(64, 5)
    expected = [one for _ in range(4) for one in targets(passes)]
    for first in (0, 1, 4):
        found = endless(split, 64, 5, steps_per_epoch=3, first_epoch=first).take(per_pass)
        begin = 3 * first
        assert targets(found) == expected[begin : begin + per_pass]
    assert not np.array_equal(expected[0], expected[per_pass])
