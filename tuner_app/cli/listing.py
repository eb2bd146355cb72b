"""List what can be named on the command line or imported, with one line on each.

KIND is optimizers, losses, schedules, spaces, datasets or oracles. Of the optimizers, keras:NAME is
Keras's own; the others are this project's, to be imported from tuner_app.optimizers.
"""

import shutil
import textwrap

from absl import flags

from tuner_app.errors import UserError

SUMMARY = "List optimizers, losses, schedules, spaces, datasets or oracles."
USAGE = "list KIND"
EXPECTED = ", where KIND is optimizers, losses, schedules, spaces, datasets or oracles."
WIDEST = 100  # columns of a card


def define_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_bool(
        "long",
        False,
        "For optimizers: a card for each of ours, with what it is for, its memory and arithmetic, "
        "what to tune, where a search looks, and its source.",
        flag_values,
    )


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app import catalogue

    kind = arguments[0]
    named = catalogue.names(kind)
    if flag_values.long and kind != "optimizers":
        raise UserError(f"Only optimizers have cards; received --long with {kind}. Leave it out.")
    own = {name: line for name, line in named.items() if name.startswith("keras:")}
    ours = {name: line for name, line in named.items() if name not in own}
    if flag_values.long:
        _print_cards(ours)
    else:
        _print_lines(ours)
    if own:
        print("\nKeras's own, by these names in a search and a comparison too:")
        _print_lines(own)
    return 0


def _print_lines(named: dict[str, str]) -> None:
    width = max(map(len, named), default=0)
    for name, line in named.items():
        print(f"{name:<{width}}  {line}")


def _print_cards(named: dict[str, str]) -> None:
    from tuner_app import cards

    columns = min(shutil.get_terminal_size().columns, WIDEST)
    indent = 4 + max(map(len, cards.LABELS))
    for i, name in enumerate(named):
        card = cards.card(name)
        print("\n" * (i > 0) + f"{name}\n  " + _wrapped(card.line, columns, 2))
        for label, text in card.items().items():
            print(f"  {label:<{indent - 2}}" + _wrapped(text, columns, indent))


def _wrapped(text: str, columns: int, indent: int) -> str:
    lines = textwrap.wrap(text, columns - indent, break_on_hyphens=False)
    return ("\n" + " " * indent).join(lines)
