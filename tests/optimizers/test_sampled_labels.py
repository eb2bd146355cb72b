"""The layer of Sophia-G: whose gradient it sends back in which step, and what it draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner_app.errors import UserError
from tuner_app.optimizers import SampledLabels, Sophia

PERIOD, BATCH = 3, 4000
LOGITS = np.tile([[0.5, -1.0, 0.2]], (BATCH, 1)).astype("float32")
P = np.exp(LOGITS[0].astype("float64")) / np.exp(LOGITS[0].astype("float64")).sum()


def gradient_and_loss(layer, logits, training=True):
    """Of a loss of 2 Σ logits behind the layer, with what the layer adds."""
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = layer(x, training=training)
        loss = 2.0 * tf.reduce_sum(out) + sum(layer.losses)
    assert np.array_equal(out, logits)
    return tape.gradient(loss, x).numpy().astype("float64"), float(loss)


def test_the_first_step_of_each_period_measures_and_the_others_train():
    layer = SampledLabels(period=PERIOD, seed=1)
    layer.build(LOGITS.shape)
    for step in range(2 * PERIOD):
        gradient, loss = gradient_and_loss(layer, LOGITS)
        assert loss == pytest.approx(2 * LOGITS.sum(), rel=1e-5)  # the value is the loss's own
        if step % PERIOD:
            assert np.array_equal(gradient, np.full_like(gradient, 2.0))
        else:
            # √B times the mean cross-entropy's: (p − y) / √B, with a drawn label in every y
            y = P - gradient * np.sqrt(BATCH)
            assert np.allclose(np.sort(y, axis=1), [0, 0, 1], atol=1e-4)
            # Drawn from p: the frequencies lie within 4 standard deviations.
            assert np.all(np.abs(y.mean(0) - P) < 4 * np.sqrt(P * (1 - P) / BATCH))
    gradient, _ = gradient_and_loss(layer, LOGITS, training=False)
    assert np.array_equal(gradient, np.full_like(gradient, 2.0))
    assert float(layer.steps) == 2 * PERIOD  # evaluation is not counted


def make_model():
    model = keras.Sequential(
        [keras.layers.Input((2,)), keras.layers.Dense(3), SampledLabels(period=2, seed=5)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(Sophia(0.1, period=2, beta_2=0.75), loss, run_eagerly=True)
    return model


def test_sophia_gets_the_estimate_of_the_paper(tmp_path):
    model, x = make_model(), np.array([[1.0, -2.0]], "float32")
    logits = model.predict_on_batch(x)[0].astype("float64")
    p = np.exp(logits) / np.exp(logits).sum()
    before = [w.copy() for w in model.get_weights()[:2]]
    model.train_on_batch(x, np.array([0]))
    assert all(map(np.array_equal, model.get_weights()[:2], before))  # this step only measures
    # For a batch of one, B ĝ² is (p − y)² for the bias and x² times that for the kernel.
    slots = [v for v in model.optimizer.variables if v.name.endswith("_h")]
    h = {tuple(slot.shape): slot.numpy() for slot in slots}
    candidates = [0.25 * (p - y) ** 2 for y in np.eye(3)]
    (drawn,) = [c for c in candidates if np.allclose(h[(3,)], c, rtol=1e-3, atol=1e-7)]
    assert np.allclose(h[(2, 3)], np.outer(x[0] ** 2, drawn), rtol=1e-3, atol=1e-7)

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    loaded.run_eagerly = True
    for _ in range(3):  # a training step, the next that measures, and one that uses it
        for m in (model, loaded):
            m.train_on_batch(x, np.array([0]))
    assert all(map(np.array_equal, model.get_weights(), loaded.get_weights()))
    assert not np.array_equal(model.get_weights()[0], before[0])


@pytest.mark.parametrize("period", [0, 2.5, True])
def test_a_period_is_a_number_of_steps(period):
    with pytest.raises(UserError, match="expected a whole number of steps"):
        SampledLabels(period=period)
