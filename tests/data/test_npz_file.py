"""NPZ files: forms, tasks, streaming, and what is refused."""

import io
import os
import random
import zipfile

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_wine

from tuner_app import data
from tuner_app.errors import UserError

IMAGES, DIGITS = load_digits(return_X_y=True)
IMAGES = IMAGES.reshape(-1, 8, 8)


def saved(tmp_path, save=np.savez, **arrays):
    save(tmp_path / "arrays.npz", **arrays)
    return f"npz:{tmp_path / 'arrays.npz'}"


def test_a_table_is_standardised_by_its_training_rows(tmp_path):
    table = load_wine()
    names = table.target_names[table.target]
    dataset = data.load(saved(tmp_path, x=table.data, y=names), seed=1)
    assert dataset.spec.class_names == ("class_0", "class_1", "class_2")
    assert dataset.spec.kind == "tabular" and dataset.spec.input_shape == (13,)
    raw = dataset.train.raw.astype("float64")
    expected = (dataset.test.raw - raw.mean(axis=0)) / raw.std(axis=0)
    np.testing.assert_allclose(dataset.test.arrays()[0], expected, rtol=1e-4, atol=1e-5)
    # Rows and labels stay together.
    places = [np.flatnonzero((table.data == row).all(axis=1))[0] for row in dataset.test.raw]
    assert (table.target[places] == dataset.test.arrays()[1]).all()


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_images_are_scaled_by_channel(tmp_path, channels):
    images = IMAGES[:200]
    if channels:
        images = np.stack([images * (i + 1) + i for i in range(channels)], axis=-1)
    dataset = data.load(saved(tmp_path, x=images.astype("uint8"), y=DIGITS[:200]))
    assert dataset.spec.kind == "image" and dataset.spec.input_shape == (8, 8, channels or 1)
    features = dataset.train.arrays()[0].reshape(-1, channels or 1).astype("float64")
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-5)
    # Raw images as they are in the file go through the saved preprocessing too.
    assert np.asarray(dataset.preprocessing(images[:3])).shape == (3, 8, 8, channels or 1)


def test_given_splits_are_kept(tmp_path):
    parts = {"train": slice(0, 1200), "val": slice(1200, 1500), "test": slice(1500, None)}
    arrays = {f"x_{name}": IMAGES[rows] for name, rows in parts.items()}
    arrays |= {f"y_{name}": DIGITS[rows] for name, rows in parts.items()}
    dataset = data.load(saved(tmp_path, **arrays))
    assert dataset.spec.sizes == {"train": 1200, "validation": 300, "test": 297}
    assert (dataset.validation.raw[..., 0] == IMAGES[1200:1500]).all()
    assert (dataset.test.arrays()[1] == DIGITS[1500:]).all()
    del arrays["x_val"], arrays["y_val"]
    dataset = data.load(saved(tmp_path, **arrays))
    assert dataset.spec.sizes == {"train": 1020, "validation": 180, "test": 297}
    assert (dataset.test.arrays()[1] == DIGITS[1500:]).all()


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (DIGITS.astype("float64"), 10),
        (DIGITS[:, None], 10),
        (DIGITS > 4, 2),
        (np.eye(10)[DIGITS], 10),
        (DIGITS.astype("S1"), 10),
        (DIGITS + 0.25, None),
        (np.arange(len(DIGITS)), None),
    ],
    ids=["float", "column", "bool", "one-hot", "bytes", "fractions", "many"],
)
def test_the_task_is_found_from_y(tmp_path, y, classes):
    dataset = data.load(saved(tmp_path, x=IMAGES, y=y))
    assert dataset.spec.num_classes == classes
    if classes == 10:
        places = [np.flatnonzero((IMAGES == image[..., 0]).all(axis=(1, 2)))[0]
                  for image in dataset.test.raw]  # fmt: skip
        assert (dataset.test.arrays()[1] == DIGITS[places]).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_streamed_arrays_are_the_arrays_in_memory(tmp_path, save, order):
    measurements, targets = load_diabetes(return_X_y=True, scaled=False)
    arrays = {
        "x_train": np.array(measurements[:300], order=order),
        "y_train": targets[:300],
        "x_test": np.array(measurements[300:], order=order),
        "y_test": targets[300:],
    }
    spec = saved(tmp_path, save, **arrays)
    whole = data.load(spec, seed=2)
    streamed = data.load(spec, seed=2, memory_limit=1000, cache_folder=tmp_path / "cache")
    assert streamed.spec == whole.spec
    for name in ("train", "validation", "test"):
        here, there = getattr(whole, name), getattr(streamed, name)
        assert not there.in_memory
        for seed in (None, 9):
            expected = here.batches(64, seed).as_numpy_iterator()
            for a, b in zip(expected, there.batches(64, seed).as_numpy_iterator(), strict=True):
                np.testing.assert_allclose(a[0], b[0], atol=1e-6)
                assert (a[1] == b[1]).all()


X = np.ones((20, 3)) * np.arange(20)[:, None]
Y = np.arange(20) % 2
BAD = {
    "unequal lengths": ({"x": X, "y": Y[:19]}, "x has shape (20, 3) and y (19,); they need"),
    "wrong keys": ({"a": X, "y": Y}, "holds the arrays a, y; expected x and y, or x_train"),
    "half a pair": ({"x_train": X, "y_train": Y, "x_test": X}, "expected x and y, or x_train"),
    "objects": ({"x": X, "y": np.array([{}] * 20)}, "array 'y' holds pickled Python objects"),
    "not a number": ({"x": np.where(X == 7, np.nan, X), "y": Y}, "x holds nan in example 7"),
    "infinite": ({"x": X, "y": np.where(Y, np.inf, 0)}, "y holds inf in example 1"),
    "too large": ({"x": X * 1e38, "y": Y}, "x holds 4e+38 in example 4"),
    "text": ({"x": X.astype("U"), "y": Y}, "x is <U32; expected numbers"),
    "complex": ({"x": X + 1j, "y": Y}, "x is complex128; expected numbers"),
    "a single number": ({"x": np.float64(1), "y": Y}, "x has shape () and y (20,)"),
    "no values": ({"x": X[:, :0], "y": Y}, "x has shape (20, 0); expected (n, features)"),
    "five axes": ({"x": X.reshape(20, 1, 1, 1, 3), "y": Y}, "(20, 1, 1, 1, 3); expected"),
    "channels first": ({"x": np.ones((20, 3, 8, 8)), "y": Y}, "looks like channels first"),
    "many targets": ({"x": X, "y": X}, "y has shape (20, 3); expected one target an example"),
    "one class": ({"x": X, "y": Y * 0}, "only one class, '0'"),
    "rare class": ({"x": X, "y": np.r_[Y[:19], 5]}, "class '5' has 1 example"),
    "too small": ({"x": X[:9], "y": Y[:9]}, "has 9 examples, too few to split"),
    "other shape in test": (
        {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y},
        "an example in x_test has shape (2,), in x_train (3,)",
    ),
    "empty test": (
        {"x_train": X, "y_train": Y, "x_test": X[:0], "y_test": Y[:0]},
        "x_test has no examples",
    ),
    "class not trained": (
        {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1},
        "class '2' has 0 examples",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays(tmp_path, case):
    arrays, expected = BAD[case]
    with pytest.raises(UserError) as caught:
        data.check(saved(tmp_path, **arrays))
    assert expected in str(caught.value) and "arrays.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path):
    for content in (b"", b"PK\x03\x04", b"\x93NUMPY", b"x,y\n1,2\n"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(UserError, match="can't be read .* expected a file that numpy.savez"):
            data.check(f"npz:{tmp_path / 'bad.npz'}")
    with pytest.raises(UserError, match="does not exist; expected npz:FILE"):
        data.check("npz:none.npz")


def test_a_pickle_is_never_loaded(tmp_path):
    ran = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return (os.mkdir, (str(ran),))

    np.savez(tmp_path / "arrays.npz", x=X, y=np.array([Payload()] * 20, object))
    with pytest.raises(UserError, match="pickled"):
        data.load(f"npz:{tmp_path / 'arrays.npz'}")
    assert not ran.exists()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_random_and_damaged_files_are_refused_or_read(tmp_path, save):
    """Whatever the bytes: a `UserError` or success, nothing else."""
    dice = random.Random(1)
    buffer = io.BytesIO()
    save(buffer, x=X, y=Y)
    good, path = buffer.getvalue(), tmp_path / "arrays.npz"
    refused = 0
    for i in range(250):
        content = bytearray(good if i % 5 else dice.randbytes(dice.randrange(400)))
        if i % 5 == 1:
            del content[dice.randrange(len(content)) :]
        for _ in range(dice.randrange(1, 5)):
            if content:
                content[dice.randrange(len(content))] = dice.randrange(256)
        path.write_bytes(content)
        try:
            data.check(f"npz:{path}")
        except UserError:
            refused += 1
    assert 150 < refused < 250  # some changes hit padding or dates, and do no harm


def test_headers_that_lie_are_refused(tmp_path):
    """A damaged header inside a sound zip file: the checksums don't help there."""
    dice = random.Random(2)
    buffer = io.BytesIO()
    np.save(buffer, X)
    good, path = buffer.getvalue(), tmp_path / "arrays.npz"
    answers = io.BytesIO()
    np.save(answers, Y)
    refused = 0
    for _ in range(200):
        content = bytearray(good)
        for _ in range(dice.randrange(1, 3)):
            content[dice.randrange(80)] = dice.choice(b"0123456789(){}',<fiOUSV \n\xff")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", bytes(content))
            archive.writestr("y.npy", answers.getvalue())
        try:
            data.check(f"npz:{path}")
        except UserError:
            refused += 1
    assert refused > 100
