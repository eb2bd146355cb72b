"""What can be named on the command line, with one line on each, read from the sources.

The sources are parsed, not imported, so `tuner-app list` and every check of a name answer at once.
Each name's line is the first line of its docstring: nothing is written twice.
"""

import ast
import importlib.util
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tuner_app.errors import unknown

PACKAGE = Path(__file__).parent


@cache
def names(kind: str) -> dict[str, str]:
    """Name to one line for one of `KINDS`, sorted by name.

    Raises:
        UserError: An unknown kind.

    >>> "digits" in names("datasets")
    True
    """
    if kind not in KINDS:
        raise unknown("kind of thing", kind, KINDS)
    return dict(sorted(KINDS[kind]()))


def _optimizers() -> Iterator[tuple[str, str]]:
    for path, tree in _modules(PACKAGE / "optimizers"):
        if any(_derives(item, "RuleOptimizer") for item in tree.body):
            yield path.stem, _first_line(tree)
    own = ast.parse((PACKAGE / "optimizers" / "keras_own.py").read_text(encoding="utf-8"))
    for name, (_, line) in _constant(own, "OWN").items():
        yield name, line


def _losses() -> Iterator[tuple[str, str]]:
    for path, tree in _modules(PACKAGE / "losses"):
        if path.stem != "loss":
            yield from _public_classes(tree)


def _schedules() -> Iterator[tuple[str, str]]:
    for _, tree in _modules(PACKAGE / "schedules"):
        yield from _public_classes(tree)


def _spaces() -> Iterator[tuple[str, str]]:
    package = importlib.util.find_spec("search_spaces")
    for folder in package.submodule_search_locations or ():
        for path, tree in _modules(Path(folder)):
            if path.stem != "hyperparameters":
                yield path.stem, _first_line(tree)


def _datasets() -> Iterator[tuple[str, str]]:
    for _, tree in _modules(PACKAGE / "data"):
        form = _constant(tree, "SPEC")
        if form:
            yield form, _first_line(tree)


def _oracles() -> Iterator[tuple[str, str]]:
    for _, tree in _modules(PACKAGE / "oracles"):
        name = _constant(tree, "NAME")
        if name:
            yield name, _first_line(tree)


KINDS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "optimizers": _optimizers,
    "losses": _losses,
    "schedules": _schedules,
    "spaces": _spaces,
    "datasets": _datasets,
    "oracles": _oracles,
}


def _modules(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.glob("[!_]*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def _first_line(node: ast.Module | ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").split("\n")[0]


def _derives(item: ast.stmt, base: str) -> bool:
    return isinstance(item, ast.ClassDef) and any(
        isinstance(parent, ast.Name) and parent.id == base for parent in item.bases
    )


def _constant(tree: ast.Module, name: str) -> Any:
    """The value of a module's constant, such as `NAME = "random"`; None without one."""
    for item in tree.body:
        if isinstance(item, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in item.targets
        ):
            return ast.literal_eval(item.value)
    return None


def _public_classes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    public = set()
    for item in tree.body:
        if isinstance(item, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in item.targets
        ):
            public = set(ast.literal_eval(item.value))
    for item in tree.body:
        if isinstance(item, ast.ClassDef) and item.name in public:
            yield item.name, _first_line(item)
