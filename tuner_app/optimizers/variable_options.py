"""What an optimizer treats differently from variable to variable: decay and learning rate."""

import dataclasses
import numbers
import re

from tuner_app.errors import UserError


@dataclasses.dataclass(frozen=True)
class VariableOptions:
    """Which variables shrink, and whose learning rate is multiplied; see `RuleOptimizer`.

    Raises:
        UserError: a pattern is no regular expression, or a number can't be right.

    >>> options = VariableOptions(learning_rate_multipliers=(("encoder", 0.1),))
    >>> options.shrinks("encoder/dense/kernel", (3, 4)), options.shrinks("dense/bias", (4,))
    (True, False)
    >>> options.multiplier("encoder/dense/kernel"), options.multiplier("dense/bias")
    (0.1, 1.0)
    """

    # Keras's names for biases, and for the weights of normalization and its scales.
    no_decay: tuple[str, ...] = ("bias", "gamma", "beta", "scale")
    no_decay_below: int = 0
    learning_rate_multipliers: tuple[tuple[str, float], ...] = ()

    def __post_init__(self):
        for pattern in (*self.no_decay, *(pattern for pattern, _ in self.multipliers)):
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise UserError(
                    f"{pattern!r} is no regular expression for a variable's name ({error})."
                ) from error
        for pattern, number in self.multipliers:
            if not isinstance(number, numbers.Real) or not number >= 0:
                raise UserError(
                    f"The learning rate of {pattern!r} is multiplied by {number!r}, expected a "
                    "number that is not negative. 0.0 keeps these variables as they are."
                )

    @classmethod
    def taken_from(cls, arguments: dict) -> "VariableOptions":
        """Takes its own out of an optimizer's arguments, in the forms that users write them."""
        given = {
            f.name: arguments.pop(f.name) for f in dataclasses.fields(cls) if f.name in arguments
        }
        if isinstance(given.get("no_decay"), str):
            raise UserError(
                f"no_decay is {given['no_decay']!r}, expected several names, such as ('bias',)."
            )
        if "no_decay" in given:
            given["no_decay"] = tuple(given["no_decay"])
        multipliers = given.get("learning_rate_multipliers") or ()
        pairs = multipliers.items() if isinstance(multipliers, dict) else multipliers
        given["learning_rate_multipliers"] = tuple((pattern, number) for pattern, number in pairs)
        return cls(**given)

    @property
    def multipliers(self):
        return self.learning_rate_multipliers

    def shrinks(self, path: str, shape: tuple[int, ...]) -> bool:
        """Whether decay and penalty act on a variable."""
        name = path.rpartition("/")[2].partition(":")[0]
        named = any(re.fullmatch(pattern, name) for pattern in self.no_decay)
        return not named and len(shape) >= self.no_decay_below

    def multiplier(self, path: str) -> float:
        """What a variable's learning rate is multiplied by: the first pattern that its path has."""
        return next((float(n) for pattern, n in self.multipliers if re.search(pattern, path)), 1.0)

    def config(self) -> dict:
        """The same as JSON would give it back."""
        return {
            "no_decay": list(self.no_decay),
            "no_decay_below": self.no_decay_below,
            "learning_rate_multipliers": dict(self.multipliers),
        }
