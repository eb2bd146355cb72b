"""What CONTRIBUTING.md says: where things are, and how an optimizer is added to a copy."""

import ast
import graphlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tuner_app"
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
UPWARD = {("tuners", "cli"), ("tuners", "cluster"), ("results", "oracles")}
COPIED = ("tuner_app", "search_spaces", "docs", "tests/optimizers", "tests/test_cards.py")

ADDED = '''
"""What adding a file, a line and a row should have brought."""

import keras
import keras_tuner
import numpy as np

from search_spaces import hyperparameters
from tuner_app import SearchConfig, cards, optimizers
from tuner_app.cli.main import main


def test_it_compiles_and_trains():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("tuner_app>QHM", "mse", run_eagerly=True)
    model.optimizer.learning_rate = 0.1
    before = model.train_on_batch(np.eye(2), np.ones((2, 1)))
    assert type(model.optimizer) is optimizers.QHM
    assert model.train_on_batch(np.eye(2), np.ones((2, 1))) < before


def test_it_is_listed_with_its_card(capsys):
    assert main(["list", "optimizers"]) == 0
    assert "QHM: a step between the plain gradient's and momentum's." in capsys.readouterr().out
    assert "Quasi-hyperbolic momentum" in cards.card("qhm").source
    assert "### qhm" in cards.markdown()


def test_it_is_in_a_search_space():
    assert SearchConfig(optimizers="qhm").optimizers == ("qhm",)
    hp = keras_tuner.HyperParameters()
    assert type(hyperparameters.optimizer(hp, ["qhm"], 100)) is optimizers.QHM
    assert {"qhm_learning_rate", "qhm_nu"} <= set(hp.values)
'''


def test_the_map_has_every_package_and_nothing_else():
    (tree,) = re.findall(r"```\n(tuner_app/\n.*?)```", TEXT, re.DOTALL)
    folder, named = ROOT, {}
    for indent, entry in re.findall(r"^( *)([\w/.]+)(?=$| {2})", tree, re.MULTILINE):
        folder = folder if indent else ROOT
        named.setdefault(folder, set()).add(entry)
        assert (folder / entry).exists(), entry
        folder = folder if indent else ROOT / entry
    packages = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= named[PACKAGE]


def test_files_that_it_names_exist():
    named = set(re.findall(r"[\w./-]+\.(?:py|sh|md|txt)\b", TEXT))
    # Some are named by their last part, where the package is said before.
    there = {name for name in named if (ROOT / name).exists() or any(PACKAGE.rglob(name))}
    assert named - there == {"tuner_app/optimizers/qhm.py"}  # the example's


def imports():
    """Which part of the package (a folder, or a file beside it) imports which: (one, other)."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typing = [
            n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_" in ast.dump(n.test)
        ]
        names = set()
        for node in set(ast.walk(tree)) - {inner for n in typing for inner in ast.walk(n)}:
            if isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        mine = path.relative_to(PACKAGE).with_suffix("").parts[0]
        others = {name.split(".")[1] for name in names if name.startswith("tuner_app.")}
        found |= {(mine, other) for other in others - {mine}}
    return found


def test_imports_run_one_way():
    below = {}
    for one, other in imports() - UPWARD:
        below.setdefault(one, set()).add(other)
    graphlib.TopologicalSorter(below).prepare()  # raises CycleError


def blocks():
    """The blocks of the example, in their order: file, import, reference, row."""
    _, _, example = TEXT.partition("### An optimizer, by example")
    return re.findall(r"```(?:python|text)\n(.*?)```", example, re.DOTALL)


def inserted(path, before, text):
    """Puts a text before the first line that starts so."""
    whole = path.read_text(encoding="utf-8")
    place = whole.index(f"\n{before}") + 1
    path.write_text(whole[:place] + text + whole[place:], encoding="utf-8")


def test_an_optimizer_is_added_by_a_file_a_line_and_a_row(tmp_path):
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, tmp_path / name)

    file, line, reference, row = blocks()
    package, tests = tmp_path / "tuner_app" / "optimizers", tmp_path / "tests"
    (package / "qhm.py").write_text(file, encoding="utf-8")
    assert len(line.splitlines()) == len(row.splitlines()) == 1
    inserted(package / "__init__.py", "from tuner_app.optimizers.radam", line)
    table = tests / "optimizers" / "test_trajectories.py"
    inserted(table, "# optimizer, its arguments", reference + "\n\n")
    inserted(table, "]  # fmt: skip", row)
    (tests / "test_added.py").write_text(ADDED, encoding="utf-8")

    files = ("test_added.py", "test_cards.py", "optimizers/test_trajectories.py")
    chosen = "test_added or qhm or every_rule_is_in"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", chosen, "-p", "no:cacheprovider"]
        + [f"tests/{file}" for file in files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    # Three of its own, three on its card, its trajectory, and that it has one.
    assert re.search(r"\b8 passed", done.stdout), done.stdout[-1000:]
