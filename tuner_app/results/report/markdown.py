"""The report as Markdown: the same answer and tables, without the charts."""

from collections.abc import Iterable, Mapping
from typing import Any

from tuner_app.results.report import telling

SHOWN = 10


def as_markdown(document: Mapping[str, Any]) -> str:
    """The report's answer, tables and reasons as GitHub's Markdown.

    Args:
        document: As `collect` gives it.
    """
    lines = [f"# {_text(telling.title(document))}", ""]
    for sentence in telling.answer(document):
        lines += [_text(sentence).replace("\\`", "`"), ""]
    for heading, table in telling.tables(document, SHOWN):
        lines += [f"## {_text(heading)}", "", *_table(table.columns, table.rows), ""]
        if table.note:
            lines += [_text(table.note), ""]
    if document["command"]:
        lines += ["## The command", "", "```", document["command"].replace("```", "'''"), "```", ""]
    return "\n".join(lines)


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    columns = list(columns)
    written = [f"| {' | '.join(map(_text, columns))} |", f"|{' --- |' * len(columns)}"]
    return written + [f"| {' | '.join(map(_text, row))} |" for row in rows]


def _text(value: Any) -> str:
    r"""Text that Markdown shows as it is.

    >>> print(_text("a|b <i> *c*"))
    a\|b &lt;i> \*c\*
    """
    text = " ".join(str(value).split()).replace("\\", "\\\\").replace("<", "&lt;")
    for sign in "|*_`[]":
        text = text.replace(sign, "\\" + sign)
    return text
