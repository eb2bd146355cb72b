"""The numbers of a space beside their best values, and which ranges were too narrow."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuner_app.results.edges import Edge

SHOWN = 3  # of the best values


def edge_table(
    domains: Iterable[Mapping], best_first: Sequence[Mapping[str, Any]], edges: Sequence[Edge]
) -> list[dict[str, Any]]:
    """For each number that the space offers, its range, its best values and the verdict.

    Args:
        domains: As `domains.domains` gives them.
        best_first: The values of the completed trials, best first.
        edges: The ranges at whose ends the best trials are (see `results.edges`).

    Returns:
        Dictionaries with name, low, high, scale, best (the first few values), edge ("low", "high"
        or None) and advice.
    """
    at_end = {edge.name: edge for edge in edges}
    found = []
    for domain in domains:
        if "low" not in domain or domain["high"] <= domain["low"]:
            continue
        name = domain["name"]
        best = [values[name] for values in best_first if values.get(name) is not None][:SHOWN]
        if not best:
            continue
        edge = at_end.get(name)
        end = edge and {"lower": "low", "upper": "high"}[edge.end]
        found.append(
            {
                "name": name,
                "low": domain["low"],
                "high": domain["high"],
                "scale": domain["scale"],
                "best": best,
                "edge": end,
                "advice": f"{edge.trials} of the {edge.of} best; {_advice(domain, end)}"
                if edge
                else "",
            }
        )
    return found


def _advice(domain: Mapping, end: str) -> str:
    limit = domain[end]
    if domain["scale"] == "log":
        beyond = limit / 10 if end == "low" else limit * 10
        return f"try {'below' if end == 'low' else 'above'} {limit:g}, for instance to {beyond:g}"
    if end == "low" and limit == 0:
        return "0 is its natural limit: leaving it out may do as well"
    return f"try {'below' if end == 'low' else 'above'} {limit:g}, where that makes sense"
