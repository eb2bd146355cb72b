"""The points at which an optimizer is tried: its own numbers vary, all else is at its default."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner_app.errors import UserError
from tuner_app.results.report.domains import domains

LEARNING_RATE = "learning_rate"


@dataclass(frozen=True)
class OptimizerSpace:
    """What is varied for one optimizer.

    Attributes:
        name: The optimizer.
        domains: Its hyperparameters, the learning rate first (see `results.report.domains`).
        fixed: The values of all others, their defaults.
    """

    name: str
    domains: tuple[Mapping[str, Any], ...]
    fixed: Mapping[str, Any]

    @property
    def rate(self) -> Mapping[str, Any]:
        """The domain of the learning rate."""
        return self.domains[0]

    def values(self, unit: Sequence[float]) -> dict[str, Any]:
        """A point of the unit cube as hyperparameter values."""
        drawn = {d["name"]: at(d, u) for d, u in zip(self.domains, unit, strict=True)}
        return {**self.fixed, **drawn}


def optimizer_spaces(space: Any, names: Sequence[str]) -> dict[str, OptimizerSpace]:
    """What to vary for each optimizer: the hyperparameters that are active with it alone.

    Args:
        space: The `HyperModel`. It offers the optimizers as the choice `optimizer`, whose
            conditional scopes have their own hyperparameters.

    Raises:
        UserError: It does not, or an optimizer has no learning rate there.
    """
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    space.build(hp)
    described = domains(hp.get_config()["space"])
    usual = {one.name: one.default for one in hp.space}
    offered = next((d.get("values", []) for d in described if d["name"] == "optimizer"), [])
    found = {}
    for name in names:
        if name not in offered:
            raise UserError(
                f"The space does not offer {name!r} as a choice of `optimizer`, so optimizers "
                f"can't be compared in it (it offers: {', '.join(map(str, offered)) or 'none'}). "
                "Use one of `tuner-app list spaces`, or search_spaces.hyperparameters.optimizer in "
                "your own."
            )
        own = [d for d in described if _belongs(d, name) and d["kind"] != "fixed"]
        own.sort(key=lambda d: not d["name"].endswith(LEARNING_RATE))
        if not own or not own[0]["name"].endswith(LEARNING_RATE):
            raise UserError(f"{name!r} has no hyperparameter that ends in {LEARNING_RATE} there.")
        chosen = usual | {"optimizer": name}
        shared = {d["name"]: chosen[d["name"]] for d in described if _active(d, chosen)}
        varied = {d["name"] for d in own}
        fixed = {k: v for k, v in shared.items() if k not in varied} | {"optimizer": name}
        found[name] = OptimizerSpace(name, tuple(own), fixed)
    return found


def _belongs(domain: Mapping[str, Any], name: str) -> bool:
    return any(parent == "optimizer" and name in values for parent, values in domain["conditions"])


def _active(domain: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(values.get(parent) in allowed for parent, allowed in domain["conditions"])


def at(domain: Mapping[str, Any], unit: float) -> Any:
    """The value at a place from 0 to 1 in a domain, on its own scale.

    >>> at({"kind": "float", "low": 0.001, "high": 0.1, "scale": "log"}, 0.5)
    0.01
    >>> at({"kind": "choice", "values": ["a", "b"]}, 0.7)
    'b'
    """
    if domain["kind"] == "choice":
        return domain["values"][min(len(domain["values"]) - 1, int(unit * len(domain["values"])))]
    low, high = domain["low"], domain["high"]
    if domain["scale"] == "log":
        value = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
        value = float(f"{value:.12g}")
    else:
        value = low + unit * (high - low)
    return int(round(value)) if domain["kind"] == "int" else value


def quasi_random(dimensions: int, count: int, seed: int) -> np.ndarray:
    """A scrambled Halton sequence in the unit cube, shape (count, dimensions).

    Its first coordinate is the same for every number of dimensions, so optimizers with more
    hyperparameters are tried at the same places of their range of learning rates.

    Reference: A. B. Owen, "A randomized Halton algorithm in R", 2017.
    """
    from scipy.stats import qmc

    first = qmc.Halton(d=1, scramble=True, rng=np.random.default_rng([seed, 0])).random(count)
    if dimensions == 1:
        return first
    rest = qmc.Halton(d=dimensions, scramble=True, rng=np.random.default_rng([seed, 1]))
    return np.concatenate([first, rest.random(count)[:, 1:]], axis=1)


def powers_of_two(space: OptimizerSpace, center: float, exponents: Sequence[int]) -> list[dict]:
    """Learning rates `center` times powers of two, the optimizer's other numbers at their defaults
    of the space (Wilson et al. 2017)."""
    return [
        {**space.fixed, **defaults(space), space.rate["name"]: center * 2.0**k} for k in exponents
    ]


def defaults(space: OptimizerSpace) -> dict[str, Any]:
    """The defaults of an optimizer's own hyperparameters: its own, where it has one."""
    from tuner_app import optimizers

    usual_values, prefix = optimizers.offer(space.name).defaults, space.name.replace(":", "_")
    found = {}
    for domain in space.domains:
        key = domain["name"].removeprefix(f"{prefix}_")
        usual = usual_values.get(key)
        if usual is None:  # such as a weight decay that the rule does not name: as little as may be
            usual = domain["low"] if "low" in domain else domain["values"][0]
        found[domain["name"]] = usual
    return found
