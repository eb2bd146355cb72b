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
    works = json.loads(Path(path).read_text())["works"]
    systems = [s for s in SYSTEMS if any(s in rows for rows in works.values())]
    _print(["trials an hour", *(SYSTEMS[s][0] for s in systems)])
    for work, rows in works.items():
        _print([WORKS[work].title, *(_hourly(rows, system) for system in systems)])
    print()
    compared = [s for s in ("keras_tuner", "tensorflow", "jax") if s in systems]
    _print([" / ".join(SYSTEMS[s][0] for s in compared), *_COLUMNS])
    for work, rows in works.items():
        cells = [
            " / ".join(cell(rows, system) if system in rows else "-" for system in compared)
            for cell in _COLUMNS.values()
        ]
        _print([WORKS[work].title, *cells])


def _print(cells) -> None:
    print(f"| {' | '.join(cells)} |")
    if cells[0] not in {work.title for work in WORKS.values()}:
        print("|---" * len(cells) + "|")


def _hourly(rows: dict, system: str) -> str:
    if system not in rows:
        return "-"
    hourly, times = 3600 / rows[system]["seconds_a_trial"], ratio(rows, system)
    if times is None or system == "keras_tuner":
        return f"{hourly:,.0f}"
    words = f"{times:.0f} times" if times >= 9.95 else f"{times:.1f} times"
    return f"{hourly:,.0f}, " + (f"**{words}**" if system in ("tensorflow", "jax") else words)


def _when(rows, system) -> str:
    when = to_target(rows, system)
    return "-" if when is None else f"{when:.0f} s"


# What the second table tells, and how.
_COLUMNS = {
    "best of the same draws": lambda rows, system: f"{best_of_same(rows, system):.3f}",
    "best of all": lambda rows, system: f"{max(rows[system]['scores']):.3f}",
    "as good as KerasTuner's best after": _when,
    "compiling a trial": lambda rows, system: f"{rows[system]['compiling_a_trial'] or 0:.2f} s",
    "peak memory, GiB": lambda rows, system: f"{rows[system]['memory'] / 2**30:.1f}",
    "of the arithmetic limit": lambda rows, system: f"{share(rows, system):.1%}",
}


if __name__ == "__main__":
    main()
