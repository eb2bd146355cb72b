"""What is known of a compiled model: its structure, and its numbers with their places."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Site:
    """Where one number lives: `owner.attribute`, then `path` inside its tuples, lists, dicts."""

    owner: object
    attribute: str
    path: tuple = ()

    @property
    def label(self) -> str:
        return f"{type(self.owner).__name__}.{self.attribute}{self._inside}"

    @property
    def _inside(self) -> str:
        return "".join(f"[{step!r}]" for step in self.path)

    def below(self, key) -> "Site":
        """The same, a step further inside."""
        return replace(self, path=(*self.path, key))

    def targets(self) -> "list[Site]":
        """Every place that holds the number at this moment."""
        return [self]


@dataclass(frozen=True)
class Part:
    """One part of a compiled model.

    Args:
        structure: what trials must share, hashable.
        numbers: its numbers, float64 of shape (n,).
        sites: where they live, in this trial's own objects.
    """

    structure: tuple
    numbers: np.ndarray
    sites: tuple[Site, ...]


@dataclass(frozen=True)
class Description:
    """A compiled model: the body (layers, losses, metrics) and the rule (the optimizer)."""

    body: Part
    rule: Part

    def without_sites(self) -> "Description":
        """The same without references to the model's objects, which would keep it in memory."""
        parts = (Part(p.structure, p.numbers, ()) for p in (self.body, self.rule))
        return Description(*parts)

    @property
    def structure(self) -> tuple:
        return (self.body.structure, self.rule.structure)

    @property
    def numbers(self) -> np.ndarray:
        return np.concatenate([self.body.numbers, self.rule.numbers])

    @property
    def sites(self) -> tuple[Site, ...]:
        return (*self.body.sites, *self.rule.sites)
