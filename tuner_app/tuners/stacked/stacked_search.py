"""A search whose trials are lanes: opened, trained an epoch at a time, reported and closed."""

import dataclasses
import gc
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_tuner.src import utils

from tuner_app.optimizers import EvaluateAtPoint
from tuner_app.population import CannotStack, Population, Readout
from tuner_app.population.backend.vectorize import is_out_of_memory
from tuner_app.tuners.runs.fit_arguments import FitArguments
from tuner_app.tuners.runs.waiting import longer
from tuner_app.tuners.stacked import promotion, stack_checkpoint
from tuner_app.tuners.stacked.admission import admit, build
from tuner_app.tuners.stacked.lane_budget import most_open_after_deaths
from tuner_app.tuners.stacked.stacked_trial import Run, StackedTrial, refuse_diverged
from tuner_app.tuners.stacked.tail import Tail
from tuner_app.tuners.stacked.weights_file import WeightsFile


class StackedSearch:
    """One call of `PopulationTuner.search`, from the first trial to the last.

    Args:
        tuner: Opens and closes trials, builds models, and trains by `fit` what can't stack.
        arguments: What `search` was given.
    """

    trial_kind = StackedTrial

    def __init__(self, tuner, arguments: FitArguments):
        self.tuner, self.arguments = tuner, arguments
        self.open: dict[str, StackedTrial] = {}
        self.runs: dict[tuple[str, int], Run] = {}  # those under way, by their lanes' names
        self.files: dict[tuple[int, ...], tuple] = {}  # by structure, which is kept with them
        self.saved = {s["trial_id"]: s for s in stack_checkpoint.read(tuner.checkpoint_dir) or []}
        self.saved_at = time.monotonic()
        self.plan = tuner.plan_for(arguments)
        self._use_lanes(self.plan.lanes)
        queued = tuner.store.unfinished()
        # Trials that may have killed the process: fewer are open until they have got further.
        self.suspects = {row.trial_id for row in queued if row.blame}
        self.most_open = most_open_after_deaths(row.blame for row in queued)

    def _use_lanes(self, lanes: int) -> None:
        arguments = self.arguments
        self.population = Population(
            arguments.train,
            arguments.validation,
            batch_size=arguments.batch_size,
            lanes=lanes,
            native=self.plan.native,
            steps_per_call=self.plan.steps_per_call,
            jit_compile=self.plan.jit_compile,
            class_weight=arguments.class_weight,
            shuffle=arguments.shuffle,
            steps_per_epoch=arguments.steps_per_epoch,
            at_point=any(isinstance(c, EvaluateAtPoint) for c in arguments.callbacks),
        )
        self.tail, self.ending = Tail(self.population), False
        self.steps = -(-self.population.train.an_epoch // arguments.batch_size)
        slots = max(1, self.population.lanes // self.tuner.executions_per_trial)
        self.free_slots = list(range(slots))

    def run(self) -> None:
        """Until no slot will be given a trial any more."""
        wait = 0.0
        while True:
            self._fill()
            if self.runs:
                wait = 0.0
                self._compact_if_it_pays()
                self._epoch()
                self._save_if_due()
            elif not self.free_slots:
                break
            else:  # the oracle waits for somebody else's trials
                time.sleep(wait)
                wait = longer(wait)
        stack_checkpoint.delete(self.tuner.checkpoint_dir)

    def _compact_if_it_pays(self) -> None:
        if not self.ending:
            return
        lanes = [self.population.lane(key) for key in self.runs]
        epochs_left = max(lane.epochs - lane.epoch for lane in lanes)
        stacks = self.population.in_use
        loose = sum(stack.active < len(stack.trials) for stack in stacks)
        if self.tail.pays(len(lanes), sum(len(s.trials) for s in stacks), loose, epochs_left):
            self.population.compact()

    # Opening.

    def _fill(self) -> None:
        """Gives every free slot a trial, unless the oracle has none to give now."""
        while self.free_slots:
            if len(self.suspects & self.open.keys()) >= self.most_open:
                return
            slot = self.free_slots[0]
            self.tuner._exhausted = False
            trial = self.tuner._open_trial(slot)
            if trial is not None:
                self.free_slots.pop(0)
                # Not where some are trained by fit: one would hold up the other.
                if self.free_slots and not self.tuner.by_fit:
                    self.tuner._ask_ahead(self.free_slots[0])
                self._begin(trial, slot)
            elif self.tuner._exhausted:
                self.free_slots.pop(0)  # its last answer
                self.ending = True
            else:
                return

    def _begin(self, trial, slot: int) -> None:
        began = time.monotonic()
        stacked = self.trial_kind(trial, slot, self.tuner.oracle.objective)
        self.open[stacked.trial_id] = stacked
        try:
            saved = self.saved.pop(stacked.trial_id, None)
            saved = saved or self.tuner.saved_elsewhere(stacked.trial_id)
            admit(self, stacked, saved or promotion.beginning(self.tuner, trial))
        except Exception as error:
            self._give_up(stacked, error)
        else:
            stacked.seconds += time.monotonic() - began
            self._close_done()  # its runs may have been over before the process died

    def seeds_of(self, stacked: StackedTrial) -> list[int]:
        """The seed of each of a trial's runs."""
        tuner = self.tuner
        return [tuner.seed_of(stacked.trial_id, i) for i in range(tuner.executions_per_trial)]

    # An epoch.

    def _epoch(self) -> None:
        for run in list(self.runs.values()):
            self._guarded(run, run.begin_epoch)
        began = time.monotonic()
        try:
            reports = self.population.run_epoch()
        except Exception as error:
            self._after_failed_epoch(error)
            return
        seconds = time.monotonic() - began
        self.tail.took(seconds)
        share = seconds / max(1, len(reports))
        for key, reason in self.population.take_rejected().items():
            if key in self.runs:
                self._give_up(self.open[key[0]], CannotStack(reason))
        readout = Readout(self.population)
        ended = []
        for report in reports:
            run = self.runs.get(report.key)  # None: another run of its trial has just failed
            if run is None:
                continue
            stacked = self.open[report.key[0]]
            stacked.spend(share, self.tuner)
            if self._guarded(run, run.end_epoch, report, readout):
                ended.append((stacked, run))
        self.tuner._report_epochs((*run.key, run.epoch - 1, run.reported[-1]) for _, run in ended)
        self.tuner._tell("stack_reported", self.population.stats)
        for stacked, run in ended:
            if run.key in self.runs:
                self._guarded(run, self._after_epoch, stacked, run, readout)
        self._close_done()

    def _after_failed_epoch(self, error: Exception) -> None:
        """Out of memory: all go on from the checkpoint, in half the lanes. Anything else, or no
        lane to spare: every trial by itself, by `fit`, which will tell whose fault it was."""
        tuner, lanes = self.tuner, self.population.lanes
        self.runs.clear()
        if is_out_of_memory(error) and lanes > 1:
            for trial_id in reversed(self.open):
                tuner.oracle.put_back(trial_id)
            self.open.clear()
            self.saved = {
                s["trial_id"]: s for s in stack_checkpoint.read(tuner.checkpoint_dir) or []
            }
            halved = f"{lanes // 2} lanes (out of memory)"
            self.plan = dataclasses.replace(self.plan, lanes=lanes // 2, reason=halved)
            self.population = self.tail = None
            _let_go(error)
            self._use_lanes(lanes // 2)
            return
        said = (str(error).strip().splitlines() or [""])[0]
        reason = f"the stack failed: {type(error).__name__}: {said}"
        for stacked in list(self.open.values()):
            self._give_up(stacked, CannotStack(reason))

    def _after_epoch(self, stacked: StackedTrial, run: Run, readout: Readout) -> None:
        refuse_diverged(run.logs[-1], run.epoch - 1)
        stacked.structure = readout.structure(run.key)
        stacked.keep_best(run, readout)
        if not run.done:
            run.done = self.tuner._obey(stacked.trial_id)
        if run.done:
            promotion.note_end(run, stacked.trial, self.population.lane(run.key))
            run.end()
            self._leave(run)

    def _guarded(self, run: Run, action: Callable, *arguments) -> bool:
        """Does it; what it raises ends the run's trial, and no other."""
        try:
            action(*arguments)
            return True
        except Exception as error:
            self._give_up(self.open[run.key[0]], error)
            return False

    # Closing.

    def _leave(self, run: Run) -> None:
        self.runs.pop(run.key, None)
        if run.key in self.population:
            self.population.retire(run.key)

    def _give_up(self, stacked: StackedTrial, error: Exception) -> None:
        """Ends a trial that failed, or trains it by `fit` where it only can't stack."""
        for run in stacked.runs:
            self._leave(run)
        del self.open[stacked.trial_id]
        self.suspects.discard(stacked.trial_id)
        self.free_slots.append(stacked.slot)
        if isinstance(error, CannotStack):
            self.tuner.train_by_fit(stacked.trial, str(error))
        else:
            self.tuner.stacked += 1
            self.tuner._close_trial(stacked.trial, error=error, mode="stacked")

    def _close_done(self) -> None:
        for stacked in [s for s in self.open.values() if s.done]:
            self._close(stacked)

    def _close(self, stacked: StackedTrial) -> None:
        """Ends a trial whose runs are over; its weights are on the disk before it is COMPLETED."""
        tuner = self.tuner
        began = time.monotonic()
        if stacked.best_weights is not None:
            file, build_config = self._file_of(stacked)
            path = tuner._get_checkpoint_fname(stacked.trial_id)
            file.write(path, stacked.best_weights, stacked.best_slots)
            utils.save_json(tuner._get_build_config_fname(stacked.trial_id), build_config)
        promotion.write(tuner, stacked)
        stacked.spend(time.monotonic() - began, tuner)
        del self.open[stacked.trial_id]
        self.suspects.discard(stacked.trial_id)
        self.free_slots.append(stacked.slot)
        tuner.stacked += 1
        tuner.stack_stats = self.population.stats
        tuner._close_trial(stacked.trial, mode="stacked", **self._outcome(stacked))

    def _outcome(self, stacked: StackedTrial) -> dict[str, Any]:
        """What a trial came to, as `_close_trial` takes it."""
        return {"results": [run.history for run in stacked.runs]}

    def _file_of(self, stacked: StackedTrial) -> tuple[WeightsFile, dict]:
        """What writes the weights of models like the trial's, and Keras's note of their shapes."""
        name = tuple(map(id, stacked.structure))  # none: its runs were over before the process died
        if not name or name not in self.files:
            model = build(self, stacked, execution=0)
            made = WeightsFile(model), model.get_build_config()
            if not name:
                return made
            self.files[name] = stacked.structure, made
        return self.files[name][1]

    # The checkpoint.

    def _save_if_due(self) -> None:
        if time.monotonic() - self.saved_at >= self.tuner.checkpoint_seconds:
            self.save()

    def save(self) -> None:
        """Writes where every open trial stands."""
        states = [self._state_of(stacked) for stacked in self.open.values()]
        waiting = list(self.saved.values())  # of trials that were not opened again yet
        further = {i for i, s in self.open.items() if i in self.suspects and s.got_further}
        if further:
            self.tuner.store.forgive(further)
            self.suspects -= further
        stack_checkpoint.write(Path(self.tuner.checkpoint_dir), states + waiting)
        self.saved_at = time.monotonic()

    def _state_of(self, stacked: StackedTrial) -> dict[str, Any]:
        return stacked.state(lambda key: self.population.lane(key).state)


def _let_go(error: BaseException) -> None:
    """Frees what only the frames that an error came through still hold, such as all lanes' arrays:
    nobody would know that a device's memory is full of what is no longer used."""
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__
    gc.collect()
