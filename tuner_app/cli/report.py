"""Write a search's report: one HTML file that opens offline, on a phone too, and prints.

It has the answer first, then what the search tried, what mattered, what failed, what the best model
gets wrong, and the command that reproduces it. DIR may hold a finished search or one that runs.
Markdown and JSON have the same content; --output=- writes to the standard output.
"""

import json
import sys
from pathlib import Path

from absl import flags

from tuner_app.errors import UserError

SUMMARY = "Write a search's report, as one HTML file."
USAGE = "report DIR [flags]"
FORMATS = ("html", "md", "json")


def define_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_enum("format", "html", FORMATS, "The report's form.", flag_values)
    flags.DEFINE_string("output", "", "The file to write. Default: DIR/report.FORMAT.", flag_values)
    flags.DEFINE_bool(
        "mistakes",
        True,
        "Tell what the best model gets wrong; --nomistakes leaves it out, and TensorFlow unloaded.",
        flag_values,
    )


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app.results import report

    directory, form = Path(arguments[0]), flag_values.format
    document = report.collect(directory, with_mistakes=flag_values.mistakes)
    text = {
        "html": report.as_html,
        "md": report.as_markdown,
        "json": lambda found: json.dumps(found, indent=2, allow_nan=False) + "\n",
    }[form](document)
    if flag_values.output == "-":
        sys.stdout.write(text)
        return 0
    output = Path(flag_values.output or directory / f"report.{form}").expanduser()
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"Can't write {output} ({error.strerror}). Choose another --output."
        ) from None
    print(output)
    return 0
