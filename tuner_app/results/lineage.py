"""Where a model of population-based training comes from: which values trained it in which epochs.

>>> events = {
...     "0": [{"epoch": 0, "source": None, "values": {"rate": 0.1}}],
...     "1": [{"epoch": 0, "source": None, "values": {"rate": 9.0}},
...           {"epoch": 4, "source": "0", "values": {"rate": 0.08}}],
... }
>>> for stretch in lineage(events, "1", epochs=10):
...     print(stretch)
epochs 1 to 4 as trial 0: rate=0.1
epochs 5 to 10 as trial 1: rate=0.08
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner_app.store import SearchReader, TrialRow


@dataclass(frozen=True)
class Stretch:
    """Epochs in which a model was trained with the same values.

    Attributes:
        first, end: The first epoch, from 0, and the one after the last.
        trial_id: The trial that trained it then.
        values: The hyperparameters.
    """

    first: int
    end: int
    trial_id: str
    values: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.when}: {' '.join(f'{k}={_short(v)}' for k, v in self.values.items())}"

    @property
    def when(self) -> str:
        """Its epochs, counted from 1, and its trial."""
        epochs = f"epochs {self.first + 1} to {self.end}"
        if self.end == self.first + 1:
            epochs = f"epoch {self.end}"
        return f"{epochs} as trial {self.trial_id}"


def lineage(
    events: Mapping[str, Sequence[Mapping[str, Any]]], trial_id: str, epochs: int
) -> list[Stretch]:
    """The stretches of the model that a trial had after so many epochs, the first one first.

    Args:
        events: Of every trial: epochs done, source (None: its own beginning) and values.
    """
    found: list[Stretch] = []
    while True:
        last = [event for event in events[trial_id] if event["epoch"] < epochs][-1]
        found.append(Stretch(last["epoch"], epochs, trial_id, last["values"]))
        if last["source"] is None:
            return found[::-1]
        trial_id, epochs = last["source"], last["epoch"]


def lineages(rows: Sequence[TrialRow]) -> dict[str, list[Stretch]]:
    """The lineage of each completed trial's best model; empty for other kinds of search."""
    events = events_of(rows)
    return {
        row.trial_id: lineage(events, row.trial_id, row.best_epoch + 1)
        for row in rows
        if row.trial_id in events and row.status == "COMPLETED"
    }


def events_of(rows: Sequence[TrialRow]) -> dict[str, list[dict[str, Any]]]:
    """What happened to each member of a population; empty for other kinds of search."""
    return {row.trial_id: row.note["events"] for row in rows if "events" in (row.note or {})}


def lineage_of(reader: SearchReader, trial_id: str) -> list[Stretch]:
    """The lineage of one completed trial's best model; empty for other kinds of search."""
    return lineages(reader.trials()).get(trial_id, [])


def changes(stretches: Sequence[Stretch]) -> list[str]:
    """A line a stretch: all values of the first one, and of the others what they changed."""
    lines, before = [], {}
    for stretch in stretches:
        parts = [f"{k}={_short(v)}" for k, v in stretch.values.items() if before.get(k) != v]
        parts += [f"without {name}" for name in before if name not in stretch.values]
        lines.append(f"{stretch.when}: {' '.join(parts) or 'as before'}")
        before = stretch.values
    return lines


@dataclass(frozen=True)
class Counts:
    """A population in numbers.

    Attributes:
        members, interval: How many they are, and the epochs between two comparisons.
        copies, within: How often one took over another's state, and how often without leaving its
            stack.
        inherited: Hyperparameters that come with the weights and can't be changed.
    """

    members: int
    interval: int
    copies: int
    within: int
    inherited: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{self.members} members, compared every {self.interval} epochs; "
        if not self.copies:
            return text + "none was replaced"
        where = ", all within a stack" if self.copies == self.within else ""
        if not where:
            where = f", {self.within} within a stack, {self.copies - self.within} over the host"
        text += f"{self.copies} copies{where}"
        if self.inherited:
            text += f"; inherited unchanged: {', '.join(self.inherited)}"
        return text


def counts(reader: SearchReader, rows: Sequence[TrialRow]) -> Counts | None:
    """The population of a search, whose trials are given; None for other kinds of search."""
    events = events_of(rows)
    if not events:
        return None
    asked = reader.fact("asked", {}).get("oracle", {})
    copies = [e for of_member in events.values() for e in of_member if e["source"] is not None]
    tried = reader.oracle_state().get("tried", {})
    inherited = tuple(name for name, (taken, refused) in tried.items() if refused and not taken)
    within = sum(bool(event.get("within")) for event in copies)
    return Counts(len(events), asked.get("interval", 0), len(copies), within, inherited)


def as_json(stretches: Sequence[Stretch]) -> list[dict[str, Any]]:
    """Stretches as JSON values: first_epoch (from 0), end_epoch (the one after the last), trial_id,
    hyperparameters."""
    return [
        {
            "first_epoch": stretch.first,
            "end_epoch": stretch.end,
            "trial_id": stretch.trial_id,
            "hyperparameters": dict(stretch.values),
        }
        for stretch in stretches
    ]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
