"""How much of the score's variation each hyperparameter explains, by Optuna's evaluators."""

import math
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

LEAST = 12  # trials: with fewer the numbers would be noise
FOREST_LIMIT = 400  # trials, above which fANOVA takes seconds and PED-ANOVA milliseconds
METHODS = {
    "fanova": "fANOVA (Hutter, Hoos and Leyton-Brown 2014): the share of the score's variance "
    "over the whole space that each explains by itself",
    "ped-anova": "PED-ANOVA (Watanabe, Bansal and Hutter 2023): how differently each is "
    "distributed among the best tenth of the trials than among all",
}


def importance(
    domains: Sequence[Mapping], trials: Sequence[Mapping[str, Any]], direction: str
) -> dict[str, Any]:
    """The hyperparameters by importance.

    Those that every trial has are weighed against each other; those that only a choice makes active
    (an optimizer's own) against all others of the trials that made that choice.

    Args:
        domains: As `domains.domains` gives them.
        trials: Of completed trials: dictionaries with `score` and `values`.
        direction: "min" or "max".

    Returns:
        A dictionary: `method` (a sentence), `groups` (each with `condition`, "" for all trials,
        `trials`, their number, and `shares`, name to a number; those of a group add up to 1), and
        `note`, why there are none.
    """
    usable = [t for t in trials if t["score"] is not None and math.isfinite(t["score"])]
    if len(usable) < LEAST:
        return _none(f"{len(usable)} completed trials are too few to tell; {LEAST} are needed")
    if len({trial["score"] for trial in usable}) == 1:
        return _none("every trial has the same score")
    method = "fanova" if len(usable) <= FOREST_LIMIT else "ped-anova"
    groups = []
    for condition, members in _groups(domains).items():
        parent, value = condition
        usable_here = [t for t in usable if parent is None or t["values"].get(parent) == value]
        having = [
            t for t in usable_here if all(t["values"].get(d["name"]) is not None for d in members)
        ]
        varying = [d for d in members if len({t["values"][d["name"]] for t in having}) > 1]
        if len(having) < LEAST or not varying or len({t["score"] for t in having}) == 1:
            continue
        shares = _shares(varying, having, direction, method)
        told = "" if parent is None else f"{parent} is {value}"
        groups.append({"condition": told, "trials": len(having), "shares": shares})
    return {"method": METHODS[method], "groups": groups, "note": ""}


def _none(note: str) -> dict[str, Any]:
    return {"method": "", "groups": [], "note": note}


def _groups(domains: Sequence[Mapping]) -> dict[tuple[str | None, Any], list[Mapping]]:
    """What is weighed together: those without a condition, and for each choice that makes others
    active, all that are active then."""
    searched = [domain for domain in domains if domain["kind"] != "fixed"]
    always = [domain for domain in searched if not domain["conditions"]]
    found: dict[tuple[str | None, Any], list[Mapping]] = {(None, None): always}
    for domain in searched:
        if len(domain["conditions"]) != 1:
            continue  # deeper scopes have too few trials to be weighed
        parent, values = domain["conditions"][0]
        for value in values:
            others = [one for one in always if one["name"] != parent]
            found.setdefault((parent, value), others).append(domain)
    return found


def _shares(
    domains: Sequence[Mapping], trials: Sequence[Mapping[str, Any]], direction: str, method: str
) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {d["name"]: _distribution(d, trials) for d in domains}
    study = optuna.create_study(direction="maximize" if direction == "max" else "minimize")
    now = datetime.now()
    known = [
        optuna.trial.FrozenTrial(
            number=number,
            trial_id=number,
            state=optuna.trial.TrialState.COMPLETE,
            value=trial["score"],
            datetime_start=now,
            datetime_complete=now,
            params={
                name: _as_optuna(trial["values"][name], kind)
                for name, kind in distributions.items()
            },
            distributions=distributions,
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        for number, trial in enumerate(trials)
    ]
    # Given, not added: Optuna would copy each, which takes much longer than the evaluators.
    study.get_trials = lambda deepcopy=True, states=None: known
    if method == "fanova":
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=32, max_depth=32, seed=0)
    else:
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is experimental in Optuna
        found = optuna.importance.get_param_importances(
            study, evaluator=evaluator, params=list(distributions), normalize=True
        )
    return {name: float(share) for name, share in found.items()}


def _distribution(domain: Mapping, trials: Sequence[Mapping[str, Any]]) -> Any:
    import optuna

    used = [trial["values"][domain["name"]] for trial in trials]
    if domain["kind"] == "choice":
        return optuna.distributions.CategoricalDistribution(
            list(dict.fromkeys(_as_category(value) for value in [*domain["values"], *used]))
        )
    # A resume may have narrowed the space: the range holds what the trials had.
    low, high = min(domain["low"], *used), max(domain["high"], *used)
    logarithmic = domain["scale"] == "log" and low > 0
    if domain["kind"] == "int":
        return optuna.distributions.IntDistribution(int(low), int(high), log=logarithmic)
    return optuna.distributions.FloatDistribution(float(low), float(high), log=logarithmic)


def _as_optuna(value: Any, distribution: Any) -> Any:
    import optuna

    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return _as_category(value)
    return value


def _as_category(value: Any) -> Any:
    """Choices of any JSON type; True and 1 are not the same choice."""
    return str(value) if isinstance(value, bool) else value
