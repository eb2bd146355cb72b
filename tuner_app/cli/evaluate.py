"""Test the confirmed winner on the test split, once, with an interval over the examples.

No search touches the test split, and this command opens it once: a second time needs --again, and
every report says so from then on. The ledger in DIR records when it was opened, the trial, the data
set and the scores, and your name only if you give it with --by.
"""

from absl import flags

SUMMARY = "Test the confirmed winner on the test split, once."
USAGE = "evaluate DIR [flags]"


def define_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_bool(
        "again", False, "Open the test set although it was opened before.", flag_values
    )
    flags.DEFINE_bool(
        "unconfirmed",
        False,
        "Test the search's best trial although `tuner-app confirm` has not chosen a winner.",
        flag_values,
    )
    flags.DEFINE_string("by", "", "A name to record in the ledger.", flag_values)


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    from tuner_app.answers import testing

    asked = testing.plan(arguments[0], again=flag_values.again, unconfirmed=flag_values.unconfirmed)

    from tuner_app import environment

    environment.use_backend(asked.config.backend)
    environment.import_quietly()
    print(testing.text(asked, testing.evaluate(asked, by=flag_values.by)))
    return 0
