"""Whether the best trials sit on the edge of a range, so that better ones may lie beyond it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuner_app.results.report.domains import place

SHARE = 0.1  # of the range, at either end
LEAST = 3  # trials that show anything


def edge_check(
    domains: Iterable[Mapping], best_first: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """For each number that the space offers, where the best trials lie in its range.

    It is on an edge when the best trial and most of the best ones lie in the outer tenth of the
    range, at the same end. A range whose edge is a natural limit (a dropout of 0) is for the reader
    to judge.

    Args:
        domains: As `domains.domains` gives them.
        best_first: The values of the completed trials, best first.

    Returns:
        Dictionaries with name, low, high, scale, best (the values looked at, best first), edge
        ("low", "high" or None) and advice.
    """
    found = []
    for domain in domains:
        if "low" not in domain or domain["high"] <= domain["low"]:
            continue
        name = domain["name"]
        active = [v[name] for v in best_first if _is_number(v.get(name))]
        best = active[: max(LEAST, round(0.05 * len(active)))]
        if len(best) < LEAST:
            continue
        places = [place(domain, value) for value in best]
        edge = next((end for end in ("low", "high") if _crowds(places, end)), None)
        found.append(
            {
                "name": name,
                "low": domain["low"],
                "high": domain["high"],
                "scale": domain["scale"],
                "best": best,
                "edge": edge,
                "advice": _advice(domain, edge) if edge else "",
            }
        )
    return found


def _crowds(places: Sequence[float], end: str) -> bool:
    """The best one, and more than half of them all, in the tenth at this end."""
    near = [p <= SHARE if end == "low" else p >= 1 - SHARE for p in places]
    return near[0] and 2 * sum(near) > len(near)


def _advice(domain: Mapping, edge: str) -> str:
    limit = domain[edge]
    if domain["scale"] == "log":
        beyond = limit / 10 if edge == "low" else limit * 10
        return f"try {'below' if edge == 'low' else 'above'} {limit:g}, for instance to {beyond:g}"
    if edge == "low" and limit == 0:
        return "the best are near 0, its natural limit: leaving it out may do as well"
    return f"try {'below' if edge == 'low' else 'above'} {limit:g}, where that makes sense"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
