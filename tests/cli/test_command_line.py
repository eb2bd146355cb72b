"""Words in, exit status and text out: help, flags, and what stays unimported."""

import os
import re
import resource
import subprocess
import sys

import pytest

from tuner_app import __version__
from tuner_app.cli.main import COMMANDS, main

HEAVY = ("tensorflow", "keras", "keras_tuner", "jax", "optuna", "sklearn", "tensorflow_datasets")


def test_overview_names_every_command(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.SUMMARY)}$", printed, re.MULTILINE)


def test_no_words_show_the_overview(capsys):
    assert main([]) == 0
    bare = capsys.readouterr().out
    main(["--help"])
    assert bare == capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tuner-app {__version__}\n"


@pytest.mark.parametrize(
    "flag",
    "dataset space project oracle objective max_trials epochs patience batch_size seed optimizers "
    "losses precision quiet".split(),
)
def test_search_help_has_the_flag_with_a_sentence(flag, capsys):
    assert main(["search", "--help"]) == 0
    assert re.search(rf"^  --{flag}\b.*\n      [A-Z]\w+ ", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: tuner-app {name}")
    assert max(map(len, printed.splitlines())) <= 100


def test_help_shows_defaults(capsys):
    main(["search", "--help"])
    printed = capsys.readouterr().out
    assert "--dataset=DATASET (default: digits)" in printed
    assert "--max_trials=N (default: 20)" in printed
    assert "--precision=float32|mixed_bfloat16|mixed_float16 (default: float32)" in printed
    assert "--optimizers=A,B,... (default: adam,adamw,nesterov)" in printed


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["search", "--help"],
        ["list", "optimizers"],
        ["list", "losses"],
        ["search", "--oracle=rnadom"],
        ["search", "--dataset=digts"],
        ["search", "--space=nowhere.py:build"],
        ["results", "no-such-folder"],
        ["evaluate", "no-such-folder"],
        ["compare", "--optimizers=adam"],
        ["check", "--dataset=digts"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(words):
    script = (
        "import sys\n"
        "from tuner_app.cli.main import main\n"
        f"main({words!r})\n"
        f"print('imported:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported:"


@pytest.mark.parametrize("words", [["--help"], ["search", "--help"]], ids=" ".join)
def test_help_answers_at_once(words, tuner_app_process):
    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent()
    assert tuner_app_process(*words).returncode == 0
    # The processor's seconds, not the clock's: the machine may be busy with other tests.
    assert spent() - before < 0.3


@pytest.mark.parametrize("encoding", ["ascii", "ascii:surrogateescape"])  # the latter is C's
def test_letters_that_the_encoding_lacks_end_nothing(tuner_app_process, encoding):
    done = tuner_app_process("list", "schedules", env={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0 and done.stderr == ""
    assert "Exponential decay: \\u03b1" in done.stdout


@pytest.mark.parametrize(("command", "kind"), [("list", "oracles"), ("picture", "trajectories")])
def test_where_a_kind_is_missing_the_kinds_are_named(command, kind, capsys):
    assert main([command]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "expected KIND" in told and kind in told


def test_the_module_is_the_command(tuner_app_process, capsys):
    done = tuner_app_process("search", "--help")
    main(["search", "--help"])
    assert (done.returncode, done.stdout, done.stderr) == (0, capsys.readouterr().out, "")


def test_a_reader_that_leaves_early_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tuner_app", "list", "optimizers"],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            # Unbuffered output would break at the first line, not when the process ends.
            env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
