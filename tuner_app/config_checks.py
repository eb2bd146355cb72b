"""What is wrong with a configuration, in a sentence each: types, ranges, names, combinations."""

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any

from tuner_app import catalogue
from tuner_app.errors import UserError, unknown

if TYPE_CHECKING:
    from tuner_app.config import SearchConfig

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
BACKENDS = ("tensorflow", "jax")
DIRECTIONS = ("min", "max")
EXTENDING = ("random", "sobol", "tpe", "gp", "auto", "nsga2", "brute")  # oracles that widen ranges
PRUNERS = ("none", "median", "asha", "hyperband", "wilcoxon", "patient")
OF_PBT = ("population", "interval", "quantile", "perturb", "resample_probability")
TEXTS = (
    "dataset space project oracle pruner objective time_limit target enqueue warm_start "
    "lanes backend precision perturb"
).split()


def check(config: "SearchConfig") -> None:
    """Raises `UserError` for the first thing that is wrong."""
    _check_values(config)
    _check_names(config)
    _check_pruner(config)
    _check_population(config)
    _check_objective(config.objective)


def names(kind: str, given: Any, or_none: bool = False) -> tuple[str, ...]:
    """Names of optimizers or losses, each once."""
    known = catalogue.names(kind)
    example = {"optimizers": ["adam", "nesterov"], "losses": ["CategoricalFocal", "Huber"]}[kind]
    if isinstance(given, str):
        given = given.split(",") if given or not or_none else ()
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise UserError(f"{kind} is {given!r}, expected names, such as {example}.")
    if not given and not or_none:
        raise UserError(
            f"{kind} is empty, expected at least one name from `tuner-app list {kind}`."
        )
    for name in given:
        if name not in known:
            raise unknown({"optimizers": "optimizer", "losses": "loss"}[kind], name, known)
    return tuple(dict.fromkeys(given))


def _check_values(config: "SearchConfig") -> None:
    for name in TEXTS:
        if not isinstance(getattr(config, name), str):
            raise UserError(f"{name} is {getattr(config, name)!r}, expected a string.")
    for name in ("max_trials", "epochs", "batch_size", "interval"):
        _check_whole(name, getattr(config, name), at_least=1)
    for name in (
        "patience",
        "steps_per_epoch",
        "max_epochs_total",
        "trials_patience",
        "population",
    ):
        _check_whole(name, getattr(config, name), at_least=0)
    if not isinstance(config.extend_ranges, bool):
        raise UserError(f"extend_ranges is {config.extend_ranges!r}, expected true or false.")
    _check_whole("keep_best", config.keep_best, at_least=0)
    _check_whole("seed", config.seed, at_least=0)
    if config.seed >= 2**31:
        raise UserError(f"seed is {config.seed}, expected less than 2**31.")
    if config.lanes != "auto" and (not config.lanes.isdecimal() or int(config.lanes) < 1):
        raise UserError(
            f"lanes is {config.lanes!r}, expected auto or a whole number of at least 1."
        )


def _check_names(config: "SearchConfig") -> None:
    for name in ("dataset", "space"):
        if not getattr(config, name):
            raise UserError(f"{name} is empty, see `tuner-app list {name}s`.")
    if config.oracle not in catalogue.names("oracles"):
        raise unknown("oracle", config.oracle, catalogue.names("oracles"))
    if config.pruner not in PRUNERS:
        raise unknown("pruner", config.pruner, PRUNERS)
    if config.precision not in PRECISIONS:
        raise unknown("precision", config.precision, PRECISIONS)
    if config.backend and config.backend not in BACKENDS:
        raise unknown("backend", config.backend, BACKENDS)


def _check_pruner(config: "SearchConfig") -> None:
    if config.pruner != "none" and config.oracle == "hyperband":
        raise UserError(
            f"pruner is {config.pruner}, but the oracle hyperband ends trials early by itself. "
            "Leave one of them out."
        )
    if config.pruner != "none" and "," in config.objective:
        raise UserError("Pruning needs one objective; received several. Leave the pruner out.")


def _check_whole(name: str, value: Any, at_least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise UserError(f"{name} is {value!r}, expected a whole number of at least {at_least}.")


def _check_population(config: "SearchConfig") -> None:
    """What only population-based training has."""
    config.factors  # noqa: B018 (raises)
    for name, low, high in (("quantile", 0.0, 0.5), ("resample_probability", 0.0, 1.0)):
        value = getattr(config, name)
        number = isinstance(value, float | int) and not isinstance(value, bool)
        if not number or not low <= value <= high or value == 0 and name == "quantile":
            least = "a share above 0 and" if name == "quantile" else "a probability from 0"
            raise UserError(f"{name} is {value!r}, expected {least} up to {high:g}.")
    if config.oracle != "pbt":
        for item in dataclasses.fields(config):
            if item.name in OF_PBT and getattr(config, item.name) != item.default:
                raise UserError(
                    f"{item.name} is {getattr(config, item.name)!r}, but only the oracle pbt has a "
                    f"population. Add --oracle=pbt, or leave it out."
                )
        return
    if config.trials < 2:
        raise UserError(f"population is {config.trials}, expected at least 2 members.")
    if config.interval >= config.epochs:
        raise UserError(
            f"interval is {config.interval} and epochs is {config.epochs}, so no member would ever "
            "be replaced. Expected fewer epochs between comparisons than in all."
        )
    if config.pruner != "none":
        raise UserError(
            f"pruner is {config.pruner}, but the oracle pbt replaces what lags behind by itself. "
            "Leave one of them out."
        )
    if "," in config.objective:
        raise UserError("The oracle pbt needs one objective; received several.")


def _check_objective(objective: str) -> None:
    if "," in objective:
        for part in objective.split(","):
            if not part:
                raise UserError(f"objective is {objective!r}, expected names between its commas.")
            _check_objective(part)
        return
    name, colon, direction = objective.partition(":")
    if colon and (not name or direction not in DIRECTIONS):
        nearest = difflib.get_close_matches(direction, DIRECTIONS, n=1)
        hint = f" Did you mean {name}:{nearest[0]}?" if nearest and name else ""
        raise UserError(f"objective is {objective!r}, expected NAME:min or NAME:max.{hint}")
