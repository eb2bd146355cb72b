"""The report as one HTML file: it opens offline, and nothing in it can run but our own script."""

import json
from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any

from tuner_app.results.report import telling

SHOWN = 10

# What the page may do: run what is written in it, show pictures that are in it, and ask no network.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"

# Charts, drawn by page.js from the data: (id, heading, what it shows).
CHARTS = (
    ("confirmation", "Confirmation", "Each dot is a seed, the bar the mean with its 95% interval."),
    ("history", "Optimization history", "Each dot is a trial; the line is the best score so far."),
    ("importance", "Importance", "How much of the score each hyperparameter explains."),
    ("slices", "Slices", "The score against each hyperparameter, the most important first."),
    (
        "parallel",
        "Parallel coordinates",
        "A line a trial. Drag along an axis to keep a part of it.",
    ),
    ("curves", "Learning curves", "Epoch by epoch. Choose a dot elsewhere to add its trial."),
    ("time", "Lanes and time", "When each trial was under way, one line a place in the stack."),
    ("mistakes", "Mistakes of the best model", "On the validation examples."),
    ("table", "All trials", "Choose a column to sort by it; type to filter."),
)


def as_html(document: Mapping[str, Any]) -> str:
    """The whole page, as text.

    Args:
        document: As `collect` gives it. It stands in the page, in the element with the id "data".
    """
    title = telling.title(document)
    sections = [_answer(document)]
    for name, heading, says in CHARTS:
        sections.append(
            f'<section id="{name}" hidden><h2>{heading}</h2><p class="says">{says}</p>'
            f'<div class="controls"></div><div class="chart"></div></section>'
        )
        sections += [_table(h, table) for h, table in _beside(document, name)]
    sections += [_table(h, table) for h, table in _beside(document, "")]
    if document["command"]:
        sections.append(
            "<section><h2>The command that reproduces it</h2>"
            f'<pre class="command">{escape(document["command"])}</pre></section>'
        )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{_source("page.css")}</style>
</head>
<body>
<header>
<p class="kind">Hyperparameter search</p>
<h1>{escape(title)}</h1>
<button id="theme" type="button" aria-label="Dark or light">◐</button>
</header>
<main>
{chr(10).join(sections)}
</main>
<footer><p>Made {escape(document["made"])} from {escape(document["project"])}.</p></footer>
<div id="tip" role="status" hidden></div>
<script type="application/json" id="data">{_island(document)}</script>
<script>
"use strict";
{_source("svg.js")}
{_source("charts.js")}
{_source("mistakes.js")}
{_source("page.js")}</script>
</body>
</html>
"""


def _source(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _island(document: Mapping[str, Any]) -> str:
    """JSON inside a script element: no text in it can end the element.

    >>> _island({"name": "</script>"})
    '{"name":"\\\\u003c/script>"}'
    """
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for sign in "<\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _answer(document: Mapping[str, Any]) -> str:
    best, goal, cost = document["winner"], document["objective"], document["cost"]
    figures = [("trials", f"{cost['trials']:,}"), ("time", telling.duration(cost["wall"]))]
    figures += [("epochs", f"{cost['epochs']:,}"), ("at once", str(cost["at_once"]))]
    head = ""
    if best is not None:
        direction = "higher is better" if goal["direction"] == "max" else "lower is better"
        score, interval = _score(document)
        head = (
            f'<div class="score"><p class="figure">{escape(score)}</p>'
            f"<p>{escape(interval + goal['name'])}<br><small>{direction}</small></p></div>"
        )
    chips = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures
    )
    said = "".join(f"<p>{_with_code(sentence)}</p>" for sentence in telling.answer(document))
    values = ""
    if best is not None:
        rows = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(telling.number(value))}</dd></div>"
            for name, value in best["values"].items()
            if value is not None
        )
        values = f"<h3>Trial {escape(best['trial_id'])}</h3><dl class='values'>{rows}</dl>"
    return (
        f'<section id="answer">{head}<div class="said">{said}</div>'
        f'<dl class="figures">{chips}</dl>{values}</section>'
    )


def _score(document: Mapping[str, Any]) -> tuple[str, str]:
    """The winner's score, and what belongs to it: the interval of its mean, once confirmed."""
    confirmed = document["confirmation"]
    if confirmed is None or confirmed["winner"] is None:
        return telling.number(document["winner"]["score"]), ""
    first = confirmed["configurations"][0]
    if first["low"] is None:
        return telling.number(first["mean"]), "mean "
    return telling.number(first["mean"]), f"{first['low']:.4f} to {first['high']:.4f}, mean "


def _with_code(sentence: str) -> str:
    """Escaped text, what stands between backticks as code."""
    parts = escape(sentence).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


FEW = 4  # rows that are not worth folding away
HEADINGS = {"Confirmation": "Confirmation in numbers"}  # below a chart of the same name

# After which chart a table stands; the rest come last.
_AFTER = {"Confirmation": "confirmation", "Edge check": "slices", "Failures": "time"}


def _beside(document: Mapping[str, Any], name: str) -> list[tuple[str, telling.Table]]:
    left_to_charts = ("Importance", "Best trials")
    return [
        (HEADINGS.get(heading, heading), table)
        for heading, table in telling.tables(document, SHOWN)
        if _AFTER.get(heading, "") == name and heading not in left_to_charts
    ]


def _table(heading: str, table: telling.Table) -> str:
    folded = table.folded if table.folded > FEW else 0
    shown, rest = table.rows[: len(table.rows) - folded], table.rows[len(table.rows) - folded :]
    note = f'<p class="says">{escape(table.note)}</p>' if table.note else ""
    parts = [_rows(table, shown)] if shown else []
    if rest:
        says = f"<summary>{escape(table.folded_says)}</summary>"
        parts.append(f"<details>{says}{_rows(table, rest)}</details>")
    return f"<section><h2>{escape(heading)}</h2>{note}{''.join(parts)}</section>"


def _rows(table: telling.Table, shown: list[tuple[str, ...]]) -> str:
    aligned = [' class="number"' if i in table.numeric else "" for i in range(len(table.columns))]
    head = "".join(f"<th{a}>{escape(c)}</th>" for a, c in zip(aligned, table.columns, strict=True))
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td{a} data-label="{escape(column)}">{escape(cell)}</td>'
            for a, column, cell in zip(aligned, table.columns, row, strict=True)
        )
        + "</tr>"
        for row in shown
    )
    return (
        f'<div class="scroll"><table class="told"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
