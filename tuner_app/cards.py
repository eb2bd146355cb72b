"""A card for each of our optimizers: what it is for, what it costs, what to tune, who wrote it up.

    python -m tuner_app.cards      # writes them into docs/optimizers.md

Read from the rule's own file, without importing it: the second paragraph of its docstring is the
use, a sentence that begins "Keeps" (memory; arithmetic), and what to tune; the source is the
reference of its class; the ranges are those of the rule.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

OPTIMIZERS = Path(__file__).parent / "optimizers"
DOCUMENT = Path(__file__).parents[1] / "docs" / "optimizers.md"
BEGIN, END = "<!-- cards: python -m tuner_app.cards -->", "<!-- end of cards -->"
LABELS = ("For", "Memory", "Arithmetic", "To tune", "Searched", "Source")


@dataclass(frozen=True)
class Card:
    """What one should know of an optimizer before taking it.

    Attributes:
        line: The first line of its file.
        use: What it is for.
        memory: Numbers it keeps beside each parameter.
        arithmetic: Operations of a parameter and step.
        tune: What to tune, first things first.
        ranges: Where a search looks, by hyperparameter, in words.
        inner: The rule that it wraps unless another is named, whose ranges it has too; or "".
        source: Authors, paper, year.
    """

    name: str
    line: str
    use: str
    memory: str
    arithmetic: str
    tune: str
    ranges: dict[str, str]
    inner: str
    source: str

    def items(self) -> dict[str, str]:
        """Label to text, by `LABELS`."""
        spans = [f"{name} {span}" for name, span in self.ranges.items()]
        if self.inner:
            spans.append(f"what the inner rule searches ({self.inner}, unless another is named)")
        spans = "; ".join(spans) + "."
        texts = (self.use, self.memory, self.arithmetic, self.tune, spans, self.source)
        return dict(zip(LABELS, texts, strict=True))


@cache
def card(name: str) -> Card:
    """The card of one of our optimizers, by its name on the command line.

    >>> card("adam").memory
    '2 numbers a parameter.'
    >>> card("momentum").ranges
    {'learning_rate': '0.0001 to 0.3 (log)', 'rho': '0.8 to 0.99'}
    """
    tree = _tree(name)
    line, _, rest = (ast.get_docstring(tree) or "").partition("\n")
    use, _, rest = " ".join(rest.split()).partition(" Keeps")
    costs, _, tune = rest.partition(". ")
    memory, _, arithmetic = costs.rpartition("; ")
    public = next(item for item in _classes(tree) if "RuleOptimizer" in _bases(item))
    _, _, source = (ast.get_docstring(public) or "").partition("\nReference")
    rule = next(item.name for item in _classes(tree) if item.name.endswith("Rule"))
    wraps = any(item.name == "Wrapper" for item, _ in _line_of(rule, tree))
    ranges = _value(*_attribute(rule, tree, "own_ranges" if wraps else "ranges"))
    return Card(
        name=name,
        line=line,
        use=use.removeprefix("For "),
        memory=_sentence(memory.lstrip(", ")),
        arithmetic=_sentence(arithmetic),
        tune=tune,
        ranges={key: _words(span) for key, span in ranges.items()},
        inner=_value(*_attribute(rule, tree, "inner")) if wraps else "",
        source=" ".join(source.partition(": ")[2].split()),
    )


def _sentence(text: str) -> str:
    """
    >>> _sentence("about 2 operations")
    'About 2 operations.'
    """
    return text[:1].upper() + text[1:] + "."


def _words(span: tuple) -> str:
    """A range or choices in words.

    >>> _words(("Range", 0.1, 1.0)), _words(("Range", 0, 0.9, "linear")), _words((0.9, 0.99))
    ('0.1 to 1 (log)', '0 to 0.9', '0.9 or 0.99')
    """
    if span[0] == "Range":
        low, high, scale = (*span[1:], "log")[:3]
        return f"{low:g} to {high:g}" + (" (log)" if scale == "log" else "")
    *others, last = (f"{value:g}" for value in span)
    return f"{', '.join(others)} or {last}"


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse((OPTIMIZERS / f"{name}.py").read_text(encoding="utf-8"))


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [item for item in tree.body if isinstance(item, ast.ClassDef)]


def _bases(item: ast.ClassDef) -> list[str]:
    return [base.id for base in item.bases if isinstance(base, ast.Name)]


def _found(name: str, tree: ast.Module) -> tuple[ast.ClassDef | None, ast.Module]:
    """A class by its name in a file, and the file that defines it, which may be another."""
    for item in _classes(tree):
        if item.name == name:
            return item, tree
    package = "tuner_app.optimizers."
    for item in tree.body:
        if isinstance(item, ast.ImportFrom) and (item.module or "").startswith(package):
            if any(alias.name == name for alias in item.names):
                return _found(name, _tree(item.module.removeprefix(package)))
    return None, tree


def _line_of(name: str, tree: ast.Module) -> list[tuple[ast.ClassDef, ast.Module]]:
    """A class and those above it, each with its file; those of other packages are left out."""
    item, tree = _found(name, tree)
    if item is None:
        return []
    return [(item, tree), *(each for base in _bases(item) for each in _line_of(base, tree))]


def _attribute(name: str, tree: ast.Module, attribute: str) -> tuple[ast.expr, ast.Module]:
    """What a class, or the nearest of its bases, assigns to an attribute, and the file of that."""
    for item, where in _line_of(name, tree):
        for line in item.body:
            targets = getattr(line, "targets", [getattr(line, "target", None)])
            if any(isinstance(t, ast.Name) and t.id == attribute for t in targets) and line.value:
                return line.value, where
    raise LookupError(f"{name} has no {attribute} that can be read from its file")


def _value(node: ast.expr, tree: ast.Module):
    """The value of what a rule's file may write: literals, Range(...), OtherRule.ranges, a | b."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _value(node.left, tree) | _value(node.right, tree)
    if isinstance(node, ast.Attribute):
        return _value(*_attribute(node.value.id, tree, node.attr))
    if isinstance(node, ast.Call):
        return ("Range", *map(ast.literal_eval, node.args))
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {ast.literal_eval(key): _value(value, tree) for key, value in pairs}
    return ast.literal_eval(node)


def markdown() -> str:
    """All cards, as they stand in docs/optimizers.md."""
    parts = []
    for name in sorted(path.stem for path in OPTIMIZERS.glob("[!_]*.py") if _is_rule(path)):
        lines = [f"- *{label}*: {text}" for label, text in card(name).items().items()]
        parts.append("\n".join([f"### {name}", "", card(name).line, "", *lines]))
    return "\n\n".join(parts)


def _is_rule(path: Path) -> bool:
    return any("RuleOptimizer" in _bases(item) for item in _classes(_tree(path.stem)))


def written(document: str) -> str:
    """A document with the cards of today between its marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown()}\n\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
