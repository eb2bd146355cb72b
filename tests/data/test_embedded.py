"""Digits and diabetes: held to scikit-learn's own arrays."""

import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_diabetes, load_digits

from tuner_app import data
from tuner_app.data import digits
from tuner_app.errors import UserError


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_digits_are_scikit_learns_in_three_stratified_splits(cache):
    dataset = data.load("digits", seed=3, cache_folder=cache)
    images, labels = load_digits(return_X_y=True)
    assert dataset.spec.input_shape == (8, 8, 1)
    assert dataset.spec.task == "classification" and dataset.spec.num_classes == 10
    assert dataset.spec.sizes == {"train": 1257, "validation": 270, "test": 270}
    splits = [dataset.train, dataset.validation, dataset.test]
    found = np.concatenate([split.arrays()[0] for split in splits])
    answers = np.concatenate([split.arrays()[1] for split in splits])
    assert found.dtype == "float32" and answers.dtype == "int32"
    ours = np.column_stack([found.reshape(-1, 64) * 16, answers])
    theirs = np.column_stack([images, labels])
    # The same rows, whatever their order.
    assert (ours[np.lexsort(ours.T)] == theirs[np.lexsort(theirs.T)]).all()
    for split in splits:
        share = np.bincount(split.arrays()[1]) / split.size
        # Within one example a class for each split that is cut off.
        np.testing.assert_allclose(share, np.bincount(labels) / 1797, atol=2 / split.size)


def test_prepared_digits_equal_the_embedded_ones_and_a_damaged_cache_is_mended(tmp_path):
    expected = digits._embedded()
    first = digits.read(tmp_path)
    record = next((tmp_path / "digits-1.0.0").rglob("*.tfrecord*"))
    record.write_bytes(record.read_bytes()[:10_000])
    second = digits.read(tmp_path)
    for found in (first, second):
        assert (found[0] == expected[0]).all() and (found[1] == expected[1]).all()
    assert record.stat().st_size > 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["digits-1.0.0"]


def test_a_cache_that_cannot_be_written_is_passed_over(tmp_path):
    (tmp_path / "file").write_text("")
    images, _ = digits.read(tmp_path / "file")
    assert images.shape == (1797, 8, 8, 1)


# Both are forks of a process that has imported what they need, and computed nothing yet.
TWO = """
import os, pathlib, sys
import keras, tensorflow, tensorflow_datasets
from tuner_app.data import digits

def prepare():
    x, y = digits.read(pathlib.Path(sys.argv[1]))
    print(x.sum(), y.sum(), flush=True)
    os._exit(0)

both = [os.fork() or prepare() for _ in range(2)]
sys.exit(any([os.waitpid(one, 0)[1] for one in both]))
"""


def test_two_processes_prepare_the_digits_at_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TWO, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=120,
    )
    images, labels = load_digits(return_X_y=True)
    assert done.returncode == 0, done.stderr
    # Only the result: TFDS's own messages stay off the standard output.
    assert done.stdout == f"{int(images.sum())} {labels.sum()}\n" * 2
    assert [path.name for path in tmp_path.iterdir()] == ["digits-1.0.0"]


def test_diabetes_is_standardised_by_its_training_rows(cache):
    dataset = data.load("diabetes", seed=1, cache_folder=cache)
    measurements, targets = load_diabetes(return_X_y=True, scaled=False)
    features, answers = dataset.train.arrays()
    assert dataset.spec.task == "regression" and dataset.spec.num_classes is None
    assert answers.shape == (310, 1) and answers.dtype == "float32"
    np.testing.assert_allclose(features.mean(axis=0), np.zeros(10), atol=1e-5)
    np.testing.assert_allclose(features.std(axis=0), np.ones(10), rtol=1e-5)
    np.testing.assert_allclose([answers.mean(), answers.std()], [0, 1], atol=1e-6)
    # Every test row, taken back to its own unit, is one of scikit-learn's.
    raw = measurements[np.isin(np.arange(442), dataset_rows(dataset, measurements))]
    assert len(raw) == 66
    back = dataset.test.arrays()[1] * dataset.spec.target_std + dataset.spec.target_mean
    theirs = targets[dataset_rows(dataset, measurements)]
    np.testing.assert_allclose(back.ravel(), theirs, rtol=1e-5)


def dataset_rows(dataset, measurements):
    """Places in scikit-learn's table of the test rows, found by their features."""
    features = np.asarray(dataset.preprocessing(measurements.astype("float32")))
    distance = np.abs(dataset.test.arrays()[0][:, None] - features[None]).max(axis=2)
    assert (distance.min(axis=1) < 1e-6).all()
    return distance.argmin(axis=1)


def test_another_seed_splits_otherwise_and_the_same_seed_alike(cache):
    def rows(seed):
        return data.load("diabetes", seed=seed, cache_folder=cache).test.arrays()[1]

    assert (rows(0) == rows(0)).all()
    assert not (rows(0) == rows(1)).all()


def test_batches_are_the_arrays_in_an_order_fixed_by_seed_and_epoch(cache):
    split = data.load("digits", cache_folder=cache).train
    features, labels = split.arrays()

    def epochs(count, **options):
        batches = split.batches(100, **options)
        assert batches.cardinality() == len(batches) == 13
        return [[np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True)]
                for _ in range(count)]  # fmt: skip

    plain = epochs(2)
    for found in plain:
        assert (found[0] == features).all() and (found[1] == labels).all()
    tf.random.set_seed(1)
    first = epochs(3, shuffle_seed=5)
    tf.random.set_seed(2)
    again = epochs(3, shuffle_seed=5)
    late = epochs(1, shuffle_seed=5, first_epoch=2)
    for a, b in zip(first, again, strict=True):
        assert (a[0] == b[0]).all() and (a[1] == b[1]).all()
    assert (late[0][1] == first[2][1]).all()
    assert not (first[0][1] == first[1][1]).all()
    # Shuffled pairs stay pairs.
    order = np.lexsort(np.column_stack([features.reshape(-1, 64), labels]).T)
    shuffled = np.column_stack([first[1][0].reshape(-1, 64), first[1][1]])
    assert (shuffled[np.lexsort(shuffled.T)][:, 64] == labels[order]).all()


def test_batches_outlive_the_split(cache):
    iterator = iter(data.load("diabetes", cache_folder=cache).train.batches(50, shuffle_seed=0))
    assert sum(len(targets) for _, targets in iterator) == 310


@pytest.mark.parametrize("size", [0, -1, 2.5, "32"])
def test_a_bad_batch_size_is_refused(cache, size):
    with pytest.raises(UserError, match="batch_size must be a positive whole number"):
        data.load("diabetes", cache_folder=cache).train.batches(size)


def test_preprocessing_is_saved_safely_and_ignores_the_precision_policy(cache, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        dataset = data.load("diabetes", cache_folder=cache)
        features, _ = dataset.test.arrays()
    finally:
        keras.config.set_dtype_policy("float32")
    expected, _ = data.load("diabetes", cache_folder=cache).test.arrays()
    assert (features == expected).all()
    dataset.preprocessing.save(tmp_path / "preprocessing.keras")
    loaded = keras.models.load_model(tmp_path / "preprocessing.keras", safe_mode=True)
    raw = load_diabetes(scaled=False).data.astype("float32")
    assert (np.asarray(loaded(raw)) == np.asarray(dataset.preprocessing(raw))).all()


def test_prepared_once(cache, monkeypatch):
    data.load("digits", cache_folder=cache)
    monkeypatch.setattr(digits, "_prepare", lambda folder: shutil.rmtree(folder))
    data.load("digits", cache_folder=cache)
    assert (cache / "digits-1.0.0").is_dir()
