"""An Optuna study in memory that knows what the oracle's trials know.

The store is the truth; the mirror is built again from it on a resume. One Optuna trial stands for
each trial, in the same order, so that Optuna's samplers and pruners see what they would in a study
of their own.
"""

import copy
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.study._tell import _tell_with_warning
from optuna.trial import FrozenTrial, TrialState

from tuner_app.oracles.dimensions import SearchSpace
from tuner_app.oracles.draws import CountedStream
from tuner_app.oracles.quiet_optuna import quiet_optuna, without_experiments

_LONGEST_NOTE = 200  # characters of a sampler's note on a trial that is worth keeping in the store
_NOTHING: dict = {}  # of an ended trial, which nobody adds to

STATES = {
    "COMPLETED": TrialState.COMPLETE,
    "FAILED": TrialState.FAIL,
    "PRUNED": TrialState.PRUNED,
}


class Mirror:
    """Optuna's view of a search.

    Args:
        sampler: Proposes values; used for nothing where an oracle only wants pruning.
        directions: "min" or "max", one an objective.
        seed: The one that the sampler was made with.

    Attributes:
        finished: How many trials Optuna has results of.
    """

    def __init__(self, sampler: BaseSampler, directions: list[str], seed: int):
        words = {"min": "minimize", "max": "maximize"}
        storage = optuna.storages.InMemoryStorage()
        with quiet_optuna():
            # The name matters: Optuna's Hyperband tells a trial's bracket from it and the number.
            storage.create_new_study(
                [optuna.study.StudyDirection[words[d].upper()] for d in directions], "search"
            )
        self.study = optuna.study.Study(
            "search", storage, sampler=sampler, pruner=optuna.pruners.NopPruner()
        )
        self.study.stop = lambda: None  # a sampler that is through; the oracle sees it by itself
        self.sampler = sampler
        self.finished = 0
        self._storage = storage
        self._streams = [CountedStream(lazy.rng, seed) for lazy in _streams(sampler)]
        self._distributions: dict = {}  # of the trial that ended last
        self._numbers: dict[str, int] = {}  # trial id to Optuna's number
        self._labels: dict[str, set[str]] = {}  # of open trials: what is known of their values

    def __contains__(self, trial_id: str) -> bool:
        return trial_id in self._numbers

    def ask(
        self,
        trial_id: str,
        space: SearchSpace,
        first: Mapping[str, Any] | None = None,
        sampler: BaseSampler | None = None,
    ) -> dict[str, Any]:
        """Begins a trial with the values that the sampler proposes.

        Args:
            first: Values that are wanted; the sampler adds those that are missing.
            sampler: Proposes this trial's values instead of the usual one.
        """
        if first is not None:
            wanted = {d.label: inner for d, inner in space.active(dict(first))}
            self.study.enqueue_trial(wanted)
        self.study.sampler = sampler or self.sampler
        with without_experiments():
            trial = self.study.ask()
            values = space.values(lambda d: d.external(trial._suggest(d.label, d.distribution)))
        self.study.sampler = self.sampler
        self._numbers[trial_id] = trial.number
        self._labels[trial_id] = set(trial.params)
        return values

    def replace(self, trial_id: str, space: SearchSpace, values: Mapping[str, Any]) -> None:
        """An open trial has other values than were proposed."""
        number = self._number(trial_id)
        trial = copy.copy(self._storage._get_trial(number))
        trial.params, trial.distributions = {}, {}
        self._storage._set_trial(number, trial)
        self._labels[trial_id] = set()
        self.complete(trial_id, space, values)

    def complete(self, trial_id: str, space: SearchSpace, values: Mapping[str, Any]) -> None:
        """An open trial has more values than were asked for: its model had them."""
        number, known = self._number(trial_id), self._labels[trial_id]
        for dimension, inner in space.active(dict(values)):
            if dimension.label not in known:
                self._storage.set_trial_param(
                    number,
                    dimension.label,
                    dimension.distribution.to_internal_repr(inner),
                    dimension.distribution,
                )
                known.add(dimension.label)

    def report(self, trial_id: str, step: int, value: float) -> None:
        """A running trial's objective after `step` epochs."""
        self._storage.set_trial_intermediate_value(self._number(trial_id), step, value)

    def see(self, trial_id: str, curve: Mapping[int, float]) -> None:
        """The pruner judged an open trial at each of these epochs, and sees them again."""
        for step, value in sorted(curve.items()):
            self.report(trial_id, step, value)
            self.should_prune(trial_id)

    def to_prune(self, trial_ids: Iterable[str]) -> list[str]:
        """Those of the trials, which reported at the same time, that the pruner would end now.

        Optuna's successive halving compares a trial with those that were judged before it, so that
        of several at once the first would always pass. Here each is judged with the others known.
        """
        before = {trial_id: self.trial(trial_id).system_attrs for trial_id in trial_ids}
        found = {trial_id: self.should_prune(trial_id) for trial_id in before}
        for trial_id, attributes in before.items() if len(before) > 1 else ():
            trial = copy.copy(self.trial(trial_id))
            if trial.system_attrs != attributes:  # it has come to a rung
                trial.system_attrs = attributes
                self._storage._set_trial(self._number(trial_id), trial)
                found[trial_id] = self.should_prune(trial_id)
        return [trial_id for trial_id, prune in found.items() if prune]

    def should_prune(self, trial_id: str) -> bool:
        """Whether the study's pruner would end the trial now."""
        trial = self._storage.get_trial(self._number(trial_id))
        study = optuna.pruners._filter_study(self.study, trial)
        with without_experiments():
            return self.study.pruner.prune(study, trial)

    def tell(self, trial_id: str, status: str, values: list[float] | None = None) -> None:
        """A trial is over: COMPLETED with `values`, FAILED or PRUNED."""
        _tell_with_warning(  # `Study.tell`, but that it copies the whole trial for its caller
            self.study,
            self._numbers[trial_id],
            values if status == "COMPLETED" else None,
            STATES[status],
        )
        self._labels.pop(trial_id, None)
        self._share(self._storage._get_trial(self._number(trial_id)))
        self.finished += status != "FAILED"

    def _share(self, trial: FrozenTrial) -> None:
        """What an ended trial has in common with others it does not need for itself."""
        if trial._distributions != self._distributions:
            self._distributions = trial._distributions
        trial._distributions = self._distributions
        for name in ("_user_attrs", "_system_attrs", "intermediate_values"):
            if not getattr(trial, name):
                setattr(trial, name, _NOTHING)

    def add(
        self,
        trial_id: str | None,
        space: SearchSpace | None = None,
        values: Mapping[str, Any] | None = None,
        status: str = "RUNNING",
        results: list[float] | None = None,
        curve: Mapping[int, float] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes a trial as it is, without a proposal: one of an earlier process, or (without an id)
        of another search."""
        state = STATES.get(status, TrialState.RUNNING)
        chosen = [] if space is None else list(space.active(dict(values or {})))
        finished = state.is_finished()
        if state == TrialState.PRUNED and curve:
            results = [curve[max(curve)]]
        # Begun, then replaced: of what begins as a copy, Optuna copies every attribute.
        optuna_id = self._storage.create_new_trial(self.study._study_id)
        now = datetime.now()
        trial = FrozenTrial(
            number=self._storage.get_trial_number_from_id(optuna_id),
            trial_id=optuna_id,
            state=state,
            value=None,
            values=results if state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
            datetime_start=now,
            datetime_complete=now if finished else None,
            params={dimension.label: inner for dimension, inner in chosen},
            distributions={dimension.label: dimension.distribution for dimension, _ in chosen},
            user_attrs={},
            system_attrs=dict(notes or {}),
            intermediate_values=dict(curve or {}),
        )
        self._storage._set_trial(optuna_id, trial)
        if space is not None:  # else nobody asks which is the best
            self._storage._update_cache(optuna_id, self.study._study_id)
        self.finished += state in (TrialState.COMPLETE, TrialState.PRUNED)
        if trial_id is not None:
            self._numbers[trial_id] = trial.number
            if not finished:
                self._labels[trial_id] = {dimension.label for dimension, _ in chosen}

    def trial(self, trial_id: str) -> FrozenTrial:
        """A trial as Optuna sees it."""
        return self._storage.get_trial(self._number(trial_id))

    # What the sampler keeps besides the trials.

    def notes(self, trial_id: str) -> dict[str, Any]:
        """What the sampler noted on a trial (its generation, say)."""
        noted = self._storage.get_trial_system_attrs(self._number(trial_id))
        kept = {k: v for k, v in noted.items() if _is_short(v)}
        kept.pop("fixed_params", None)
        return kept

    def state(self) -> dict[str, Any]:
        """Where the sampler's random streams are, and what it noted on the whole search."""
        noted = self._storage.get_study_system_attrs(self.study._study_id)
        places = {f"stream {i}": stream.place() for i, stream in enumerate(self._streams)}
        kept = {"kept": self.sampler.kept} if hasattr(self.sampler, "kept") else {}
        return places | kept | {f"noted {key}": value for key, value in noted.items()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state` gave."""
        for i, stream in enumerate(self._streams):
            if f"stream {i}" in state:
                stream.go_to(state[f"stream {i}"])
        if "kept" in state:
            self.sampler.kept = state["kept"]
        for key, value in state.items():
            if key.startswith("noted "):
                name = key.removeprefix("noted ")
                self._storage.set_study_system_attr(self.study._study_id, name, value)

    def _number(self, trial_id: str) -> int:
        """Optuna's id of a trial, which in a study alone in its storage is its number."""
        return self._numbers[trial_id]


def _is_short(note: Any) -> bool:
    return isinstance(note, (bool, int, float)) or (
        isinstance(note, str) and len(note) <= _LONGEST_NOTE
    )


def _streams(sampler: BaseSampler) -> Iterable[LazyRandomState]:
    """The random streams of a sampler, and of the samplers that it falls back on."""
    found: dict[int, LazyRandomState] = {}
    waiting: list[Any] = [sampler]
    while waiting:
        for value in vars(waiting.pop()).values():
            if isinstance(value, LazyRandomState):
                found[id(value)] = value
            elif isinstance(value, BaseSampler):
                waiting.append(value)
    return list(found.values())
