"""A project directory with a finished search in it, written without training anything."""

import math
from pathlib import Path

import numpy as np
import pytest

from tuner_app.store import SearchStore, TrialRow

HOSTILE = "</script><img src=x onerror=alert(1)>"


def number(name, low, high, sampling="linear", conditions=(), kind="Float"):
    """KerasTuner's configuration of a numeric hyperparameter."""
    config = {
        "name": name,
        "default": low,
        "conditions": list(conditions),
        "min_value": low,
        "max_value": high,
        "step": None,
        "sampling": sampling,
    }
    return {"class_name": kind, "config": config}


def choice(name, values):
    """KerasTuner's configuration of a choice."""
    config = {"name": name, "default": values[0], "conditions": [], "values": values}
    return {"class_name": "Choice", "config": config}


def under(name, value):
    """KerasTuner's condition: active where `name` is `value`."""
    return {"class_name": "Parent", "config": {"name": name, "values": [value]}}


SPACE = [
    choice("optimizer", ["adam", "sgd"]),
    number("adam_rate", 1e-4, 1e-1, "log", [under("optimizer", "adam")]),
    number("sgd_rate", 1e-4, 1e-1, "log", [under("optimizer", "sgd")]),
    number("dropout", 0.0, 0.5),
    choice("words", ["plain", HOSTILE]),
]


def write_search(directory: Path, trials: int, epochs: int = 3) -> Path:
    """A search in which the score follows the rate: the best trials have the largest ones."""
    draw = np.random.default_rng(0)
    with SearchStore(directory) as store, store.transaction():
        store.set_fact("objective", {"name": "val_accuracy", "direction": "max"})
        store.set_fact("config", {"dataset": "digits", "space": "mlp", "max_trials": trials})
        store.begin_session({"python": "3.11", "keras": "3.15"})
        space = store.space_number(SPACE)
        for i in range(trials):
            optimizer = ("adam", "sgd")[i % 2]
            rate = float(10 ** draw.uniform(-4, -1))
            values = {
                "optimizer": optimizer,
                f"{optimizer}_rate": rate,
                "dropout": float(draw.uniform(0, 0.5)),
                "words": HOSTILE if i % 3 else "plain",
            }
            trial_id, failed = f"{i:04d}", i % 10 == 9
            score = None if failed else 0.9 + 0.02 * (math.log10(rate) + 1) + 0.001 * draw.normal()
            status = "FAILED" if failed else "COMPLETED"
            row = TrialRow(trial_id, i, status, space, values, score, epochs - 1, ended=i)
            store.save_trial(row)
            store.begin_attempt(trial_id)
            store.report_epochs(
                (
                    trial_id,
                    0,
                    e,
                    {"loss": 1.0 / (e + 1), "val_accuracy": (score or 0) - 0.1 / (e + 1)},
                    0.5,
                )
                for e in range(epochs)
            )
            store.end_attempt(trial_id, status, f"Diverged {HOSTILE}" if failed else "")
    return directory


@pytest.fixture(scope="session")
def searched(tmp_path_factory) -> Path:
    return write_search(tmp_path_factory.mktemp("report") / "search", trials=60)
