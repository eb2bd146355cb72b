"""Population-based training: members that lag behind take over the weights of those ahead."""

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

import keras_tuner
import numpy as np

from tuner_app.errors import UserError
from tuner_app.oracles.dimensions import SearchSpace
from tuner_app.oracles.evolution import exploited, explored
from tuner_app.oracles.objectives import directions
from tuner_app.oracles.stored import StoredOracle
from tuner_app.results.lineage import Stretch, lineage

NAME = "pbt"
_ENOUGH = 3  # changes of a name that were not possible, of which none was
_FIRST, _EXPLOIT, _EXPLORE = range(3)  # what random numbers are for


class PopulationOracle(StoredOracle, keras_tuner.Oracle):
    """Population-based training (Jaderberg et al., 2017): a trial is a member of a population that
    trains from the first epoch to the last, and whose values change on the way.

    After every `interval` epochs the worst share of the members each take over the whole state of
    one of the best (weights, optimizer, step, random numbers) and its values, with the numbers
    among them changed (see `evolution`). All members are compared after the same epoch, so the
    result is the same for any number of lanes. What decides a model's structure comes with the
    weights and does not change.

    It needs a tuner that trains members together, `PopulationTuner`.

    Args (besides those of `StoredOracle`, without `pruner`):
        population: How many members, at least 2.
        interval: Epochs between two comparisons.
        factors: What a number is multiplied by, one of these drawn evenly.
        resample: The probability that a number is drawn anew instead.
        quantile: The share that is replaced, and the share that is copied; up to a half.
        patience: The search is over after so many epochs in which no member was better than the
            best before; None: never.
        defaults_first: Whether the space's own defaults are the first member's values.

    Raises:
        UserError: a number out of range, or several objectives.

    >>> oracle = PopulationOracle(objective="val_loss", population=4, interval=2, seed=0)
    >>> oracle.max_trials, oracle.factors
    (4, [0.8, 1.2])
    """

    def __init__(
        self,
        *,
        population: int = 20,
        interval: int = 4,
        factors: Collection[float] = (0.8, 1.2),
        resample: float = 0.25,
        quantile: float = 0.2,
        patience: int | None = None,
        defaults_first: bool = False,
        **arguments,
    ):
        check(population, interval, factors, resample, quantile)
        self.population, self.interval = population, interval
        self.factors = [float(factor) for factor in factors]
        self.resample, self.quantile = resample, quantile
        self.patience, self.defaults_first = patience, defaults_first
        self.tried: dict[str, list[int]] = {}  # name to changes that were possible, and were not
        self.stalled = ""  # why it is over, by `patience`
        self._events: dict[str, list[dict[str, Any]]] = {}
        arguments["max_trials"] = population
        super().__init__(**arguments)
        if len(directions(self.objective)) > 1:
            raise UserError("Population-based training needs one objective; received several.")
        if self.pruner != "none":
            raise UserError(
                f"pruner is {self.pruner}, but pbt replaces what lags behind by itself. Leave one "
                "of them out."
            )

    @property
    def over(self) -> str:
        """As in `StoredOracle`, and by `patience`."""
        return super().over or self.stalled

    @property
    def space(self) -> SearchSpace:
        """The dimensions of what is searched."""
        return SearchSpace(self.hyperparameters)

    def populate_space(self, trial_id):
        """As in KerasTuner: the first values of a member, or the end."""
        number, space = len(self.trials), self.space
        if number >= self.population:
            return {"status": "STOPPED"}
        if number == 0 and self.defaults_first:
            values = space.values(lambda dimension: dimension.definition.default)
        else:
            random = np.random.default_rng([self.seed, _FIRST, number])
            values = space.values(lambda d: d.definition.prob_to_value(random.random()))
        self._events[trial_id] = [{"epoch": 0, "source": None, "values": values}]
        return {"status": "RUNNING", "values": values}

    # The decisions.

    def exploited(self, epoch: int, scores: Mapping[str, float | None]) -> dict[str, str]:
        """Each member to be replaced after so many epochs, and by whose copy.

        Args:
            scores: Of every member that goes on, its last value; None where it has diverged.
        """
        ordered = {member: scores[member] for member in sorted(scores, key=self.number_of)}
        random = np.random.default_rng([self.seed, _EXPLOIT, epoch])
        return exploited(
            ordered, quantile=self.quantile, direction=self.objective.direction, random=random
        )

    def explored(
        self, epoch: int, member: str, source: str, kept: Collection[str] = (), attempt: int = 0
    ) -> dict[str, Any]:
        """New values for a member, near its source's.

        Args:
            kept: Names that keep the source's values, besides `unchangeable`.
            attempt: Another number, other values.
        """
        return explored(
            self.space,
            self.values(source),
            kept={*kept, *self.unchangeable},
            factors=self.factors,
            resample=self.resample,
            seed=[self.seed, _EXPLORE, epoch, self.number_of(member), attempt],
        )

    def take_over(self, copies: Collection[dict[str, Any]]) -> None:
        """Notes what was copied, in one change.

        Args:
            copies: Each epoch, member, source, values, and `within`: whether it stayed in a stack.
        """
        with self.store.transaction() if self.store else contextlib.nullcontext():
            for copy in copies:
                member = copy["member"]
                self._events[member].append({k: v for k, v in copy.items() if k != "member"})
                self._hold_values(member)
                self.save_trial(self.trials[member])
            self.save()

    def rewind(self, member: str, number: int) -> None:
        """Forgets a member's events but the first `number`: it goes on from where they left it."""
        if len(self._events[member]) == number:
            return
        del self._events[member][number:]
        self._hold_values(member)
        self.save_trial(self.trials[member])

    # What can be changed.

    @property
    def inherited(self) -> list[str]:
        """Names that come with the weights: no change of them that was tried was possible."""
        return [name for name, (taken, refused) in self.tried.items() if refused and not taken]

    @property
    def unchangeable(self) -> list[str]:
        """Those of `inherited` that are not tried any more."""
        return [name for name in self.inherited if self.tried[name][1] >= _ENOUGH]

    def note_tried(self, names: Collection[str], possible: bool) -> None:
        """A model with new values of these names could, or could not, go on from the weights."""
        for name in names:
            self.tried.setdefault(name, [0, 0])[0 if possible else 1] += 1

    # What came of them.

    def values(self, member: str) -> dict[str, Any]:
        """A member's values at present."""
        return dict(self._events[member][-1]["values"])

    def events(self, member: str) -> list[dict[str, Any]]:
        """What happened to a member: epoch, source and values; the first has no source."""
        return self._events[member]

    def lineage(self, member: str, epochs: int) -> list[Stretch]:
        """Whose weights a member has after so many epochs: stretches, the first one first."""
        return lineage(self._events, member, epochs)

    def _hold_values(self, member: str, epoch: int | None = None) -> None:
        events = self._events[member]
        last = [e for e in events if epoch is None or e["epoch"] <= epoch][-1]
        self.trials[member].hyperparameters.values = dict(last["values"])

    def settle_on(self, member: str, epoch: int) -> None:
        """The member's values are from now on those of its best epoch (from 0)."""
        self._hold_values(member, epoch)

    # To the store and back.

    def get_state(self):
        """As in KerasTuner, with what is known of the space."""
        return super().get_state() | {"tried": self.tried}

    def set_state(self, state):
        """Takes back what `get_state` gave."""
        super().set_state(state)
        self.tried = {name: list(numbers) for name, numbers in state["tried"].items()}

    def _note(self, trial_id):
        return {"events": self._events[trial_id]}

    def _restore_notes(self, rows):
        self._events = {row.trial_id: row.note["events"] for row in rows if row.note}


def check(
    population: int,
    interval: int,
    factors: Collection[float],
    resample: float,
    quantile: float,
) -> None:
    """Raises `UserError` where one of them is out of range."""
    if population < 2:
        raise UserError(f"population is {population}, expected at least 2 members.")
    if interval < 1:
        raise UserError(f"interval is {interval}, expected at least 1 epoch.")
    if not factors or not all(0 < factor < float("inf") and factor != 1 for factor in factors):
        raise UserError(
            f"Expected factors to perturb by, each above 0 and not 1; received {list(factors)}."
        )
    if not 0 <= resample <= 1:
        raise UserError(f"resample is {resample:g}, expected a probability from 0 to 1.")
    if not 0 < quantile <= 0.5:
        raise UserError(f"quantile is {quantile:g}, expected a share above 0 and up to 0.5.")
