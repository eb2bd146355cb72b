"""Accuracy by arg-max, against NumPy, however the truth is given."""

import keras
import numpy as np
import pytest

from tuner_app.errors import UserError
from tuner_app.losses import ArgMaxAccuracy

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(50, 4))
LABELS = np.where(RNG.random(50) < 0.6, SCORES.argmax(-1), RNG.integers(0, 4, 50))
EXPECTED = np.mean(SCORES.argmax(-1) == LABELS)


@pytest.mark.parametrize(
    "truth",
    [LABELS, LABELS[:, None], LABELS.astype("float32"), np.eye(4)[LABELS]],
    ids=["numbers", "column", "floats", "one-hot"],
)
def test_truth_in_every_form(truth):
    metric = ArgMaxAccuracy()
    metric.update_state(truth[:20], SCORES[:20])
    metric.update_state(truth[20:], SCORES[20:])
    assert np.isclose(metric.result(), EXPECTED)
    weights = np.arange(50.0)
    metric.reset_state()
    metric.update_state(truth, SCORES, sample_weight=weights)
    right = SCORES.argmax(-1) == LABELS
    assert np.isclose(metric.result(), np.average(right, weights=weights))


def test_in_a_model_by_name_and_after_loading(tmp_path):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Activation("softmax")])
    model.compile(
        loss="tuner_app>SparseCategoricalCrossEntropy", metrics=["tuner_app>ArgMaxAccuracy"]
    )
    assert np.isclose(model.evaluate(SCORES, LABELS, verbose=0)[1], EXPECTED)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert np.isclose(loaded.evaluate(SCORES, LABELS, verbose=0)[1], EXPECTED)


def test_one_score_has_no_arg_max():
    with pytest.raises(UserError, match="End it in two outputs"):
        ArgMaxAccuracy().update_state([0, 1], [[0.2], [0.7]])
