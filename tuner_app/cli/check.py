"""Check the data and a model of the space before a search: what practitioners look at first.

Finite numbers, class balance, duplicates between splits, constant and leaking columns; the loss at
initialization against theory, the gradient of every layer against differences, a tiny subset learnt
by heart, a learning-rate range test, and whether a short training beats random weights, a constant
and a linear model. Each says pass, warn or fail, and what to do about it. Exit status 1 where one
fails.
"""

import json
import sys
from pathlib import Path

from absl import flags

from tuner_app.cli.parsing import define_whole_number
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError

SUMMARY = "Check the data and a model before a search."
USAGE = "check [flags]"
FORMATS = ("text", "json")
MARKS = {"pass": "ok  ", "warn": "WARN", "fail": "FAIL"}


def define_flags(flag_values: flags.FlagValues) -> None:
    usual = SearchConfig()
    flags.DEFINE_string(
        "dataset", usual.dataset, "The data, as for `tuner-app search`.", flag_values
    )
    flags.DEFINE_string("space", usual.space, "The space, as for `tuner-app search`.", flag_values)
    flags.DEFINE_list(
        "optimizers",
        list(usual.optimizers),
        "The optimizers that the space offers; the model has the first.",
        flag_values,
    )
    define_whole_number("epochs", 5, "How long the model trains against baselines.", flag_values)
    define_whole_number("batch_size", usual.batch_size, "Examples in one step.", flag_values)
    define_whole_number("seed", 0, "Fixes the split and the model's weights.", flag_values)
    flags.DEFINE_string("backend", "", "What Keras computes with: tensorflow or jax.", flag_values)
    flags.DEFINE_enum("format", "text", FORMATS, "How to print the findings.", flag_values)
    flags.DEFINE_string(
        "plot", "", "An .svg file to write the learning-rate range test to.", flag_values
    )


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    names = ("dataset", "space", "optimizers", "epochs", "batch_size", "seed", "backend")
    config = SearchConfig(**{name: flag_values[name].value for name in names})
    plot = Path(flag_values.plot).expanduser() if flag_values.plot else None
    if plot is not None and (plot.suffix != ".svg" or not plot.absolute().parent.is_dir()):
        raise UserError(f"plot is {str(plot)!r}, expected a name that ends in .svg, in a folder.")

    import search_spaces
    from tuner_app import data, environment

    data.check(config.dataset)
    search_spaces.check(config.space)
    environment.use_backend(config.backend)
    environment.import_quietly()

    from tuner_app.answers.checking import rate_test
    from tuner_app.answers.checking.story import findings

    found, curve = [], None
    for one in findings(config):
        if isinstance(one, rate_test.RateTest):
            curve = one
            continue
        found.append(one)
        if flag_values.format == "text":
            print(f"{MARKS[one.status]}  {one.check}: {one.found}", flush=True)
            if one.check.startswith("learning-rate") and curve is not None:
                print(f"      {rate_test.as_text(curve)}")
            if one.advice:
                print(f"      {one.advice}")
    if flag_values.format == "json":
        told = {
            "findings": [vars(one) for one in found],
            "learning_rate_range_test": None if curve is None else vars(curve),
        }
        json.dump(told, sys.stdout, indent=2, allow_nan=False)
        print()
    if plot is not None and curve is not None and curve.losses:
        plot.write_text(rate_test.as_svg(curve), encoding="utf-8")
        if flag_values.format == "text":
            print(plot)
    failed = sum(one.status == "fail" for one in found)
    if flag_values.format == "text":
        warned = sum(one.status == "warn" for one in found)
        print(f"{len(found) - failed - warned} passed, {warned} warned, {failed} failed.")
    return 1 if failed else 0
