"""Some of the models that a search will train, by which the planner judges all of them."""

import functools
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from tuner_app.population.errors import CannotStack
from tuner_app.population.models.building import looked_at
from tuner_app.population.planning.work import multiplications
from tuner_app.population.signatures.signature import describe

_MOST_SECONDS = 1.0


@dataclass(frozen=True)
class ModelSample:
    """Models as they are drawn from a search space.

    Args:
        builds: for each model the function that built it.
        models: compiled Keras models.
    """

    builds: tuple[Callable[[], keras.Model], ...]
    models: tuple[keras.Model, ...]

    @classmethod
    def of(cls, builds: Sequence[Callable[[], keras.Model]], light: bool = False) -> "ModelSample":
        """As many of these as are built within a second, the first one in any case.

        An error of the first is raised; a later one that can't be built is left out.

        Args:
            light: whether the models need no variables.
        """
        began = time.monotonic()
        first, *others = builds
        with looked_at(light):
            found = [(first, first())]
            for build in others:
                if time.monotonic() - began > _MOST_SECONDS:
                    break
                try:
                    found.append((build, build()))
                except Exception:  # what is wrong with such a model, its trial will tell
                    continue
        return cls(*zip(*found, strict=True))

    def mean(self, number: Callable[[keras.Model], float]) -> float:
        """The mean of a number over the models."""
        return sum(map(number, self.models)) / len(self.models)

    def any(self, condition: Callable[[keras.Model], bool]) -> bool:
        """Whether a condition holds for any of the models."""
        return any(map(condition, self.models))

    @property
    def rules(self) -> int:
        """How many types of optimizer the models have."""
        return len(self._by_rule)

    def over_rules(self, number: Callable[[keras.Model], float]) -> float:
        """The sum over the types of optimizer of a number's mean over the models that have it."""
        return sum(sum(map(number, own)) / len(own) for own in self._by_rule.values())

    @functools.cached_property
    def _by_rule(self) -> dict:
        found: dict = {}
        for model in self.models:
            found.setdefault(_rule(model), []).append(model)
        return found

    @property
    def typical(self) -> Callable[[], keras.Model]:
        """Builds the model whose work is the median's."""
        work = [multiplications(model, 1) for model in self.models]
        order = sorted(range(len(work)), key=work.__getitem__)
        return self.builds[order[len(order) // 2]]

    def structures(self, trials: int, with_rule: bool = False) -> int:
        """How many structures so many trials are likely to have, of the body or with the optimizer.

        Lanes share a program where the body is the same; a single lane's has one optimizer. The
        number is that of the models' structures, and an estimate of those not among them by how
        many were drawn only once or twice: the bias-corrected form of Chao's estimator (Chao,
        Scandinavian Journal of Statistics, 1984).
        """
        structures = (_structure(model, with_rule) for model in self.models)
        often = Counter(Counter(structures).values())
        once, twice = often[1], often[2]
        if len(self.models) == 1:
            once = 0  # nothing is known of how they differ
        unseen = once * (once - 1) / (2 * (twice + 1))
        return max(1, min(trials, math.floor(often.total() + unseen)))


def _rule(model):
    try:
        return describe(model).rule.structure
    except CannotStack:
        return id(model)


def _structure(model, with_rule: bool):
    try:
        found = describe(model)
    except CannotStack:
        return id(model)
    return (found.body.structure, found.rule.structure if with_rule else None)
