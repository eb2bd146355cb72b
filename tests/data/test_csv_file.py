"""CSV files as data: real tables, text, missing values; in memory and streamed."""

import csv

import keras
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris

from tuner_app import data


def table(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_iris_is_found_to_be_three_classes(iris):
    dataset = data.load(f"csv:{iris}?target=species", seed=2)
    assert dataset.spec.task == "classification" and dataset.spec.kind == "tabular"
    assert dataset.spec.class_names == ("0", "1", "2")
    assert dataset.spec.sizes == {"train": 104, "validation": 23, "test": 23}
    assert np.ptp(np.bincount(dataset.train.arrays()[1])) <= 2  # 150 rows, 7.5 a class held out
    splits = [dataset.train, dataset.validation, dataset.test]
    found = np.concatenate([np.column_stack(split.arrays()) for split in splits])
    # The same rows as scikit-learn's, standardised by the training split's moments.
    scaled = np.column_stack([standardised(load_iris().data, dataset), load_iris().target])
    np.testing.assert_allclose(
        found[np.lexsort(found.round(3).T)], scaled[np.lexsort(scaled.round(3).T)], atol=1e-5
    )


def standardised(measurements, dataset):
    """Find the training rows by solving for the affine map, then apply it to every row."""
    layer = next(x for x in dataset.preprocessing.layers if x.name.startswith("standardize"))
    mean, deviation = np.asarray(layer.mean).ravel(), np.sqrt(np.asarray(layer.variance).ravel())
    train = dataset.train.arrays()[0] * deviation + mean
    nearest = np.abs(train[:, None] - measurements[None]).max(axis=2)
    assert (nearest.min(axis=1) < 1e-5).all()
    np.testing.assert_allclose(train.mean(axis=0), mean, rtol=1e-5)
    np.testing.assert_allclose(train.std(axis=0), deviation, rtol=1e-5)
    return (measurements - mean) / deviation


def test_breast_cancer_is_binary_with_two_classes(breast_cancer):
    dataset = data.load(f"csv:{breast_cancer}?target=malignant")
    assert dataset.spec.num_classes == 2 and dataset.spec.input_shape == (30,)
    total = sum(
        np.bincount(s.arrays()[1]) for s in (dataset.train, dataset.validation, dataset.test)
    )
    assert total.tolist() == np.bincount(load_breast_cancer().target).tolist()


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        ("{i}.5", "regression", None),
        ("{i}", "regression", None),
        ("{m}", "classification", ("0", "1", "2")),
        ("{m}.0", "classification", ("0", "1", "2")),
        ("-{m}", "classification", ("-2", "-1", "0")),
        ("c{m}", "classification", ("c0", "c1", "c2")),
        ("{m}.5", "regression", None),
    ],
)
def test_the_task_is_found_from_the_target(tmp_path, target, task, classes):
    path = tmp_path / "table.csv"
    rows = [f"{i},{target.format(i=i, m=i % 3)}" for i in range(60)]
    path.write_text("\n".join(["x,y", *rows]))
    spec = data.load(f"csv:{path}?target=y").spec
    assert (spec.task, spec.class_names) == (task, classes)
    if classes and "c" not in target:
        assert data.load(f"csv:{path}?target=y&task=regression").spec.task == "regression"


def test_mixed_columns_become_the_features_that_the_notes_tell(mixed):
    dataset = data.load(f"csv:{mixed}?target=price", seed=4)
    assert dataset.spec.task == "regression"
    rows = table(mixed)
    prices = np.array([float(row["price"]) for row in rows])

    def places(split):
        back = split.arrays()[1].ravel() * dataset.spec.target_std + dataset.spec.target_mean
        return np.abs(back[:, None] - prices[None]).argmin(axis=1)

    train = places(dataset.train)
    assert dataset.spec.target_mean == pytest.approx(prices[train].mean())
    assert dataset.spec.target_std == pytest.approx(prices[train].std())
    sizes = np.array([float(row["size"] or "nan") for row in rows])
    mean, deviation = np.nanmean(sizes[train]), np.nanstd(sizes[train])
    colours = [row["colour"] for row in rows]
    commonest = sorted({c: -sum(colours[i] == c for i in train) for c in colours}.items(),
                       key=lambda item: (item[1], item[0]))  # fmt: skip
    for split in (dataset.train, dataset.validation, dataset.test):
        features = split.arrays()[0]
        expected = np.nan_to_num((sizes[places(split)] - mean) / deviation)
        np.testing.assert_allclose(features[:, 0], expected, atol=1e-5)
        assert (features[:, 1] == 0).all()  # no category is unknown here
        for column, (colour, _) in enumerate(commonest, start=2):
            same = np.array([colours[i] == colour for i in places(split)])
            assert (features[:, column] == same).all()
    shown = ["colour=" + (colour or "''") for colour, _ in commonest]
    assert list(dataset.feature_names) == ["size", "colour=<others>", *shown]
    notes = "\n".join(dataset.notes)
    assert f"Column 'size': 10 missing filled with the training mean {mean:.6g}." in notes
    assert "Column 'colour': text, one feature for each of 3 categories" in notes
    assert "Column 'note' is left out: its text differs in every row." in notes
    assert "Column 'empty' is left out: it has no values." in notes
    assert "The column without a name is left out: it counts the rows." in notes


def test_dates_are_text_and_the_notes_say_what_would_be_better(tmp_path):
    rows = [f"2025-01-{i % 5 + 1:02},3.{i % 12 + 1}.{1990 + i},a{i % 3},{i}.5" for i in range(30)]
    (tmp_path / "dates.csv").write_text("\n".join(["few,each,kind,y", *rows]))
    notes = data.load(f"csv:{tmp_path}/dates.csv?target=y").notes
    told = {note.split("'")[1]: "look like dates" in note for note in notes if "Column" in note}
    assert told == {"few": True, "each": True, "kind": False}


def test_saved_preprocessing_takes_raw_rows_with_unknown_and_missing_values(mixed, tmp_path):
    dataset = data.load(f"csv:{mixed}?target=price")
    dataset.preprocessing.save(tmp_path / "preprocessing.keras")
    loaded = keras.models.load_model(tmp_path / "preprocessing.keras", safe_mode=True)
    raw = {
        "size": np.array([[np.nan], [3.0], [1e6]], "float32"),
        "colour": np.array([["red"], ["never seen"], [""]]),
    }
    found = np.asarray(loaded(raw))
    assert (found == np.asarray(dataset.preprocessing(raw))).all()
    assert found[0, 0] == 0 and found[1, 0] != 0 and np.isfinite(found).all()
    assert found[:, 1].tolist() == [0, 1, 0]
    assert found[:, 1:].sum(axis=1).tolist() == [1, 1, 1]


def test_streamed_rows_are_the_rows_in_memory(mixed):
    whole = data.load(f"csv:{mixed}?target=price", seed=1)
    streamed = data.load(f"csv:{mixed}?target=price", seed=1, memory_limit=100)
    assert streamed.spec == whole.spec and streamed.notes == whole.notes
    for name in ("train", "validation", "test"):
        here, there = getattr(whole, name), getattr(streamed, name)
        assert here.in_memory and not there.in_memory and here.size == there.size
        for seed in (None, 3):
            expected = zip(*here.batches(7, seed).as_numpy_iterator(), strict=True)
            found = zip(*there.batches(7, seed).as_numpy_iterator(), strict=True)
            for a, b in zip(expected, found, strict=True):
                np.testing.assert_array_equal(np.concatenate(a), np.concatenate(b))
        with pytest.raises(
            data.UserError, match=r"do not fit in the memory limit; use batches\(\)"
        ):
            there.arrays()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_encodings_and_line_ends(tmp_path, delimiter, encoding, end):
    path = tmp_path / "table.csv"
    header = ["größe", 'a "b", c;d', "y"]
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
        writer.writerow(header)
        writer.writerows([i, f"é{i % 2}\nsecond line", f"klasse {i % 3}"] for i in range(30))
    spec = f"csv:{path}?target=y"
    for limit in (None, 10):
        dataset = data.load(spec, memory_limit=limit)
        assert dataset.spec.class_names == ("klasse 0", "klasse 1", "klasse 2")
        assert dataset.spec.input_shape == (1 + 1 + 2,)
        assert set(dataset.preprocessing.input) == {"größe", 'a "b", c;d'}
        features = np.concatenate([x for x, _ in dataset.train.batches(30).as_numpy_iterator()])
        assert (features[:, 1] == 0).all()  # both categories were read whole
    assert ("Windows-1252" in " ".join(dataset.notes)) == (encoding == "cp1252")


def test_decimal_commas(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["x;y", *(f"{i},5;{i % 2}" for i in range(20))]))
    dataset = data.load(f"csv:{path}?target=y")
    raw = dataset.train.raw["x"].ravel()
    assert set(raw) <= {i + 0.5 for i in range(20)}
    assert "Decimal commas read as points in x." in dataset.notes


def test_rows_without_a_target_are_left_out_and_counted(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["x,y", *(f"{i},{'' if i % 4 == 0 else i % 2}" for i in range(40))]))
    dataset = data.load(f"csv:{path}?target=y")
    assert sum(dataset.spec.sizes.values()) == 30
    assert "10 rows without a target are left out." in dataset.notes
    raw = np.concatenate([s.raw["x"] for s in (dataset.train, dataset.validation, dataset.test)])
    assert (raw % 4 != 0).all()


def test_the_commonest_hundred_categories_have_a_feature(tmp_path):
    path = tmp_path / "table.csv"
    rows = [f"c{i % 300 if i % 4 else 0},{i % 2}" for i in range(600)]
    path.write_text("\n".join(["x,y", *rows]))
    dataset = data.load(f"csv:{path}?target=y")
    assert dataset.spec.input_shape == (101,)
    features = dataset.train.arrays()[0]
    assert (features.sum(axis=1) == 1).all() and features[:, 0].any()
    assert "the 100 commonest categories" in " ".join(dataset.notes)


def test_awkward_column_names_and_categories_are_kept_apart(tmp_path):
    path = tmp_path / "table.csv"
    header = "a/b,a_b,[UNK],standardize,y & z"
    rows = [f"{i},{i * 2},{'[UNK]' if i % 2 else 'x'},{i * 3},{i % 2}" for i in range(40)]
    path.write_text("\n".join([header, *rows]))
    dataset = data.load(f"csv:{path}?target=y %26 z")
    assert set(dataset.preprocessing.input) == {"a_b_", "a_b", "[UNK]", "standardize"}
    assert "Column 'a/b' is the input 'a_b_'." in dataset.notes
    features, labels = dataset.train.arrays()
    np.testing.assert_allclose(features[:, 0], features[:, 1], atol=1e-6)
    assert (features[:, 3] == 0).all()
    assert len({tuple(row) for row in np.column_stack([features[:, 4:], labels])}) == 2
