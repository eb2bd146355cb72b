"""`tfds:` on builders that are prepared here, without a network."""

import socket
import struct
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from sklearn.datasets import load_digits, load_iris
from tensorflow_datasets.core.registered import skip_registration
from tensorflow_datasets.image_classification import mnist

from tuner_app import data
from tuner_app.data import digits
from tuner_app.errors import UserError

IMAGES, DIGITS = load_digits(return_X_y=True)
# Digits as MNIST stores them: 28 by 28, values from 0 to 255, in IDX files.
LARGE = np.pad(IMAGES.reshape(-1, 8, 8).repeat(3, 1).repeat(3, 2) * 15, ((0, 0), (2, 2), (2, 2)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A TFDS folder with MNIST (400 and 100 small digits) and the builders below."""
    root = tmp_path_factory.mktemp("tfds")
    for part, rows in {"train": slice(0, 400), "t10k": slice(400, 500)}.items():
        images, labels = LARGE[rows].astype("uint8"), DIGITS[rows].astype("uint8")
        header = struct.pack(">IIII", 2051, len(images), 28, 28)
        (root / f"{part}-images").write_bytes(header + images.tobytes())
        (root / f"{part}-labels").write_bytes(
            struct.pack(">II", 2049, len(labels)) + labels.tobytes()
        )
    with skip_registration():

        class MNIST(mnist.MNIST):
            name = "mnist"

            def _split_generators(self, dl_manager):
                def part(name, count):
                    return self._generate_examples(count, root / f"{name}-images",
                                                   root / f"{name}-labels")  # fmt: skip

                return {"train": part("train", 400), "test": part("t10k", 100)}

        builders = [MNIST, *_own_builders()]
    for builder in builders:
        builder(data_dir=root).download_and_prepare()
    return root


def _own_builders():
    def builder(name, features, splits, keys):
        class Own(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                return tfds.core.DatasetInfo(
                    builder=self,
                    features=tfds.features.FeaturesDict(features),
                    supervised_keys=keys,
                    disable_shuffling=True,
                )

            def _split_generators(self, dl_manager):
                return {split: enumerate(examples) for split, examples in splits.items()}

            def _generate_examples(self):
                raise AssertionError("the splits hold their examples")

        Own.name = name
        return Own

    iris = load_iris()
    kinds = tfds.features.ClassLabel(names=iris.target_names.tolist())
    flowers = [
        {"length": float(row[0]), "size": ["small", "large"][int(row[3] > 0.7)], "kind": int(kind)}
        for row, kind in zip(iris.data, iris.target, strict=True)
    ]
    tensors = [{"x": row.astype("float32"), "y": np.float32(row[0] * 2.5)} for row in iris.data]
    pictures = [{"image": LARGE[i, : 20 + i % 3, :, None].astype("uint8"), "label": i % 2}
                for i in range(40)]  # fmt: skip
    return [
        builder(
            "flowers",
            {"length": np.float32, "size": tfds.features.Text(), "kind": kinds},
            {"train": flowers, "test": [{**flower, "kind": -1} for flower in flowers[:30]]},
            ({"length": "length", "size": "size"}, "kind"),
        ),
        builder(
            "tensors",
            {"x": tfds.features.Tensor(shape=(4,), dtype=np.float32), "y": np.float32},
            {"everything": tensors},
            ("x", "y"),
        ),
        builder(
            "pictures",
            {"image": tfds.features.Image(shape=(None, None, 1)), "label": np.int64},
            {"train": pictures[:30], "validation": pictures[30:]},
            ("image", "label"),
        ),
        builder(
            "reviews",
            {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(num_classes=2)},
            {"train": [{"text": "good", "label": 1}] * 20},
            ("text", "label"),
        ),
        builder("unsupervised", {"x": np.float32}, {"train": [{"x": 1.0}] * 20}, None),
    ]


def pixels(split):
    """The images of a split as rows of whole numbers, with their labels, in a fixed order."""
    images, labels = split.arrays()
    rows = np.column_stack([np.round(images * 255).reshape(len(images), -1), labels])
    return rows[np.lexsort(rows.T)]


def test_mnist_keeps_its_test_split_and_validation_is_carved(folder):
    dataset = data.load(f"tfds:mnist?data_dir={folder}", seed=1)
    assert dataset.spec.sizes == {"train": 340, "validation": 60, "test": 100}
    assert dataset.spec.input_shape == (28, 28, 1) and dataset.spec.num_classes == 10
    rows = np.column_stack([LARGE.reshape(-1, 784), DIGITS])
    test = rows[400:500]
    assert (pixels(dataset.test) == test[np.lexsort(test.T)]).all()
    both = np.concatenate([pixels(dataset.train), pixels(dataset.validation)])
    assert (both[np.lexsort(both.T)] == rows[:400][np.lexsort(rows[:400].T)]).all()
    counts = np.bincount(dataset.validation.arrays()[1], minlength=10)
    np.testing.assert_allclose(counts, np.bincount(DIGITS[:400]) * 0.15, atol=1)


def test_split_syntax(folder):
    spec = f"tfds:mnist?train=train[:80%]&validation=train[80%:]&test=test[:30]&data_dir={folder}"
    dataset = data.load(spec)
    assert dataset.spec.sizes == {"train": 320, "validation": 80, "test": 30}
    whole = data.load(f"tfds:mnist?data_dir={folder}")
    both = np.concatenate([pixels(dataset.train), pixels(dataset.validation)])
    expected = np.concatenate([pixels(whole.train), pixels(whole.validation)])
    assert (both[np.lexsort(both.T)] == expected[np.lexsort(expected.T)]).all()
    assert data.load(f"tfds:mnist?train=train[:25%]&data_dir={folder}").spec.sizes == {
        "train": 85, "validation": 15, "test": 100
    }  # fmt: skip


def test_streamed_images_are_the_images_in_memory_whatever_the_global_seed(folder):
    spec = f"tfds:mnist?data_dir={folder}"
    whole, streamed = data.load(spec), data.load(spec, memory_limit=1000)
    assert streamed.spec == whole.spec and not streamed.train.in_memory
    with pytest.raises(UserError, match="do not fit in the memory limit"):
        streamed.train.arrays()

    def epochs(count, **options):
        batches = streamed.train.batches(64, **options)
        assert len(batches) == 6
        return [[np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True)]
                for _ in range(count)]  # fmt: skip

    rows = pixels(whole.train)
    tf.random.set_seed(1)
    first = epochs(3, shuffle_seed=5)
    for images, labels in [*first, *epochs(1)]:
        found = np.column_stack([np.round(images * 255).reshape(-1, 784), labels])
        assert (found[np.lexsort(found.T)] == rows).all()
    tf.random.set_seed(2)
    for (images, labels), (x, y) in zip(epochs(3, shuffle_seed=5), first, strict=True):
        assert (images == x).all() and (labels == y).all()
    assert (epochs(1, shuffle_seed=5, first_epoch=2)[0][1] == first[2][1]).all()
    assert not (first[0][1] == first[1][1]).all()
    assert not (epochs(1, shuffle_seed=6)[0][1] == first[0][1]).all()


@pytest.mark.parametrize("limit", [None, 10])
def test_dictionaries_are_columns_and_a_split_without_labels_is_left(folder, limit):
    dataset = data.load(f"tfds:flowers?data_dir={folder}", memory_limit=limit)
    assert dataset.spec.class_names == ("setosa", "versicolor", "virginica")
    assert dataset.spec.sizes == {"train": 104, "validation": 23, "test": 23}
    assert "The split 'test' has no labels; test is carved from train." in dataset.notes
    assert dataset.spec.input_shape == (1 + 3,) and dataset.spec.kind == "tabular"
    parts = zip(*dataset.train.batches(200).as_numpy_iterator(), strict=True)
    features, labels = (np.concatenate(part) for part in parts)
    np.testing.assert_allclose([features[:, 0].mean(), features[:, 0].std()], [0, 1], atol=1e-5)
    # Setosas have small petals, which no other iris has.
    large_is_commonest = features[:, 2]
    assert ((labels == 0) == (large_is_commonest == 0)).all()
    raw = {"length": np.array([[5.0]]), "size": np.array([["unseen"]])}
    assert np.asarray(dataset.preprocessing(raw))[0, 1:].tolist() == [1, 0, 0]


@pytest.mark.parametrize("limit", [None, 10])
def test_a_single_split_of_tensors_is_carved_for_regression(folder, limit):
    dataset = data.load(f"tfds:tensors?data_dir={folder}", memory_limit=limit)
    assert dataset.spec.task == "regression"
    assert dataset.spec.sizes == {"train": 106, "validation": 22, "test": 22}
    features, targets = next(iter(dataset.train.batches(200)))
    np.testing.assert_allclose(np.mean(features, axis=0), np.zeros(4), atol=1e-5)
    # The target is 2.5 times the first feature, so both are the same once standardised.
    np.testing.assert_allclose(features[:, 0], targets[:, 0], atol=1e-4)


def test_images_of_many_sizes_need_one(folder):
    with pytest.raises(UserError, match=r"fixed shape .*; add \?size=HEIGHTxWIDTH"):
        data.load(f"tfds:pictures?data_dir={folder}")
    dataset = data.load(f"tfds:pictures?size=10x14&data_dir={folder}")
    assert dataset.spec.input_shape == (10, 14, 1)
    assert dataset.spec.sizes == {"train": 26, "validation": 10, "test": 4}
    expected = tf.stack([tf.image.resize(LARGE[i, : 20 + i % 3, :, None], (10, 14)) / 255
                         for i in range(30, 40)])  # fmt: skip
    np.testing.assert_allclose(dataset.validation.arrays()[0], expected, atol=1e-6)


def test_prepared_files_are_enough_without_the_code_that_prepared_them(tmp_path):
    digits.read(tmp_path)
    dataset = data.load(f"tfds:digits?data_dir={tmp_path / 'digits-1.0.0'}")
    assert sum(dataset.spec.sizes.values()) == 1797
    assert dataset.spec.input_shape == (8, 8, 1)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("mnst?data_dir={}", "Unknown TensorFlow data set 'mnst'. Did you mean 'mnist'?"),
        ("MNIST?data_dir={}", "expected tfds:NAME, in lower case, received 'MNIST'"),
        ("emnist:leters?data_dir={}", "Did you mean 'letters'?"),
        ("mnist:9.9.9?data_dir={}", "9.9.9"),
        ("mnist?train=trian&data_dir={}", "Did you mean 'train'?"),
        ("mnist?train=train[&data_dir={}", "train='train[' is not TFDS's split syntax"),
        ("mnist?train=train[:0]&data_dir={}", "the split 'train[:0]' has no examples"),
        ("mnist?train=train[:5]&data_dir={}", "has 5 examples, too few to split"),
        ("mnist?size=big&data_dir={}", "size must be HEIGHTxWIDTH"),
        ("reviews?data_dir={}", "the input 'text' is Text of shape (); expected images"),
        ("unsupervised?data_dir={}", "does not say what is to be predicted from what"),
        ("tensors?size=3x3&data_dir={}", "size is for images"),
    ],
)
def test_what_cannot_be_loaded_is_refused(folder, spec, expected):
    with pytest.raises(UserError) as caught:
        data.load("tfds:" + spec.format(folder))
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_a_download_out_of_reach_is_refused_at_once(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for act in (data.check, data.load):
        start = time.monotonic()
        with pytest.raises(UserError) as caught:
            act(f"tfds:mnist?data_dir={tmp_path}")
        assert time.monotonic() - start < 10
        assert "can't be downloaded: storage.googleapis.com does not answer" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
