"""Which numbers of a template are lifted, and which trials its traced program computes rightly."""

import keras
import numpy as np

from tuner_app.population.signatures.description import Part
from tuner_app.population.signatures.lane_scalar import Journal, split


class Lifting:
    """The numbers of one template part, as the stack's programs know them.

    Args:
        part: the template's; its numbers answer Python's questions while tracing.

    `varying` holds the positions of the lifted numbers, `fixed` those of numbers that can't be
    lifted, so that trials must share them, and `checked` those whose lifting was compared with
    plain Keras (None before the first check).
    """

    def __init__(self, part: Part):
        self.part = part
        self.varying: tuple[int, ...] = ()
        self.fixed: tuple[int, ...] = ()
        self.checked: frozenset[int] | None = None
        self.journal = Journal()

    @property
    def sites(self):
        return tuple(self.part.sites[i] for i in self.varying)

    @property
    def representative(self) -> np.ndarray:
        return self.chosen(self.part.numbers)

    def chosen(self, numbers: np.ndarray) -> np.ndarray:
        return numbers[list(self.varying)]

    def accepts(self, numbers: np.ndarray) -> bool:
        """Whether these numbers agree with the fixed ones and would branch as the template's."""
        fixed = list(self.fixed)
        if not np.array_equal(numbers[fixed], self.part.numbers[fixed]):
            return False
        traced = tuple(outcome for _, outcome in self.journal.branches)
        return self.journal.outcomes(self.chosen(numbers)) == traced

    def _differing(self, numbers) -> set[int]:
        return set(np.flatnonzero(numbers != self.part.numbers).tolist())

    def news(self, numbers: np.ndarray) -> set[int]:
        """Which of these numbers would have to be lifted, and are not yet."""
        return self._differing(numbers) - set(self.varying) - set(self.fixed)

    def extend(self, numbers: np.ndarray) -> bool:
        """Lifts what differs from the template; True if that is new, so that a trace is due."""
        new = self.news(numbers)
        self.varying = tuple(sorted({*self.varying, *new}))
        return bool(new)

    def lift(self, positions: set[int]) -> None:
        """Lifts these, too, but for those that can't be."""
        self.varying = tuple(sorted({*self.varying, *(positions - set(self.fixed))}))

    @property
    def unchecked(self) -> set[int] | None:
        """Lifted numbers not checked yet; None if nothing was checked at all."""
        return None if self.checked is None else set(self.varying) - self.checked

    def restart_journal(self) -> None:
        self.journal = Journal()

    def fix_constants(self) -> list[str]:
        """Numbers that tracing read as plain floats become fixed; their labels."""
        return self.fix({self.varying[int(i)] for i in self.journal.constants})

    def fix(self, positions: set[int]) -> list[str]:
        self.fixed = tuple(sorted({*self.fixed, *positions}))
        self.varying = tuple(i for i in self.varying if i not in positions)
        return sorted(self.part.sites[i].label for i in positions)

    def pairs(self, rows: list[np.ndarray], width: int | None = None) -> np.ndarray:
        """float32 of shape (lanes, width, 2): each lane's lifted numbers, see `split`."""
        n = len(self.varying)
        numbers = np.zeros((len(rows), n if width is None else width))
        numbers[:, :n] = np.array([self.chosen(row) for row in rows]).reshape(len(rows), n)
        return split(numbers)


class Rule:
    """An optimizer of a stack.

    Args:
        structure, optimizer: its signature, and the built Keras optimizer of the first trial
            that has it: the template.
        lifting: its numbers.
        places: for each of `optimizer.variables`, its position in the stack's pool of slots.
    """

    def __init__(self, part: Part, optimizer, pool: "Pool"):
        self.structure, self.optimizer = part.structure, optimizer
        self.lifting = Lifting(part)
        self.places = pool.places_for(optimizer.variables)


class Pool:
    """Slots that the rules of a stack share: each rule uses as many as it needs of a shape.

    `specs` lists (shape, dtype) of each slot of a lane.
    """

    def __init__(self):
        self.specs: list[tuple] = []

    def places_for(self, variables) -> list[int]:
        taken: set[int] = set()
        places = []
        for variable in variables:
            spec = (tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype))
            free = [i for i, s in enumerate(self.specs) if s == spec and i not in taken]
            if not free:
                self.specs.append(spec)
                free = [len(self.specs) - 1]
            places.append(free[0])
            taken.add(free[0])
        return places


def mixable(model) -> bool:
    """Whether trials of this model may share a program with other optimizers.

    The loss must not be scaled by the optimizer, and nothing else may be done by `apply` with
    objects of the model (its constraints).
    """
    optimizer = model.optimizer
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return (
        not scaled
        and optimizer.loss_scale_factor is None
        and all(v.constraint is None for v in model.trainable_variables)
    )
