"""Several objectives: which trials none beats, and how results tell of them."""

import csv
import io
import itertools
import json
import math

import keras_tuner
import numpy as np

from tuner_app import oracles, results
from tuner_app.results import report
from tuner_app.results.pareto import pareto
from tuner_app.store import SearchStore


def test_the_front_is_what_no_trial_dominates():
    draw = np.random.default_rng(0)
    numbers = [*draw.integers(0, 8, (60, 2)), (math.nan, 9), (3, math.nan)]
    values = {str(i): {"a": a, "b": b} for i, (a, b) in enumerate(numbers)}
    for first, second in itertools.product(("min", "max"), repeat=2):
        a = np.array([v["a"] for v in values.values()]) * (1 if first == "max" else -1)
        b = np.array([v["b"] for v in values.values()]) * (1 if second == "max" else -1)
        beaten = [
            ((a >= a[i]) & (b >= b[i]) & ((a > a[i]) | (b > b[i]))).any() for i in range(len(a))
        ]
        expected = [str(i) for i in range(len(a)) if not beaten[i]]
        assert pareto(values, {"a": first, "b": second}) == expected


def test_results_tell_of_the_front(tmp_path):
    goals = [keras_tuner.Objective("loss", "min"), keras_tuner.Objective("speed", "max")]
    made = oracles.create("nsga2", goals, 6, 0, options={"population_size": 2})
    made.hyperparameters.Float("x", 0.0, 1.0)
    gave = {}
    with SearchStore(tmp_path) as store:
        parts = {"loss": "min", "speed": "max"}
        store.set_fact("objective", {"name": "multi_objective", "direction": "min", "parts": parts})
        made.attach(store)
        while (trial := made.create_trial("tuner0")).status == "RUNNING":
            x = trial.hyperparameters.values["x"]
            gave[trial.trial_id] = {"loss": (x - 0.5) ** 2, "speed": x}
            total = gave[trial.trial_id]["loss"] - x
            made.update_trial(trial.trial_id, gave[trial.trial_id] | {"multi_objective": total})
            trial.status = "COMPLETED"
            made.end_trial(trial)
    found = results.read(tmp_path)
    told = json.loads(results.as_json(found))
    assert told["objective"]["parts"] == parts
    assert told["pareto"] == found.pareto == pareto(gave, parts)
    assert {t["trial_id"]: t["objectives"] for t in told["trials"]} == gave
    table = results.as_table(found)
    assert "Pareto front (loss, speed):" in table
    assert "ranked by multi_objective, lower is better: loss - speed.\n" in table
    for trial_id in found.pareto:
        assert f"\n{trial_id}  loss {gave[trial_id]['loss']:.4f}" in table
    rows = {row["trial_id"]: row for row in csv.DictReader(io.StringIO(results.as_csv(found)))}
    assert {i for i, row in rows.items() if row["pareto"] == "1"} == set(found.pareto)
    assert {float(row["objective:loss"]) for row in rows.values()} == {
        values["loss"] for values in gave.values()
    }
    document = report.collect(tmp_path, with_mistakes=False)
    assert document["pareto"] == [{"trial_id": i, "objectives": gave[i]} for i in found.pareto]
    for text in (report.as_html(document), report.as_markdown(document)):
        told = text.split("Pareto front")[1]
        assert all(
            i in told and report.telling.number(gave[i]["loss"]) in told for i in found.pareto
        )
