"""Draws the ratios to KerasTuner's trials an hour, from the results' file.

python -m benchmarks.stacked_trials.plot [RESULTS.json [PICTURE.svg]]
"""

import json
import sys
from pathlib import Path

from benchmarks.stacked_trials.systems import SYSTEMS
from benchmarks.stacked_trials.table import ratio
from benchmarks.stacked_trials.works import WORKS

# Okabe and Ito's colours, which the colour-blind can tell apart, also in grey.
_COLOURS = {"optuna": "#BBBBBB", "ray": "#777777", "tensorflow": "#E69F00", "jax": "#0072B2"}
_HEIGHT = 0.8  # of a work's bars, of the distance between works


def draw(results: dict, picture: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.hashsalt": "stacked trials", "font.size": 10}
    from matplotlib import pyplot

    works = {w: rows for w, rows in results["works"].items() if "keras_tuner" in rows}
    systems = [s for s in _COLOURS if any(s in rows for rows in works.values())]
    thickness = _HEIGHT / len(systems)
    figure, axes = pyplot.subplots(figsize=(8, 0.35 + 0.9 * len(works)), layout="constrained")
    largest = 1.0
    for place, system in enumerate(systems):
        at, times = [], []
        for row, rows in enumerate(works.values()):
            if system in rows:
                at.append(row - _HEIGHT / 2 + (place + 0.5) * thickness)
                times.append(ratio(rows, system))
        # Bars begin at 1: to the right is quicker than KerasTuner, to the left slower.
        axes.barh(
            at,
            [t - 1 for t in times],
            0.92 * thickness,
            left=1,
            color=_COLOURS[system],
            label=SYSTEMS[system][0],
        )
        for y, t in zip(at, times, strict=True):
            text = f"{t:.0f}×" if t >= 9.95 else f"{t:.1f}×"
            axes.annotate(
                text,
                (max(t, 1), y),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color="#333333",
            )
        largest = max([largest, *times])
    axes.axvline(1, color="#333333", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(0.4, 1.6 * largest)
    ticks = [t for t in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500) if t <= 1.6 * largest]
    axes.set_xticks(ticks, [f"{t:g}×" for t in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(works)), [WORKS[w].title for w in works])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    machine = results["machine"]
    where = machine["accelerator"] or f"{machine['cores']} cores of {machine['processor']}"
    axes.set_xlabel("trials an hour, as a multiple of KerasTuner's (logarithmic)")
    figure.suptitle(f"Random search on {where}, {results['date']}", fontsize=11)
    figure.legend(loc="outside lower center", ncols=len(systems), frameon=False, fontsize=9)
    picture.parent.mkdir(exist_ok=True)
    figure.savefig(picture, metadata={"Date": None} if picture.suffix == ".svg" else None, dpi=150)


def main() -> None:
    here = Path(__file__).parent
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "results.json"
    default = here.parents[1] / "docs" / "stacked-trials.svg"
    draw(json.loads(source.read_text()), Path(sys.argv[2]) if len(sys.argv) > 2 else default)


if __name__ == "__main__":
    main()
