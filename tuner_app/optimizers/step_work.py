"""What a rule's step takes beyond single elements' arithmetic: matrix products, decompositions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepWork:
    """Of one tensor, or of several added up.

    Args:
        multiplications: of matrix products, in a step.
        eigen: (n, share): a symmetric n × n matrix's eigenvectors are found in that share of steps.
        first_eigen: the same in a trial's first step only: n for each.
        matrices: numbers kept in matrices beside the slots that are as large as the tensor.

    >>> StepWork(10.0, ((4, 0.5),)) + StepWork(5.0, first_eigen=(3,))
    StepWork(multiplications=15.0, eigen=((4, 0.5),), first_eigen=(3,), matrices=0)
    """

    multiplications: float = 0.0
    eigen: tuple[tuple[int, float], ...] = ()
    first_eigen: tuple[int, ...] = ()
    matrices: int = 0

    def __add__(self, other: "StepWork") -> "StepWork":
        return StepWork(
            self.multiplications + other.multiplications,
            self.eigen + other.eigen,
            self.first_eigen + other.first_eigen,
            self.matrices + other.matrices,
        )

    @property
    def decomposes(self) -> bool:
        """Whether eigenvectors are found at any step."""
        return bool(self.eigen or self.first_eigen)
