"""Lines of population-based training trained again with other seeds, stacked like their search.

Each run is a member of a population in which nobody takes over another's state: it goes on from its
own, with the values that its line has next.
"""

import math
from collections.abc import Sequence
from typing import Any

from tuner_app.oracles import PopulationOracle
from tuner_app.population.inheritance import Copy
from tuner_app.results.lineage import Stretch
from tuner_app.tuners.stacked.evolving_search import EvolvingSearch
from tuner_app.tuners.stacked.exploring import draft
from tuner_app.tuners.stacked.member import Member


class ReplayOracle(PopulationOracle):
    """Members whose values are given for each stretch of epochs.

    Args (besides those of `PopulationOracle`):
        lines: Of each member, its stretches, the first one first.
    """

    def __init__(self, lines: Sequence[Sequence[Stretch]], **arguments):
        self._lines = [list(line) for line in lines]
        begins = {stretch.first for line in lines for stretch in line[1:]}
        # Compared where values change: after whole intervals of their search.
        arguments["interval"] = math.gcd(*begins) or max(line[-1].end for line in lines)
        # A population has two members at least, so one that is alone has a place that stays empty.
        super().__init__(population=max(2, len(lines)), **arguments)

    def populate_space(self, trial_id):
        if int(trial_id) >= len(self._lines):
            return {"status": "STOPPED"}
        values = self._told(trial_id, self._lines[int(trial_id)][0])
        self._events[trial_id] = [{"epoch": 0, "source": None, "values": values}]
        return {"status": "RUNNING", "values": values}

    def exploited(self, epoch, scores):
        """Those whose line has other values from now on, each by itself."""
        return {member: member for member in scores if self.following(member, epoch) is not None}

    def following(self, member: str, epoch: int) -> dict[str, Any] | None:
        """The values that a line has after so many epochs; None where they stay."""
        for stretch in self._lines[int(member)][1:]:
            if stretch.first == epoch:
                return self._told(member, stretch)
        return None

    def _told(self, member: str, stretch: Stretch) -> dict[str, Any]:
        epochs = self._lines[int(member)][-1].end
        return dict(stretch.values) | {"tuner/epochs": epochs, "tuner/initial_epoch": 0}


class ReplayingSearch(EvolvingSearch):
    """An `EvolvingSearch` whose oracle is a `ReplayOracle`."""

    def seeds_of(self, stacked: Member) -> list[int]:
        """That of the run, as the tuner says."""
        return [self.tuner.seed_of(stacked.trial_id, 0)]

    def _copy_of(self, epoch, member, source, taken):
        values = self.oracle.following(member.trial_id, epoch)
        before = draft(self, member, member, self.oracle.values(member.trial_id))
        after = draft(self, member, member, values)
        return Copy(member.run.key, member.run.key, before, after), values
