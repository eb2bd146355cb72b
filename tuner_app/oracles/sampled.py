"""An oracle whose values come from an Optuna sampler."""

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import keras_tuner

from tuner_app.errors import UserError, unknown
from tuner_app.oracles import auto, brute, cmaes, gp, nsga2, pruning, random, sobol, tpe
from tuner_app.oracles.dimensions import SearchSpace
from tuner_app.oracles.extras import require
from tuner_app.oracles.first_points import FirstPoints
from tuner_app.oracles.mirror import Mirror
from tuner_app.oracles.objectives import directions, results
from tuner_app.oracles.quiet_optuna import quiet_optuna
from tuner_app.oracles.retelling import known_and_waiting, replay, retell
from tuner_app.oracles.stored import StoredOracle
from tuner_app.oracles.trial_from_row import stored_status
from tuner_app.oracles.untried import is_exhausted, untried
from tuner_app.oracles.widening import widened
from tuner_app.store.json_text import from_texts
from tuner_app.store.trial_row import ENDED

SAMPLERS = {module.NAME: module for module in (random, sobol, tpe, gp, auto, cmaes, nsga2, brute)}
EXPLORERS = ("random", "sobol")
MODELS = ("tpe", "gp", "auto")
STARTUP = 10  # results before these begin to model, which is Optuna's default
_LOOK = 20  # trials, after which ranges are looked at
_KNOWN = "warm_start"  # the store's name for the results of other searches


class SampledOracle(StoredOracle, keras_tuner.Oracle):
    """Optuna's samplers, as a KerasTuner oracle that keeps its state in the store.

    Used one trial at a time with the defaults of this class, it proposes what Optuna's sampler of
    the same seed proposes. A proposal follows from the seed, the proposals before it, and which
    trials had ended at each. So `random`, `sobol` and `brute`, which mind no results, propose the
    same for any number of open trials; the others propose the same for the same number of lanes,
    and for any number with `generation`.

    No point of a finite space is proposed twice: a repetition is replaced by a random point that
    was not tried, and when there is none the search ends. Failed trials tell the samplers nothing.

    Args (besides KerasTuner's):
        sampler: The name of one of `SAMPLERS`.
        options: Arguments of Optuna's sampler, such as {"n_startup_trials": 20}.
        first: Points to try first, each name to value; what is missing is proposed.
        known: Results of other searches, each values and score, of the same objective on the same
            data, for the sampler to begin with. Points that the space does not have are left out.
        defaults_first: Whether the space's own defaults are tried next.
        explore: "sobol": until the sampler has results enough to begin modelling, points come from
            a Sobol sequence; "random": as Optuna does.
        extend_ranges: After every 20 trials, a range whose best trials are at one of its ends is
            widened there, and the search goes on in the wider space.
        generation: None: each result is known as soon as it is there. A number: in blocks of so
            many trials, the next of which waits for the whole of the one before.

    Raises:
        UserError: an unknown sampler, a missing package, or more objectives than it takes.

    >>> oracle = SampledOracle(sampler="tpe", objective="val_loss", max_trials=3, seed=0)
    >>> rate = oracle.hyperparameters.Float("rate", 0.001, 1.0, sampling="log")
    >>> round(oracle.create_trial("tuner0").hyperparameters.values["rate"], 4)
    0.0443
    """

    def __init__(
        self,
        *,
        sampler: str,
        options: Mapping[str, Any] | None = None,
        first: Iterable[Mapping[str, Any]] = (),
        known: Iterable[tuple[Mapping[str, Any], float]] = (),
        defaults_first: bool = False,
        explore: str = "random",
        extend_ranges: bool = False,
        generation: int | None = None,
        **arguments,
    ):
        if sampler not in SAMPLERS:
            raise unknown("sampler", sampler, SAMPLERS)
        if explore not in EXPLORERS:
            raise unknown("exploration", explore, EXPLORERS)
        if generation is not None and generation < 1:
            raise UserError(f"Expected a generation of at least 1 trial; received {generation}.")
        require(SAMPLERS[sampler])
        self.sampler, self.options = sampler, dict(options or {})
        self.explore, self.generation = explore, generation
        self.defaults_first, self.extend_ranges = defaults_first, extend_ranges
        self._looked_at = 0  # trials, when ranges were last looked at
        self._first = FirstPoints(first, defaults_first)
        self._known = [[dict(values), float(score)] for values, score in known]
        self._forget()
        super().__init__(**arguments)
        most = self._property("OBJECTIVES")
        if extend_ranges and self._property("REPLAYED"):
            raise UserError(
                f"The oracle {sampler} can't change its ranges on the way. Leave extend_ranges "
                "out, or take another oracle."
            )
        if most and len(directions(self.objective)) > most:
            raise UserError(
                f"The oracle {sampler} takes one objective; received "
                f"{len(directions(self.objective))}. Take tpe, gp, nsga2, random or sobol."
            )

    def _property(self, name: str) -> Any:
        """What the sampler's module says of it; None where it says nothing."""
        return getattr(SAMPLERS[self.sampler], name, None)

    def _forget(self) -> None:
        self._mirror: Mirror | None = None
        self._explorer = None
        self._space_of: tuple = (None, None)
        self._waiting: list[str] = []  # ended trials of which the sampler does not know yet
        self._notes: dict[str, dict] = {}  # what the store keeps with a trial for us
        self._sampler_state: dict[str, Any] = {}

    @property
    def mirror(self) -> Mirror:
        """Optuna's view of the search."""
        if self._mirror is None:
            with quiet_optuna():
                made = SAMPLERS[self.sampler].sampler(self.seed, **self.options)
                self._mirror = Mirror(made, directions(self.objective), self.seed)
                if self.explore == "sobol" and self.startup:
                    self._explorer = sobol.SobolSampler(self.seed, first_random=False)
            for values, score in self._known:
                if self.space.has(values):
                    self._mirror.add(None, self.space, values, "COMPLETED", [score])
            self._mirror.study.pruner = pruning.pruner(self.pruner, self.epochs or 1)
        return self._mirror

    def attach(self, store) -> None:
        """As in `StoredOracle`; the store keeps the results of other searches too."""
        super().attach(store)
        if store is not None and self._known and store.fact(_KNOWN) is None:
            store.set_fact(_KNOWN, self._known)

    @property
    def startup(self) -> int:
        """How many trials must have ended before the sampler models the objective. 0: it models
        from the first result on, or never."""
        return self.mirror.sampler._n_startup_trials if self.sampler in MODELS else 0

    @property
    def most_open(self) -> int:
        """How many trials are worth having open: with all at once a model would learn nothing. At
        least so many that the first that end, at a pruner's first rung or their last epoch, are
        enough for the model: else those that take their places are no proposals of it yet."""
        if self.max_trials is None or not self.startup:
            return sys.maxsize
        first = math.ceil(self.startup / (1 - 1 / pruning.kept_of(self.pruner)))
        return max(first, self.max_trials // 5)

    @property
    def space(self) -> SearchSpace:
        """The dimensions of what is searched."""
        key = (id(self.hyperparameters), len(self.hyperparameters.space))
        if self._space_of[0] != key:
            self._space_of = (key, SearchSpace(self.hyperparameters))
        return self._space_of[1]

    # Proposals.

    def populate_space(self, trial_id):
        """As in KerasTuner: the values of the next trial, or that it has to wait, or the end."""
        number = len(self.trials)
        if not self._block_is_known(number):
            return {"status": "IDLE"}
        if self.extend_ranges and number and number % _LOOK == 0 and number != self._looked_at:
            self._looked_at = number
            self._widen()
        self.check_space()
        mirror, space = self.mirror, self.space
        seed = [self.seed, number]
        if is_exhausted(space, len(self._tried_so_far), self._is_tried, seed):
            return {"status": "STOPPED"}
        first = self._first.next(space, self._is_tried)
        known = len(self.end_order) - len(self._waiting)
        values = mirror.ask(trial_id, space, first, self._sampler_of_now(space))
        if space.is_finite and self._is_tried(values):
            values = untried(space, self._is_tried, seed) or values
            mirror.replace(trial_id, space, values)
        self._notes[trial_id] = {"known": known, "first": first, "noted": mirror.notes(trial_id)}
        return {"status": "RUNNING", "values": values}

    def _widen(self) -> None:
        """Widens ranges whose best trials are at an end, and tells the sampler all anew."""
        completed = sum(trial.status == "COMPLETED" for trial in self.trials.values())
        best = [t.hyperparameters.values for t in self.get_best_trials(min(10, completed // 3))]
        self.hyperparameters, found = widened(self.hyperparameters, best)
        if not found:
            return
        old, self._mirror = self.mirror, None
        trials = (self.trials[trial_id] for trial_id in self.start_order)
        retell(old, self.mirror, self.space, trials, self.objective)

    def _sampler_of_now(self, space: SearchSpace):
        """Who proposes; None: the usual one."""
        for sampler in (self.mirror.sampler, self._explorer):
            if hasattr(sampler, "space"):
                sampler.space = space
        return self._explorer if self.mirror.finished < self.startup else None

    def check_space(self) -> None:
        """Raises `UserError` for a space that the sampler can't go through."""
        check = self._property("check")
        if check is not None:
            check(self.space)

    def _is_tried(self, values: Mapping[str, Any]) -> bool:
        return self._compute_values_hash(values) in self._tried_so_far

    # Results.

    def _mirror_end(self, trial) -> None:
        self.mirror.complete(trial.trial_id, self.space, trial.hyperparameters.values)
        self._waiting.append(trial.trial_id)
        if not self.generation:
            self._tell(self._waiting.pop())

    def _block_is_known(self, number: int) -> bool:
        """Whether trial `number` may be proposed; the sampler is told what it may know then."""
        if not self.generation:
            return True
        begin = number - number % self.generation
        if any(trial_id not in self._ends for trial_id in self.start_order[:begin]):
            return False
        told = sorted(self._waiting, key=self.number_of)
        self._waiting = [i for i in told if self.number_of(i) >= begin]
        for trial_id in told[: len(told) - len(self._waiting)]:
            self._tell(trial_id)
        return True

    def _tell(self, trial_id: str) -> None:
        trial = self.trials[trial_id]
        self.mirror.tell(trial_id, stored_status(trial), results(trial, self.objective))

    # To the store and back.

    def get_state(self):
        """As in KerasTuner, with where the sampler is in its random streams."""
        ours = self._first.state() | {"looked_at": self._looked_at}
        return super().get_state() | ours | self.mirror.state()

    def set_state(self, state):
        """Takes back what `get_state` gave; the trials are taken back by `_restore_notes`."""
        super().set_state(state)
        self._forget()
        self._first.set_state(state)
        self._looked_at = state["looked_at"]
        self._sampler_state = state

    def _note(self, trial_id):
        return self._notes.get(trial_id)

    def _restore_notes(self, rows):
        state = self._sampler_state
        self._forget()
        self._known = self.store.fact(_KNOWN, [])
        notes = zip(rows, from_texts([row.text("note") for row in rows]), strict=True)
        self._notes = {row.trial_id: note for row, note in notes if note}
        told, self._waiting = known_and_waiting(rows, self.generation)
        known = set(told)
        if self._property("REPLAYED"):
            replay(self.mirror, self.space, rows, told, self._tell_again)
            for row in rows:
                if row.trial_id not in known:
                    self._see_again(row.trial_id)
        else:
            for row in rows:
                self._take_back(row, row.status if row.trial_id in known else "RUNNING")
        self.mirror.set_state(state)

    def _tell_again(self, trial_id: str) -> None:
        self._see_again(trial_id)
        self._tell(trial_id)

    def _see_again(self, trial_id: str) -> None:
        if self.pruner != "none":
            self.mirror.see(trial_id, self._curve(trial_id))

    def _take_back(self, row, status: str) -> None:
        found = results(self.trials[row.trial_id], self.objective)
        noted = self._notes.get(row.trial_id, {}).get("noted")
        if self.pruner == "none":
            curve = self._curve(row.trial_id) if status == "PRUNED" else None
            # To find each value's place in the space takes longer than all the rest.
            blind = status in ENDED and self._property("BLIND")
            seen = (None, None) if blind else (self.space, row.hyperparameters)
            self.mirror.add(row.trial_id, *seen, status, found, curve, noted)
            return
        self.mirror.add(row.trial_id, self.space, row.hyperparameters, notes=noted)
        self._see_again(row.trial_id)
        if status != "RUNNING":
            self.mirror.tell(row.trial_id, status, found)
