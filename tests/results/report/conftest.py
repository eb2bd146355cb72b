"""A project directory with a finished search in it, written without training anything."""

import math
from pathlib import Path

import numpy as np
import pytest

from tuner_app.results import read
from tuner_app.store import SearchStore, TrialRow, answers

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
        store.begin_session({"python": "3.11", "keras": "3.15", "program": "/home/anna/run.py"})
        space = store.space_number(SPACE)
        for i in range(trials):
            optimizer = ("adam", "sgd")[i % 2]
            rate = float(10 ** (-1 - 3 * draw.uniform() ** 3))  # most of them large
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


def confirmation(winner: str, other: str) -> dict:
    """A confirmation of two trials, as `answers.confirming` finds it."""
    return {
        "objective": {"name": "val_accuracy", "direction": "max"},
        "seeds": [1, 2],
        "configurations": [
            {
                "trial_id": trial_id,
                "rank": rank,
                "search_score": 0.95,
                "scores": [mean - 0.01, mean + 0.01],
                "failed": 0,
                "messages": [],
                "mean": mean,
                "low": mean - 0.02,
                "high": mean + 0.02,
                "best_epochs": [1, 1],
                "epochs": 6,
            }
            for rank, (trial_id, mean) in enumerate(((winner, 0.9), (other, 0.8)), start=1)
        ],
        "comparisons": [
            {
                "first": winner,
                "second": other,
                "difference": 0.1,
                "low": 0.05,
                "high": 0.15,
                "p_value": 0.01,
                "adjusted": 0.013,
                "distinguishable": True,
            }
        ],
        "winner": winner,
        "indistinguishable": [],
        "optimism": {
            "trial_id": other,
            "search_score": 0.95,
            "mean": 0.8,
            "by": 0.15,
            "low": 0.1,
            "high": 0.2,
        },
        "verdict": f"Trial {winner} is better.",
        "method": "By hand.",
    }


@pytest.fixture(scope="session")
def confirmed(tmp_path_factory) -> Path:
    """The same search, of which the third best was confirmed and tested twice."""
    directory = write_search(tmp_path_factory.mktemp("confirmed") / "search", trials=24)
    found = sorted(read(directory).trials, key=lambda t: -(t.score or 0))
    with SearchStore(directory) as store:
        answers.add_confirmation(store, confirmation(found[2].trial_id, found[0].trial_id))
        for value in (0.5, 0.75):
            score = {"name": "accuracy", "value": value, "low": value - 0.1, "high": value + 0.1}
            answers.add_opening(
                store, found[2].trial_id, "digits", {"scores": [score], "by": "Ann"}
            )
    return directory
