"""Compare optimizers at equal budgets, and say plainly where they can't be told apart.

Each optimizer is tuned in its own space with the same number of quasi-random points, epochs and
batches; all else stays at the search space's default. That is repeated from new points, the best
point of each tuning is run again with fresh seeds, and the spread over the tunings decides. Ranges
are widened first while a pilot's best points lie at their ends. --protocol chooses a published way
instead. compare.json and compare.md in the project directory have everything. Stopped
with Ctrl-C, the same command goes on.
"""

import json
import sys
from pathlib import Path

from absl import flags

from tuner_app.cli.parsing import define_whole_number
from tuner_app.cli.search import define_quiet
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError

SUMMARY = "Compare optimizers at equal budgets."
USAGE = "compare [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    from tuner_app.answers.protocols import PRESETS

    usual = SearchConfig()
    flags.DEFINE_list(
        "optimizers",
        list(usual.optimizers),
        "The optimizers: names from `tuner-app list optimizers`.",
        flag_values,
    )
    flags.DEFINE_string(
        "dataset", usual.dataset, "The data, as for `tuner-app search`.", flag_values
    )
    flags.DEFINE_string(
        "space",
        usual.space,
        "The search space, whose model is trained with its default shape and regularization.",
        flag_values,
    )
    flags.DEFINE_enum("protocol", "repeated", list(PRESETS), "How they are compared.", flag_values)
    for name, says in (
        ("points", "Trials of one tuning"),
        ("repeats", "Independent tunings of each optimizer"),
        ("seeds", "Fresh seeds for the best point of each tuning"),
    ):
        told = ", ".join(f"{p.name} {getattr(p, name)}" for p in PRESETS.values())
        define_whole_number(name, 0, f"{says}; 0: the protocol's own ({told}).", flag_values)
    define_whole_number("epochs", 20, "The epochs of every run.", flag_values)
    define_whole_number("batch_size", usual.batch_size, "Examples in one step.", flag_values)
    define_whole_number("seed", 0, "Fixes the split, the points and all runs.", flag_values)
    flags.DEFINE_float(
        "target",
        None,
        "The score whose reaching is timed. Default: the mean of the worst tuned optimizer.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "project", "", "Where it is kept. Default: comparisons/DATASET-SPACE.", flag_values
    )
    flags.DEFINE_string("backend", "", "What Keras computes with: tensorflow or jax.", flag_values)
    define_quiet(flag_values)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app.answers.protocols import protocol

    names = ("optimizers", "dataset", "space", "epochs", "batch_size", "seed", "backend")
    config = SearchConfig(**{name: flag_values[name].value for name in names}, patience=0)
    for name in ("points", "repeats", "seeds"):
        if flag_values[name].value < 0:
            raise UserError(f"{name} is {flag_values[name].value}, expected at least 1.")
    given = {name: flag_values[name].value or None for name in ("points", "repeats", "seeds")}
    chosen = protocol(flag_values.protocol, **given)
    if len(config.optimizers) < 2:
        raise UserError(
            f"optimizers is {','.join(config.optimizers)!r}, expected at least two to compare."
        )

    import search_spaces
    from tuner_app import data, environment

    data.check(config.dataset)
    search_spaces.check(config.space)
    folder = Path("comparisons") / config.directory.name
    directory = Path(flag_values.project).expanduser() if flag_values.project else folder
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Can't make {directory} ({error.strerror}). Choose another --project."
        ) from None
    environment.use_backend(config.backend)
    environment.import_quietly()

    from tuner_app.answers.compare_text import compare_markdown, compare_text
    from tuner_app.answers.comparing import Comparing
    from tuner_app.cli.interruption import Interruption
    from tuner_app.cli.session import progress, say

    quiet = flag_values.quiet
    try:
        with Interruption() as interruption:
            observers = [interruption]
            if sys.stdout.isatty() and not quiet:
                observers.append(progress(config.epochs, []))
            found = Comparing(
                config, chosen, directory, flag_values.target, observers, say(quiet)
            ).run()
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on.", file=sys.stderr)
        return 130
    for name in ("compare.json", "compare.md"):
        keep_earlier(directory / name)
    text = json.dumps(found, indent=2, allow_nan=False) + "\n"
    (directory / "compare.json").write_text(text, encoding="utf-8")
    (directory / "compare.md").write_text(compare_markdown(found), encoding="utf-8")
    print(compare_text(found))
    print(f"\n{directory / 'compare.json'}\n{directory / 'compare.md'}")
    return 0


def keep_earlier(path: Path) -> None:
    """Gives an earlier result a name with a number, so that none is lost."""
    number = 1
    while (aside := path.with_stem(f"{path.stem}-{number}")).exists():
        number += 1
    if path.exists():
        path.rename(aside)
