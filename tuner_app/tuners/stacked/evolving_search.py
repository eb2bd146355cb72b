"""A search by population-based training: all members are open, and change on the way.

Members are compared after the same epoch. Where all have a lane of one stack, what is copied is
copied within it. Where they are more than there are lanes, those that have come as far as the next
comparison give up their lanes to the others, and what is copied is copied on the host; so it is
between stacks, where members have several shapes.
"""

from typing import Any

import keras
from keras_tuner import errors

from tuner_app.population import CannotStack, LaneState
from tuner_app.population.inheritance import Copy, copy_lanes, inherited
from tuner_app.trial_seed import trial_seed
from tuner_app.tuners.runs.failed_run import DivergedError
from tuner_app.tuners.stacked import stack_checkpoint
from tuner_app.tuners.stacked.admission import build
from tuner_app.tuners.stacked.exploring import copy_of
from tuner_app.tuners.stacked.member import Member
from tuner_app.tuners.stacked.stacked_search import StackedSearch
from tuner_app.tuners.stacked.stacked_trial import Run

_LAST = 2**31  # later than any epoch


class EvolvingSearch(StackedSearch):
    """A `StackedSearch` whose oracle is a `PopulationOracle`."""

    trial_kind = Member

    def __init__(self, tuner, arguments):
        self.oracle = tuner.oracle
        self.aside: dict[tuple[str, int], LaneState] = {}  # runs that gave up their lanes
        super().__init__(tuner, arguments)
        self.most_open = self.oracle.population  # they need each other, whatever one of them did

    def _use_lanes(self, lanes: int) -> None:
        super()._use_lanes(lanes)
        self.free_slots = list(range(self.oracle.population))
        self.aside = {}

    def run(self) -> None:
        """Until all members are trained and closed."""
        while True:
            self._fill()
            if not self.open:
                break
            self._between_epochs()
            if self.runs:
                self._epoch()
        stack_checkpoint.delete(self.tuner.checkpoint_dir)

    # Opening.

    def _begin(self, trial, slot: int) -> None:
        saved = self.saved.get(trial.trial_id)
        self.oracle.rewind(trial.trial_id, 1 if saved is None else saved["events"])
        self.oracle.tried = {} if saved is None else {k: list(v) for k, v in saved["tried"].items()}
        super()._begin(trial, slot)
        if trial.trial_id in self.open and saved is None:
            self.open[trial.trial_id].until = self.oracle.interval

    def seeds_of(self, stacked: Member) -> list[int]:
        """The seed that came with its weights: that of the first of its line."""
        first = self.oracle.lineage(stacked.trial_id, _LAST)[0].trial_id
        return [trial_seed(self.tuner.seed, self.oracle.number_of(first))]

    # Between two epochs.

    def _between_epochs(self) -> None:
        if self.oracle.over:
            self._end_all()
        ready = [run for run in self.runs.values() if self._has_arrived(run)]
        if len(ready) < len(self.runs):
            for run in ready:
                self._step_aside(run)
        elif self.runs or self.aside:
            self._compare()
        else:  # all are done; none is closed before, since each may be needed after a resume
            self.save()
            for stacked in list(self.open.values()):
                self._close(stacked)
            return
        self._save_if_due()

    def _has_arrived(self, run: Run) -> bool:
        return run.epoch >= self.open[run.key[0]].until

    def _step_aside(self, run: Run) -> None:
        """Gives up its lane, for those that have not come so far."""
        self._settle_weights(run)
        self.aside[run.key] = self.population.lane(run.key).state
        self._leave(run)

    def _return(self, run: Run, state: LaneState) -> None:
        """Takes a lane again, or waits for one."""
        self.aside.pop(run.key, None)
        stacked = self.open[run.key[0]]

        def built() -> keras.Model:
            return build(self, stacked, run.key[1])

        try:
            self.population.admit(run.key, built, seed=run.seed, epochs=state.epochs, state=state)
        except Exception as error:
            self._give_up(stacked, error)
            return
        self.runs[run.key] = run
        if run.callbacks is not None:
            run.callbacks.model.move_to(self.population.lane(run.key))

    def _settle_weights(self, run: Run) -> None:
        """Weights that a callback has set go to the lane now, not when the next epoch begins."""
        if run.callbacks is not None:
            run.callbacks.model.flush()

    def _state_now(self, key: tuple[str, int]) -> LaneState:
        return self.aside[key] if key in self.aside else self.population.lane(key).state

    # The comparison.

    def _compare(self) -> None:
        """Some members take over the state of others, and all go on to the next comparison."""
        going = [s for s in self.open.values() if not s.done]
        for member in going:
            if member.run.key in self.runs:
                self._settle_weights(member.run)
        epoch = going[0].until
        if self._stalled(epoch):
            self._end_all()
            return
        scores = {m.trial_id: self._score(m) for m in going}
        targets = self.oracle.exploited(epoch, scores)
        copies, values = [], {}
        for target, source in targets.items():
            taken = [values[t] for t, s in targets.items() if s == source and t in values]
            pair = self.open[target], self.open[source]
            copy, values[target] = self._copy_of(epoch, *pair, taken)
            copies.append(copy)
        within = copy_lanes(self.population, copies)
        self.oracle.take_over(
            [
                {
                    "epoch": epoch,
                    "member": copy.key[0],
                    "source": copy.source[0],
                    "values": values[copy.key[0]],
                    "within": copy.key in within,
                }
                for copy in copies
            ]
        )
        states = {copy.key: self._inherited(copy) for copy in copies if copy.key not in within} | {
            key: state for key, state in self.aside.items() if key[0] not in targets
        }
        for copy in copies:
            self._take_over(copy)
        found = [score for score in scores.values() if score is not None]
        best = (max if self.oracle.objective.direction == "max" else min)(found, default=None)
        self.tuner._tell("population_compared", epoch, self.arguments.epochs, best, len(copies))
        for member in going:
            member.until += self.oracle.interval
        for key in sorted(states, key=lambda key: self.oracle.number_of(key[0])):
            run = self.open[key[0]].run
            self._leave(run)
            self._return(run, states[key])

    def _copy_of(
        self, epoch: int, member: Member, source: Member, taken: list[dict]
    ) -> tuple[Copy, dict[str, Any]]:
        """What a member is to be, and its new values, which none of `taken` is."""
        return copy_of(self, epoch, member, source, taken)

    def _score(self, member: Member) -> float | None:
        """Its last value of the objective; None where it has diverged."""
        logs = member.run.logs[-1]
        objective, loss = self.oracle.objective, logs.get("loss", 0.0)
        if loss - loss != 0.0 or not objective.has_value(logs):
            return None
        return float(objective.get_value(logs))

    def _stalled(self, epoch: int) -> bool:
        """Whether the best of all members has been the best for too long."""
        patience, objective = self.oracle.patience, self.oracle.objective
        if not patience:
            return False
        found = [(m.best_value, m.best_epoch) for m in self.open.values() if m.best_logs]
        if not found:
            return False
        best, when = found[0]
        for value, of in found:
            if objective.better_than(value, best) or value == best and of < when:
                best, when = value, of
        if epoch - (when + 1) < patience:
            return False
        self.oracle.stalled = f"no member was better than before in {epoch - when - 1} epochs"
        return True

    def _inherited(self, copy: Copy) -> LaneState:
        """The source's state on the host, with the copy's numbers."""
        state = self._state_now(copy.source)
        values = inherited(state.values, copy.before, copy.after)
        return LaneState(values, state.seed, state.epochs, state.epoch)

    def _take_over(self, copy: Copy) -> None:
        """The member's run, its callbacks too, are of the new model."""
        run, source = self.open[copy.key[0]].run, self.open[copy.source[0]].run
        run.seed = source.seed
        if run.callbacks is not None:
            run.callbacks.begin_anew(copy.after.kind, copy.after.optimizer)

    # An epoch, and the end.

    def _after_epoch(self, stacked: Member, run: Run, readout) -> None:
        if self._score(stacked) is not None:
            stacked.keep_best(run, readout)
        if not run.done:
            run.done = self.tuner._obey(stacked.trial_id)
        if run.done:
            run.end()
            self._leave(run)

    def _end_all(self) -> None:
        """All end with what they have reached; those that have not begun wait for a resume."""
        for member in [s for s in self.open.values() if not s.done]:
            self.aside.pop(member.run.key, None)
            self._leave(member.run)
            if member.run.logs:
                member.run.done = True
                member.run.end()
            else:
                del self.open[member.trial_id]
                self.oracle.put_back(member.trial_id)

    def _close_done(self) -> None:
        """Members are closed together, when all are done."""

    def _outcome(self, stacked: Member) -> dict[str, Any]:
        if stacked.best_epoch is None:
            last = stacked.run.logs[-1].get("loss")
            return {"error": DivergedError(f"loss is {last} in epoch {stacked.run.epoch}")}
        return {"results": stacked.best_logs, "best_epoch": stacked.best_epoch}

    def _close(self, stacked: Member) -> None:
        if stacked.best_epoch is not None:
            self.oracle.settle_on(stacked.trial_id, stacked.best_epoch)
        super()._close(stacked)

    def _give_up(self, stacked: Member, error: Exception) -> None:
        if isinstance(error, CannotStack):  # by itself it would be no member
            error = errors.FailedTrialError(f"Can't be trained with the other members: {error}")
        for run in stacked.runs:
            self.aside.pop(run.key, None)
        super()._give_up(stacked, error)

    # The checkpoint.

    def _state_of(self, stacked: Member) -> dict[str, Any]:
        events = {
            "events": len(self.oracle.events(stacked.trial_id)),
            "tried": self.oracle.tried,
        }
        return stacked.state(self._state_now) | events
