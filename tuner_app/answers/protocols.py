"""How optimizers are compared: the project's own way, and two published ones as presets."""

import dataclasses
from dataclasses import dataclass

from tuner_app.errors import UserError, unknown


@dataclass(frozen=True)
class Protocol:
    """What each optimizer is given.

    Attributes:
        name: As on the command line.
        says: What it is, for a reader.
        points: Trials of one tuning.
        repeats: Independent tunings.
        seeds: Fresh seeds for the best point of each tuning.
        way: "quasi-random", "random" or "powers of two", how points are chosen.
        widen: Whether ranges are widened while a pilot's best points lie at their ends.
        budgets: Points after which a tuning's best is run again; () is after all of them. 1 is the
            optimizer's default settings, untuned.
        test: Whether final runs are scored on the test split, at their last epoch, and not on the
            validation split.
    """

    name: str
    says: str
    points: int
    repeats: int
    seeds: int
    way: str = "quasi-random"
    widen: bool = True
    budgets: tuple[int, ...] = ()
    test: bool = False

    def __post_init__(self):
        for name in ("points", "repeats", "seeds"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise UserError(f"{name} is {value!r}, expected a whole number of at least 1.")
        if self.repeats * self.seeds < 2:
            raise UserError("repeats and seeds are both 1, expected one of them to be at least 2.")


OWN = Protocol(
    "repeated",
    "Each optimizer is tuned several times from new quasi-random points; the best point of each "
    "tuning is run again with fresh seeds, and the spread over the tunings decides.",
    points=8,
    repeats=8,
    seeds=3,
)
WILSON = Protocol(
    "wilson2017",
    "Wilson et al., The marginal value of adaptive gradient methods in machine learning, 2017: "
    "constant learning rates from a grid of powers of two, extended while the best is on its edge; "
    "the best is run with 5 seeds; training and test error.",
    points=5,
    repeats=1,
    seeds=5,
    way="powers of two",
    test=True,
)
SCHMIDT = Protocol(
    "schmidt2021",
    "Schmidt, Schneider and Hennig, Descending through a crowded valley, 2021: the default "
    "settings, and the best of 25 and of 50 random points, each run with 10 seeds.",
    points=50,
    repeats=1,
    seeds=10,
    way="random",
    widen=False,
    budgets=(1, 25, 50),
)
PRESETS = {one.name: one for one in (OWN, WILSON, SCHMIDT)}


def protocol(name: str, **given: int | None) -> Protocol:
    """A preset, with what was given in place of its own numbers.

    >>> protocol("wilson2017", seeds=3).seeds
    3
    """
    if name not in PRESETS:
        raise unknown("protocol", name, PRESETS)
    preset = PRESETS[name]
    changed = {key: value for key, value in given.items() if value is not None}
    budgets = preset.budgets
    if budgets and "points" in changed:
        budgets = tuple(b for b in budgets if b < changed["points"]) + (changed["points"],)
    return dataclasses.replace(preset, **changed, budgets=budgets)
