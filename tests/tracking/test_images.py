"""The sheet of misclassified images, as a picture and as a real server gives it."""

import io
import json
import urllib.parse

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from tuner_app.data import DataSpec
from tuner_app.tracking import images

SPEC = DataSpec(
    "shapes", "classification", "image", (4, 4, 1), num_classes=2, class_names=("a", "b")
)


class Split:
    """Ten images; an image's value is the logit of class "b"."""

    logits = np.array([5, -4, 3, -2, 1, -1, 2, -3, 4, -5], "float32")
    labels = np.array([1, 0, 0, 1, 1, 0, 0, 0, 1, 0], "int32")

    def batches(self, batch_size):
        pictures = np.broadcast_to(self.logits[:, None, None, None], (10, 4, 4, 1))
        return tf.data.Dataset.from_tensor_slices((pictures, self.labels)).batch(6)


def network():
    """Logits (0, the image's value)."""
    inputs = keras.Input((4, 4, 1))
    value = keras.layers.GlobalAveragePooling2D()(inputs)
    zero = keras.layers.Rescaling(0.0)(value)
    return keras.Model(inputs, keras.layers.Concatenate()([zero, value]))


def test_finds_the_surest_mistakes_first():
    count, wrong = images.misclassified(network(), Split(), most=2)
    assert count == 3  # of logits 3 and 2, which are "a", and of -2, which is "b"
    assert [(float(image[0, 0, 0]), true, said) for image, true, said in wrong] == [
        (3.0, 0, 1),
        (-2.0, 1, 0),
    ]


def test_the_model_is_given_arrays_which_every_backend_takes(monkeypatch):
    model, given = network(), []
    predict = model.predict_on_batch
    monkeypatch.setattr(
        model, "predict_on_batch", lambda x: given.append(type(x)) or predict(np.asarray(x))
    )
    images.misclassified(model, Split(), most=2)
    assert given == [np.ndarray, np.ndarray]


def test_shows_each_image_with_its_true_and_its_predicted_class():
    dark, bright = np.zeros((2, 2, 1)), np.ones((2, 2, 1))
    picture = images.sheet([dark, bright], [0, 1], [1, 0], ("a", "b"))
    side, gap = images.SIDE, images.GAP
    assert (picture[gap : gap + side, gap : gap + side] == 0).all()
    assert (picture[gap : gap + side, 2 * gap + side : 2 * (gap + side)] == 255).all()
    below = picture[gap + side :]
    for colour in (images.TRUE, images.PREDICTED):
        assert (below == colour).all(axis=-1).any()


def test_a_colour_image_keeps_its_colours():
    red = np.zeros((2, 2, 3))
    red[..., 0] = 1
    picture = images.sheet([red], [0], [1], ("a", "b"))
    assert picture[images.GAP + 1, images.GAP + 1].tolist() == [255, 0, 0]


def test_a_long_name_ends_where_the_next_image_begins():
    font = images.ImageFont.load_default(12)
    name = images.fitted("a very long name of a class", font)
    assert name.startswith("a very") and name.endswith("…")
    assert font.getlength(name) <= images.SIDE


def test_a_real_server_gives_the_picture(tmp_path, tensorboard):
    # Twice, as after a resume: the second sheet replaces the first.
    for trial_id in ("3", "5"):
        count = images.write_misclassified(tmp_path, trial_id, network(), SPEC, Split())
    assert count == 3
    server = tensorboard(tmp_path)
    tags = server.eventually(
        lambda: json.loads(server.get("images/tags")), lambda tags: images.RUN in tags
    )
    assert "Trial 5: 3 validation examples wrong" in tags[images.RUN][images.TAG]["description"]
    (entry,) = json.loads(server.get("images/images", run=images.RUN, tag=images.TAG, sample=0))
    query = dict(urllib.parse.parse_qsl(entry["query"]))
    picture = Image.open(io.BytesIO(server.get("images/individualImage", **query)))
    _, wrong = images.misclassified(network(), Split(), most=48)
    expected = images.sheet(*zip(*wrong, strict=True), SPEC.class_names)
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), expected)
    assert server.stop()[0] == 0


def test_nothing_is_written_for_tables(tmp_path):
    spec = DataSpec(
        "table", "classification", "tabular", (4,), num_classes=2, class_names=("a", "b")
    )
    assert images.write_misclassified(tmp_path, "0", network(), spec, Split()) is None
    assert not (tmp_path / "tensorboard").exists()
