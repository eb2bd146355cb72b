"""Three real tuning tasks, trained once at many points, and looked up since.

    python -m benchmarks.search_quality.tables     # trains them anew: 10 minutes on two idle cores

Each table has the validation loss of every epoch of 512 trainings, at the points of a Sobol
sequence in the space of `space.py`, by the stacked engine. A search asks for any point; its curve
is the mean of the curves of the nearest points, weighted by the inverse of their squared distance
in the unit cube, of the logarithm of the loss. So all systems search the same landscape, with most
of the roughness that it has, and a trial costs nothing; what a table can't show is the noise of
training one point twice.
"""

import csv
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.search_quality.functions import EPOCHS
from benchmarks.search_quality.space import declare

HERE = Path(__file__).parent
POINTS, NEAREST = 512, 6
NAMES = ("units", "dropout", "learning_rate", "weight_decay")
TITLES = {
    "digits": "MLP on digits",
    "diabetes": "MLP on diabetes",
    "breast_cancer": "MLP on breast cancer",
}


class Table:
    """One task. `curve(values)` is the loss above the best of the table."""

    def __init__(self, key: str):
        self.key, self.name = key, TITLES[key]

    def declare(self, hp) -> None:
        declare(hp)

    def curve(self, values: dict) -> np.ndarray:
        places, losses = self._trained
        distance = ((places - _place(values)) ** 2).sum(axis=1)
        near = np.argsort(distance)[:NEAREST]
        weights = 1 / (distance[near] + 1e-9)
        found = np.exp(np.average(np.log(losses[near]), axis=0, weights=weights))
        return found - losses.min()

    @cached_property
    def _trained(self) -> tuple[np.ndarray, np.ndarray]:
        with np.load(HERE / f"{self.key}.npz") as file:
            points, losses = file["points"], file["losses"].astype(float)
        places = np.array([_place(dict(zip(NAMES, point, strict=True))) for point in points])
        worst = np.nanmax(np.where(np.isfinite(losses), losses, np.nan))
        return places, np.where(np.isfinite(losses), losses, worst)


def _place(values: dict) -> np.ndarray:
    """Where values are in the unit cube, each on its own scale."""
    return np.array(
        [
            np.log2(values["units"]) / 7,
            (values["dropout"] - 0.01) / 0.79,
            (np.log10(values["learning_rate"]) + 5) / 5,
            (np.log10(values["weight_decay"]) + 5) / 5,
        ]
    )


def write(key: str, project: Path) -> None:
    """Takes a table from a search's project directory."""
    from tuner_app.store import SearchReader

    points, losses = [], []
    with SearchReader(project) as reader:
        for row in reader.trials():
            history = reader.history(row.trial_id)
            curve = [history.get((0, e), {}).get("val_loss", np.nan) for e in range(EPOCHS)]
            points.append([row.hyperparameters[name] for name in NAMES])
            losses.append(curve)
    np.savez_compressed(
        HERE / f"{key}.npz", points=np.array(points), losses=np.array(losses, "float32")
    )


def _breast_cancer(path: Path) -> str:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(name.replace(" ", "_") for name in data.feature_names), "target"])
        for x, y in zip(data.data, data.target, strict=True):
            writer.writerow([*x, data.target_names[y]])
    return f"csv:{path}?target=target"


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for key in TITLES:
            project = Path(temporary) / key
            dataset = key
            if key == "breast_cancer":
                dataset = _breast_cancer(Path(temporary) / "breast_cancer.csv")
            words = f"--objective=val_loss --oracle=sobol --max_trials={POINTS} --epochs={EPOCHS}"
            words += " --patience=0 --lanes=64 --seed=0 --quiet"
            command = [sys.executable, "-m", "tuner_app", "search", f"--dataset={dataset}"]
            command += [
                f"--space={HERE / 'space.py'}:Space",
                f"--project={project}",
                *words.split(),
            ]
            subprocess.run(command, check=True)
            write(key, project)


if __name__ == "__main__":
    main()
