"""What a model gets wrong, from its outputs alone: no training, no TensorFlow."""

import base64
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix, mean_absolute_error, root_mean_squared_error

from tuner_app.results.report import mistakes

DRAW = np.random.default_rng(0)


def split(features, targets):
    return SimpleNamespace(in_memory=True, arrays=lambda: (features, targets))


def answering(outputs):
    return SimpleNamespace(predict=lambda features, verbose: outputs)


@pytest.fixture
def pictures():
    """Thirty images of three classes, and logits that take some for another."""
    images = DRAW.random((30, 5, 5, 1)).astype("float32")
    labels = DRAW.integers(3, size=30)
    logits = DRAW.normal(size=(30, 3)) * 3
    spec = SimpleNamespace(
        task="classification", kind="image", num_classes=3, class_names=("a", "b", "<c>")
    )
    return images, labels, logits, SimpleNamespace(spec=spec, validation=split(images, labels))


def test_the_confusion_is_scikit_learns_and_the_surest_mistakes_come_first(pictures):
    images, labels, logits, dataset = pictures
    found = mistakes.measured(answering(logits), dataset, "07")
    predicted = logits.argmax(axis=1)
    assert found["confusion"] == confusion_matrix(labels, predicted).tolist()
    assert found["wrong"] == (predicted != labels).sum() and found["examples"] == 30
    sure = [one["sure"] for one in found["shown"]]
    assert sure == sorted(sure, reverse=True) and len(sure) == min(24, found["wrong"])
    first = found["shown"][0]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = np.flatnonzero(predicted != labels)
    assert first["row"] == wrong[chances[wrong, predicted[wrong]].argmax()]
    assert (first["true"], first["predicted"]) == (labels[first["row"]], predicted[first["row"]])
    json.dumps(found, allow_nan=False)


def test_a_mistake_is_shown_as_the_picture_that_it_is(pictures):
    images, _, logits, dataset = pictures
    first = mistakes.measured(answering(logits), dataset, "07")["shown"][0]
    kind, encoded = first["image"].split(",")
    assert kind == "data:image/png;base64"
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))).astype("float64")
    image = images[first["row"], ..., 0].astype("float64")
    expected = 255 * (image - image.min()) / np.ptp(image)
    np.testing.assert_allclose(seen, expected, atol=0.51)
    wide = mistakes._picture(DRAW.random((200, 100, 3)))
    assert Image.open(io.BytesIO(base64.b64decode(wide.split(",")[1]))).size == (32, 64)


def test_numbers_are_in_the_targets_own_unit():
    true = DRAW.normal(50, 10, size=900)
    guessed = true + DRAW.normal(0, 3, size=900)
    spec = SimpleNamespace(task="regression", target_mean=50.0, target_std=10.0)
    scaled = ((true - 50) / 10)[:, None]
    dataset = SimpleNamespace(spec=spec, validation=split(np.zeros((900, 2)), scaled))
    found = mistakes.measured(answering(((guessed - 50) / 10)[:, None]), dataset, "07")
    assert found["mean_absolute_error"] == pytest.approx(mean_absolute_error(true, guessed))
    root = root_mean_squared_error(true, guessed)
    assert found["root_mean_squared_error"] == pytest.approx(root)
    assert len(found["pairs"]) == 400 and found["pairs"][0] == pytest.approx(
        [true[0], guessed[0]], rel=1e-5
    )
    assert found["worst"][0]["row"] == np.abs(guessed - true).argmax()


def test_what_was_found_is_kept_until_the_weights_are_newer(tmp_path):
    weights, file = tmp_path / "weights", tmp_path / mistakes.FILE
    weights.write_text("")
    assert mistakes._kept(file, weights) is None
    mistakes._keep(file, {"wrong": 3})
    assert mistakes._kept(file, weights) == {"wrong": 3}
    import os

    os.utime(weights, (file.stat().st_mtime + 5,) * 2)
    assert mistakes._kept(file, weights) is None
    file.write_text("{")
    os.utime(weights, (0, 0))
    assert mistakes._kept(file, weights) is None
    assert [path.name for path in tmp_path.glob("unfinished*")] == []
