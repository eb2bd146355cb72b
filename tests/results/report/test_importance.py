"""Importances against Optuna's own, of a study whose trials were added to it one by one."""

import math

import numpy as np
import optuna
import pytest

from tuner_app.results.report import importance

RATE = {"name": "rate", "kind": "float", "low": 1e-4, "high": 1e-1, "scale": "log"}
UNITS = {"name": "units", "kind": "int", "low": 8, "high": 64, "scale": "linear"}
DOMAINS = [RATE | {"conditions": []}, UNITS | {"conditions": []}]


def trials(number):
    random = np.random.default_rng(0)
    for _ in range(number):
        values = {"rate": 10 ** random.uniform(-4, -1), "units": int(random.integers(8, 65))}
        score = math.log10(values["rate"]) + values["units"] / 100 + random.normal() / 10
        yield {"score": score, "values": values}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("number", [40, importance.FOREST_LIMIT + 50])
def test_shares_are_those_of_optunas_own_study(number, direction):
    study = optuna.create_study(direction={"min": "minimize", "max": "maximize"}[direction])
    distributions = {
        "rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
        "units": optuna.distributions.IntDistribution(8, 64),
    }
    known = list(trials(number))
    for trial in known:
        made = {"params": trial["values"], "distributions": distributions}
        study.add_trial(optuna.trial.create_trial(value=trial["score"], **made))
    if number > importance.FOREST_LIMIT:
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    else:
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=32, max_depth=32, seed=0)
    expected = optuna.importance.get_param_importances(study, evaluator=evaluator)
    (group,) = importance.importance(DOMAINS, known, direction)["groups"]
    assert group["trials"] == number and group["shares"] == pytest.approx(expected, abs=1e-12)
    assert max(group["shares"], key=group["shares"].get) == "rate"
