"""Real tables that scikit-learn ships, as CSV files with a header."""

from pathlib import Path

import pytest
import sklearn.datasets

TABLES = Path(sklearn.datasets.__file__).parent / "data"


def _with_header(source: str, header: str, target: Path) -> Path:
    """scikit-learn's files begin with counts and class names; put column names there."""
    rows = (TABLES / source).read_text().splitlines()[1:]
    target.write_text("\n".join([header, *rows]) + "\n")
    return target


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    """150 flowers, four numbers, three classes."""
    header = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm),species"
    return _with_header("iris.csv", header, tmp_path / "iris.csv")


@pytest.fixture
def breast_cancer(tmp_path: Path) -> Path:
    """569 patients, 30 numbers, two classes."""
    header = ",".join([*(f"feature {i}" for i in range(30)), "malignant"])
    return _with_header("breast_cancer.csv", header, tmp_path / "breast_cancer.csv")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Text, missing numbers, quotes, an index, a byte order mark: 60 rows, regression."""
    lines = [",size,colour,note,empty,price"]
    for i in range(60):
        size = "" if i % 6 == 0 else f"{i * 1.5}"
        colour = ("red", '"deep, ""dark"" blue"', "")[i % 3]
        lines.append(f"{i},{size},{colour},note {i},,{100 + i * 0.25}")
    path = tmp_path / "mixed.csv"
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    return path
