"""The results as text, a line a system, and as the README's tables.

python -m benchmarks.stacked_trials.table [RESULTS.json]
"""

import json
import sys
from pathlib import Path

from benchmarks.stacked_trials.systems import SYSTEMS
from benchmarks.stacked_trials.works import WORKS


def ratio(rows: dict, system: str) -> float | None:
    """Trials an hour in those of KerasTuner."""
    base = rows.get("keras_tuner")
    return base and base["seconds_a_trial"] / rows[system]["seconds_a_trial"]


def best_of_same(rows: dict, system: str) -> float:
    """The best score with the hyperparameters that KerasTuner's trials had."""
    row, base = rows[system], rows.get("keras_tuner")
    if base is None:
        return max(row["scores"])
    wanted = [_rounded(values) for values in base["values"]]
    same = [
        s
        for s, v in zip(row["scores"], row["values"], strict=True)
        if any(_same(_rounded(v), one) for one in wanted)
    ]
    return max(same, default=float("nan"))


def _rounded(values: dict) -> dict:
    return {k: round(v, 12) if isinstance(v, float) else v for k, v in values.items()}


def _same(one: dict, other: dict) -> bool:
    return all(one.get(name) == value for name, value in other.items())


def to_target(rows: dict, system: str) -> float | None:
    """Seconds of the search until a trial was as good as KerasTuner's best."""
    target = max(rows.get("keras_tuner", rows[system])["scores"])
    return next((when for when, score in rows[system]["reached"] if score >= target - 5e-5), None)


def share(rows: dict, system: str) -> float:
    """Of the multiplications that the machine can do in a product of matrices."""
    row, limit = rows[system], max(r["multiplications_a_second"] for r in rows.values())
    return row["multiplications_a_trial"] / (row["seconds_a_trial"] * limit)


def as_text(work: str, system: str, rows: dict) -> str:
    """One line, for the terminal."""
    row, times, when = rows[system], ratio(rows, system), to_target(rows, system)
    compiling = row["compiling_a_trial"]
    cells = [
        f"{work:7}{SYSTEMS[system][0]:20}",
        f"{row['trials']:4} trials {row['seconds_a_trial']:8.3f} s each",
        f"{3600 / row['seconds_a_trial']:7.0f}/h",
        f"{times:6.1f} x" if times else "",
        f"best {max(row['scores']):.4f} ({best_of_same(rows, system):.4f})",
        f"target {when:5.1f} s" if when is not None else "target     -",
        f"compiling {row['compiling_a_trial']:.3f} s"
        if row["compiling_a_trial"] is not None
        else "",
        f"{row['memory'] / 2**30:.2f} GiB",
        f"{share(rows, system):.1%}",
        f"load {row['load']:.1f}",
        row["plan"],
    ]
    return "  ".join(cells)


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "results.json"
    results = json.loads(Path(path).read_text())
    systems = [s for s in SYSTEMS if any(s in rows for rows in results["works"].values())]
    print("| trials an hour |", " | ".join(SYSTEMS[s][0] for s in systems), "|")
    print("|---|" + "---|" * len(systems))
    for work, rows in results["works"].items():
        cells = []
        for system in systems:
            if system not in rows:
                cells.append("")
                continue
            hourly, times = 3600 / rows[system]["seconds_a_trial"], ratio(rows, system)
            bold = f"**{times:.3g} times**" if system in ("tensorflow", "jax") else f"{times:.2f}"
            cells.append(f"{hourly:,.0f}" + (f", {bold}" if system != "keras_tuner" else ""))
        print(f"| {WORKS[work].title} |", " | ".join(cells), "|")
    print()
    print(
        "| | best of the same draws | best of all | as good as KerasTuner's after "
        "| compiling a trial | peak memory | of the arithmetic limit |"
    )
    print("|---|---|---|---|---|---|---|")
    for work, rows in results["works"].items():
        for system in [s for s in systems if s in rows]:
            row, when = rows[system], to_target(rows, system)
            cells = [
                f"{WORKS[work].title}: {SYSTEMS[system][0]}",
                f"{best_of_same(rows, system):.3f}",
                f"{max(row['scores']):.3f} ({row['trials']})",
                "-" if when is None else f"{when:.1f} s",
                "-" if row["compiling_a_trial"] is None else f"{row['compiling_a_trial']:.3f} s",
                f"{row['memory'] / 2**30:.1f} GiB",
                f"{share(rows, system):.1%}",
            ]
            print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
