"""Draws the medians against trials, and what was measured against seconds.

python -m benchmarks.search_quality.plot
"""

import io
import json
import re
from pathlib import Path

import numpy as np

from benchmarks.search_quality import seconds
from benchmarks.search_quality.systems import OURS, SYSTEMS

HERE = Path(__file__).parent

# Okabe and Ito's colours, which the colour-blind can tell apart; theirs are broken lines besides.
_COLOURS = {
    "auto": "#56B4E9",
    "tpe": "#0072B2",
    "gp": "#E69F00",
    "random": "#999933",
    "bayesian": "#009E73",
    "asha": "#D55E00",
    "auto asha": "#882255",
    "kt random": "#777777",
    "kt bayesian": "#CC79A7",
    "kt hyperband": "#000000",
}
_COLUMNS = 4


def draw(results: dict, picture: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {
        "svg.hashsalt": "search quality",
        "svg.fonttype": "none",  # letters as text: a quarter of the size
        "font.size": 8,
    }
    from matplotlib import pyplot

    tasks = results["tasks"]
    number = len(tasks) + (seconds.KEY in results)
    height = -(-number // _COLUMNS)
    figure, grid = pyplot.subplots(
        height, _COLUMNS, figsize=(11, 2.3 * height), layout="constrained", squeeze=False
    )
    panels = list(grid.flat)
    for panel, (task, rows) in zip(panels, tasks.items(), strict=False):
        _lines(panel, rows)
        panel.set_title(task, fontsize=9)
        panel.set_xlabel("epochs spent, in whole trials")
    if number > len(tasks):
        _timed(panels[len(tasks)], results[seconds.KEY])
    for panel in panels[number:]:
        panel.remove()
    labels = panels[0].get_legend_handles_labels()
    figure.suptitle(
        "Best so far above the minimum, median over seeds with its 95% interval, "
        f"{results['date']}",
        fontsize=10,
    )
    figure.legend(*labels, loc="outside lower center", ncols=-(-len(SYSTEMS) // 2), frameon=False)
    picture.parent.mkdir(exist_ok=True)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    picture.write_text(small(text.getvalue()))


def small(svg: str) -> str:
    """The picture with tenths of a point instead of millionths, one font's name instead of a dozen,
    and without what matplotlib calls its groups: a third of the size, and nobody sees it.

    >>> small('<path d="M 1.234567 2.0 \\nL 3.987654 -4.123456 \\n" id="a"/>')
    '<path d="M1.2 2L4-4.1" id="a"/>'
    """

    def shorter(path: re.Match) -> str:
        words = re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), path[0])
        return re.sub(r"\s+(?=[-A-Z\"])|(?<=[A-Z])\s+", "", words)

    svg = re.sub(r'(?<= d)="[^"]*"', shorter, svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: sans-serif", svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    svg = re.sub(r"(?<=[xy]=\")-?\d+\.\d+", lambda m: f"{float(m[0]):.1f}", svg)
    return re.sub(r"\n\s*", "\n", svg)


def _lines(panel, rows: dict) -> None:
    for system, title in SYSTEMS.items():
        row = rows.get(system)
        if row is None:
            continue
        known = [i for i, value in enumerate(row["high"]) if value is not None]
        kept = [i for i in known if i < 10 or i % 3 == 0 or i == known[-1]]
        at = [i + 1 for i in kept]
        style = "-" if system in OURS else "--"
        panel.plot(
            at,
            [row["median"][i] for i in kept],
            style,
            color=_COLOURS[system],
            linewidth=1.3,
            label=title,
        )
        if row["seeds"] > 1:
            low, high = ([row[end][i] for i in kept] for end in ("low", "high"))
            panel.fill_between(at, low, high, color=_COLOURS[system], alpha=0.12, linewidth=0)
    _plain(panel)


def _timed(panel, found: dict[str, list]) -> None:
    """The median over the seeds of the best so far, from when all have one until the last search is
    over; the band is from the worst to the best seed."""
    for system, title in seconds.SYSTEMS.items():
        runs = [np.array(run) for run in found[system]]
        if not runs:
            continue
        begin, end = max(run[0, 0] for run in runs), max(run[-1, 0] for run in runs)
        at = np.geomspace(begin, end, 60)
        best = np.array(
            [
                np.minimum.accumulate(run[:, 2])[np.searchsorted(run[:, 0], at, side="right") - 1]
                for run in runs
            ]
        )
        colour, style = _COLOURS[system], "--" if system.startswith("kt") else "-"
        panel.plot(at, np.median(best, axis=0), style, color=colour, linewidth=1.3, label=title)
        panel.fill_between(at, best.min(0), best.max(0), color=colour, alpha=0.12, linewidth=0)
    panel.set_xscale("log")
    panel.set_title("MLP on digits, trained", fontsize=9)
    panel.set_xlabel("seconds")
    panel.set_ylabel("validation loss")
    panel.legend(fontsize=6, frameon=False, loc="lower left")
    _plain(panel)
    panel.xaxis.set_minor_formatter(lambda *at: "")


def _plain(panel) -> None:
    from matplotlib.ticker import LogLocator

    panel.set_yscale("log")
    panel.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    panel.grid(color="#DDDDDD", linewidth=0.5)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def main() -> None:
    results = json.loads((HERE / "results.json").read_text())
    draw(results, HERE.parents[1] / "docs" / "search-quality.svg")


if __name__ == "__main__":
    main()
