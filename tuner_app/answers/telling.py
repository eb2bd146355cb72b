"""What was found, as plain text for a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def confirmation_text(found: Mapping[str, Any]) -> str:
    """A confirmation: the verdict, the configurations by rank, the optimism, the method."""
    from tuner_app.results.report.telling import optimism_sentence

    goal = found["objective"]["name"]
    rows = [
        (
            str(row["rank"]),
            row["trial_id"],
            number(row["mean"]),
            "–" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}",
            number(row["search_score"]),
            p_value(found, row["trial_id"]),
            f"{row['failed']} of {len(row['scores'])} failed" if row["failed"] else "",
        )
        for row in found["configurations"]
    ]
    columns = ("rank", "trial", f"mean {goal}", "95% interval", "in the search", "p against 1", "")
    parts = [found["verdict"], "\n".join(text_table(columns, rows))]
    parts += [optimism_sentence(found), found["method"]]
    return "\n" + "\n\n".join(part for part in parts if part)


def p_value(found: Mapping[str, Any], trial_id: str) -> str:
    """The corrected p-value of a configuration against the winner; "" for the winner itself."""
    for pair in found["comparisons"]:
        if {pair["first"], pair["second"]} == {found["winner"], trial_id}:
            return f"{pair['adjusted']:.2g}"
    return ""


def number(value: float | None) -> str:
    """Four digits after the point; a dash for none.

    >>> number(0.97251), number(None)
    ('0.9725', '–')
    """
    return "–" if value is None else f"{value:.4f}"


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table, the first one its columns' names; numbers are aligned right.

    >>> text_table(("trial", "score"), [("a", "0.5"), ("bc", "10")])
    ['trial  score', 'a        0.5', 'bc        10']
    """
    whole = [tuple(columns), *map(tuple, rows)]
    widths = [max(len(row[i]) for row in whole) for i in range(len(columns))]
    right = [
        len(whole) > 1 and all(row[i][:1] in "+-–0123456789" for row in whole[1:])
        for i in range(len(columns))
    ]
    lines = []
    for row in whole:
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        lines.append("  ".join(cells).rstrip())
    return lines
