"""What the README shows is what happens."""

import re
from pathlib import Path

from tuner_app.cli.main import COMMANDS, main

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block_with(text: str) -> str:
    (found,) = (block for block in BLOCKS if text in block)
    return found


def test_help_of_search_is_the_readmes(capsys):
    main(["search", "--help"])
    shown = re.search(r"<!-- tuner-app search --help -->\n```\n(.*?)^```$", README, re.M | re.S)
    assert shown.group(1) == capsys.readouterr().out


def test_commands_of_the_readme_exist():
    named = re.findall(r"^tuner-app (\w+)", README, re.MULTILINE)
    assert set(named) == set(COMMANDS)


def test_files_of_the_readme_exist():
    for target in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / target).exists(), target
    for script in re.findall(r"^((?:launch|tests)/\S+\.sh)", README, re.MULTILINE):
        assert (ROOT / script).stat().st_mode & 0o111, script


def test_optimizer_and_loss_in_an_ordinary_model(in_empty_folder, capsys):
    exec(compile(block_with("tuner_app.optimizers import"), "README.md", "exec"), {})
    assert float(capsys.readouterr().out) > 0.8


def test_kerastuner_with_another_import(in_empty_folder, capsys):
    names = {}
    exec(compile(block_with("def build(hp):"), "README.md", "exec"), names)
    exec(compile(block_with("import RandomSearch"), "README.md", "exec"), names)
    best = eval(capsys.readouterr().out.splitlines()[-1])
    assert best["units"] in (32, 64) and 1e-4 <= best["learning_rate"] <= 1e-2


def test_search_from_python(in_empty_folder, capsys):
    exec(compile(block_with("run_search("), "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"0\.\d+ \{.*'optimizer': '\w+'.*\}$", printed), printed
    assert (in_empty_folder / "tuning" / "from-python" / "search.db").is_file()


def test_space_of_ones_own(in_empty_folder, capsys):
    (in_empty_folder / "my_space.py").write_text(block_with("def build(hp):"))
    words = (
        "search --dataset=digits --space=my_space.py:build --epochs=2 --project=mine --max_trials=2"
    )
    assert main([*words.split(), "--quiet"]) == 0
    assert "Trials:   2 completed, 0 failed" in capsys.readouterr().out
