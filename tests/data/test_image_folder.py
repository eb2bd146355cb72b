"""Image folders: real digits and photographs as PNG, JPEG, GIF and BMP files."""

import struct
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits, load_sample_image

from tuner_app import data
from tuner_app.data.image_header import image_size
from tuner_app.errors import UserError

IMAGES, DIGITS = load_digits(return_X_y=True)
IMAGES = (IMAGES.reshape(-1, 8, 8, 1) * 15).astype("uint8")


@pytest.fixture
def digits(tmp_path):
    """60 grey PNG images of three classes, 8 by 8."""
    root = tmp_path / "digits"
    for i in np.flatnonzero(DIGITS < 3)[:60]:
        folder = root / f"digit {DIGITS[i]}"
        folder.mkdir(parents=True, exist_ok=True)
        tf.io.write_file(str(folder / f"{i}.png"), tf.io.encode_png(IMAGES[i]))
    (root / ".hidden").mkdir()
    (root / "readme.txt").write_text("not a class")
    (root / "digit 0" / "notes.txt").write_text("not an image")
    return root


def test_images_are_the_files_rescaled(digits):
    dataset = data.load(f"images:{digits}", seed=1)
    assert dataset.spec.class_names == ("digit 0", "digit 1", "digit 2")
    assert dataset.spec.input_shape == (8, 8, 1) and dataset.spec.kind == "image"
    assert sum(dataset.spec.sizes.values()) == 60
    assert dataset.notes == ("Images are 8 by 8 (their own), grey.",)
    for split in (dataset.train, dataset.validation, dataset.test):
        for image, label in zip(*split.arrays(), strict=True):
            same = (IMAGES == np.round(image * 255)).all(axis=(1, 2, 3))
            assert label in DIGITS[same]


@pytest.mark.parametrize("options", ["", "?size=5x7"])
def test_streamed_images_are_the_images_in_memory(digits, options):
    whole = data.load(f"images:{digits}{options}")
    streamed = data.load(f"images:{digits}{options}", memory_limit=100)
    assert streamed.spec == whole.spec and not streamed.train.in_memory
    expected = [np.concatenate(x) for x in
                zip(*whole.train.batches(9, 4).as_numpy_iterator(), strict=True)]  # fmt: skip
    found = [np.concatenate(x) for x in
             zip(*streamed.train.batches(9, 4).as_numpy_iterator(), strict=True)]  # fmt: skip
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    assert (found[1] == expected[1]).all()


def test_saved_preprocessing_takes_images_of_any_size(digits, tmp_path):
    dataset = data.load(f"images:{digits}?size=4x6")
    dataset.preprocessing.save(tmp_path / "preprocessing.keras")
    loaded = keras.models.load_model(tmp_path / "preprocessing.keras", safe_mode=True)
    images = IMAGES[:5].repeat(2, axis=2)
    expected = tf.image.resize(images, (4, 6)) / 255
    np.testing.assert_allclose(loaded(images), expected, atol=1e-6)


def test_photographs_of_many_formats_and_sizes_get_one_size(tmp_path):
    """scikit-learn's two photographs, whole or cut, in every format and in colour or grey."""
    for name in ("china", "flower"):
        (tmp_path / name).mkdir()
        photo = load_sample_image(f"{name}.jpg")
        for i in range(6):
            cut = photo[i * 20 : 200 + i * 30, : 300 + i * 10]
            path = str(tmp_path / name / f"{i}")
            if i % 3 == 0:
                tf.io.write_file(path + ".png", tf.io.encode_png(cut))
            elif i % 3 == 1:
                tf.io.write_file(path + ".JPG", tf.io.encode_jpeg(cut))
            else:
                tf.io.write_file(path + ".jpeg", tf.io.encode_jpeg(cut[..., :1]))
    (tmp_path / "china" / "bmp.bmp").write_bytes(bmp(load_sample_image("china.jpg")))
    (tmp_path / "flower" / "gif.gif").write_bytes(GIF)
    dataset = data.load(f"images:{tmp_path}")
    assert dataset.spec.input_shape == (224, 224, 3)
    assert "their median, at most 224" in dataset.notes[0] and "colour" in dataset.notes[0]
    features = np.concatenate([dataset.train.arrays()[0], dataset.test.arrays()[0]])
    assert 0 <= features.min() and 0.9 < features.max() <= 1


def bmp(image):
    """A 24-bit BMP file: rows from the bottom, blue first, padded to four bytes."""
    height, width, _ = image.shape
    row = np.zeros((height, (width * 3 + 3) // 4 * 4), "uint8")
    row[:, : width * 3] = image[::-1, :, ::-1].reshape(height, -1)
    body = row.tobytes()
    return (
        b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(body), 0, 0, 0, 0) + body
    )  # fmt: skip


# Two by one pixels, white and black (GIF89a, with a global table of two colours).
GIF = (
    b"GIF89a\x02\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00"
    b",\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02D\n\x00;"
)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("format", ["png", "jpeg", "progressive"])
def test_header_sizes_equal_tensorflows(tmp_path, format, channels):
    image = load_sample_image("china.jpg")[:37, :53, :channels]
    encoded = {
        "png": lambda: tf.io.encode_png(image),
        "jpeg": lambda: tf.io.encode_jpeg(image),
        "progressive": lambda: tf.io.encode_jpeg(image, progressive=True, x_density=72),
    }[format]()
    path = tmp_path / "image"
    path.write_bytes(encoded.numpy())
    assert image_size(path) == tuple(tf.io.decode_image(encoded).shape) == (37, 53, channels)


def test_header_sizes_of_gif_and_bmp(tmp_path):
    (tmp_path / "a").write_bytes(bmp(load_sample_image("china.jpg")[:5, :7]))
    (tmp_path / "b").write_bytes(GIF)
    assert image_size(tmp_path / "a") == (5, 7, 3)
    assert image_size(tmp_path / "b") == (1, 2, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"hello", "it is not a JPEG, PNG, GIF or BMP image"),
        (tf.io.encode_png(IMAGES[0]).numpy()[:-9], "it is cut short"),
        (tf.io.encode_jpeg(IMAGES[0]).numpy()[:-9], "it is cut short"),
        (GIF[:-1], "it is cut short"),
        (bmp(np.zeros((3, 3, 3), "uint8"))[:-1], "it is cut short"),
        (b"\xff\xd8\xff\xd9", "its size can't be found"),
        (b"\xff\xd8\xff\xe0\x00\x00\xff\xe0\x00\x00\x00\x00\xff\xd9", "its size can't be found"),
    ],
)
def test_a_file_that_is_no_whole_image_is_named(digits, content, reason):
    bad = digits / "digit 1" / "bad.png"
    bad.write_bytes(content)
    with pytest.raises(UserError) as caught:
        data.check(f"images:{digits}")
    assert f"Image '{bad}' can't be read: {reason}" in str(caught.value)


def test_an_image_that_only_decoding_shows_to_be_broken_is_named(digits):
    bad = digits / "digit 1" / "bad.png"
    whole = tf.io.encode_png(IMAGES[0]).numpy()
    at = whole.index(b"IDAT")
    damaged = zlib.compress(b"far too little")
    chunk = struct.pack(">I", len(damaged)) + b"IDAT" + damaged
    chunk += struct.pack(">I", zlib.crc32(b"IDAT" + damaged))
    bad.write_bytes(whole[: at - 4] + chunk + whole[whole.index(b"IEND") - 4 :])
    data.check(f"images:{digits}")
    with pytest.raises(UserError, match="bad.png' can't be read"):
        data.load(f"images:{digits}")


def test_bad_folders(digits, tmp_path):
    with pytest.raises(UserError, match="does not exist; expected images:FOLDER with one folder"):
        data.check(f"images:{tmp_path / 'none'}")
    with pytest.raises(UserError, match="is not a folder"):
        data.check(f"images:{digits / 'readme.txt'}")
    with pytest.raises(UserError, match="no class; at least two are needed"):
        data.check(f"images:{digits / 'digit 0'}")
    with pytest.raises(UserError, match="size must be HEIGHTxWIDTH in pixels, like 64x96, got '8'"):
        data.check(f"images:{digits}?size=8")
    (digits / "new").mkdir()
    with pytest.raises(UserError, match="the folder 'new' has no image"):
        data.check(f"images:{digits}")
    (digits / "new" / "a.png").write_bytes(tf.io.encode_png(IMAGES[0]).numpy())
    with pytest.raises(UserError, match="class 'new' has 1 example"):
        data.check(f"images:{digits}")
    one = tmp_path / "one"
    one.mkdir()
    (digits / "digit 0").rename(one / "digit 0")
    with pytest.raises(UserError, match="only one class, 'digit 0'"):
        data.check(f"images:{one}")
