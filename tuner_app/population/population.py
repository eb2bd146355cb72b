"""The population: trials in, one report a trial and epoch out."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras

from tuner_app.errors import UserError
from tuner_app.population.backend import lapack
from tuner_app.population.backend.turns import in_turn
from tuner_app.population.data.examples import examples
from tuner_app.population.errors import CannotStack
from tuner_app.population.lanes.foresight import Foresight
from tuner_app.population.lanes.lane import Lane, LaneState, initial_values
from tuner_app.population.lanes.stack import Stack
from tuner_app.population.lanes.trial import Trial
from tuner_app.population.models.building import build_optimizer, built
from tuner_app.population.models.drawing import drawn_quickly
from tuner_app.population.reports import EpochReport, PopulationStats
from tuner_app.population.signatures.signature import describe, refuse_custom_training


@dataclass
class _Shape:
    """The stacks of one body structure, and the rules that can't be stacked with it, with why."""

    stacks: list[Stack] = field(default_factory=list)
    refusals: dict[tuple, str] = field(default_factory=dict)


class Population:
    """Keras trials trained together, stacked by signature. See the package's docstring.

    Args:
        train: (x, y) or (x, y, sample_weight): arrays, or nests of arrays, in memory.
        validation: the same, evaluated after each epoch, or None.
        batch_size: examples a step.
        lanes: most trials trained at once in one stack.
        class_weight: class to weight, as in `fit`.
        shuffle: whether each pass has an order of its own, or that of the data.
        steps_per_epoch: batches an epoch, out of an endless stream of passes through the data, each
            in another order; None: one pass, whose last batch may be smaller, as in `fit`.
        steps_per_call: most steps in one call of the compiled program.
        jit_compile: whether XLA compiles the program (TensorFlow only); None: where it
            can and is not the slower one.
        native: one lane, with the backend's own kernels, compiled once for all trials of a
            signature: for models whose arithmetic fills the machine (see `planner`).
        at_point: whether models are evaluated where their optimizer's rule says (see
            `tuner_app.optimizers.evaluation_point`) instead of where they are trained.

    Raises UserError for data of unequal lengths.
    """

    def __init__(
        self,
        train,
        validation=None,
        *,
        batch_size: int = 32,
        lanes: int = 64,
        class_weight: dict | None = None,
        shuffle: bool = True,
        steps_per_epoch: int | None = None,
        steps_per_call: int = 256,
        jit_compile: bool | None = None,
        native: bool = False,
        at_point: bool = False,
    ):
        for name, value in (
            ("batch_size", batch_size),
            ("lanes", lanes),
            ("steps_per_call", steps_per_call),
            ("steps_per_epoch", 1 if steps_per_epoch is None else steps_per_epoch),
        ):
            if not isinstance(value, int) or value < 1:
                raise UserError(f"{name} must be a whole number above 0, not {value!r}.")
        an_epoch = steps_per_epoch and steps_per_epoch * batch_size
        self.train = examples(train, class_weight, shuffle, an_epoch)
        self.validation = None if validation is None else examples(validation)
        self.batch_size, self.steps_per_call = batch_size, steps_per_call
        self.jit_compile, self.native = jit_compile, native
        self.at_point = at_point
        self.lanes = 1 if native else lanes
        self._shapes: dict[tuple, _Shape] = {}
        self._foresight = Foresight()
        self._where: dict[object, Stack] = {}
        self._rejected: dict[object, str] = {}

    # -- trials --------------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """How many more trials may be admitted now without waiting for a lane."""
        return max(0, self.lanes - len(self._where))

    def __contains__(self, key) -> bool:
        return key in self._where

    def __len__(self) -> int:
        return len(self._where)

    @in_turn
    def admit(self, key, model, *, seed: int, epochs: int, state: LaneState | None = None) -> None:
        """A trial to be trained: a compiled, built Keras model with its own initial weights.

        It takes a lane when the next epoch starts. The model is not changed, except that its
        optimizer and metrics are built; it may be discarded after that epoch.

        Args:
            key: any hashable name.
            model: the model, or a function without arguments that builds it, random draws in it
                then being decided by `seed`. A function is quicker: once the signature is known,
                most of its models are built to be read only (see `building`). It may be called
                more than once.
            seed: decides the order of the data and every random number of layers that have no
                seed of their own.
            epochs: epochs until it is done, counted from its very start.
            state: from `Lane.state`, to go on where another stack, or process, left it.

        Raises CannotStack with the reason.
        """
        if key in self._where:
            raise ValueError(f"trial {key!r} is in the population already")
        build, real = (None, model) if isinstance(model, keras.Model) else (model, None)
        read, description = (None, None) if real else self._read_lightly(build, seed)
        if description is None:
            read = real = real or built(build, seed)
            refuse_custom_training(read)
            with drawn_quickly():
                build_optimizer(read)
            description = describe(read)
        shape = self._shapes.setdefault(description.body.structure, _Shape())
        refusal = shape.refusals.get(description.rule.structure)
        if refusal:
            raise CannotStack(refusal)
        values = initial_values(read, seed) if state is None else state.values
        epoch = 0 if state is None else state.epoch
        trial = Trial(key, description, values, seed, epochs, epoch, model=real, build=build)
        self._foresight.note(description.rule, read.optimizer)
        self._place(trial, shape)

    def _read_lightly(self, build, seed):
        """The trial's model, built only to be read, and description; Nones if it is a new one."""
        if not self._shapes:
            return None, None
        try:
            model = built(build, seed, light=True)
            refuse_custom_training(model)
            description = describe(model)
        except Exception:  # whatever it is, the ordinary way will tell
            return None, None
        shape = self._shapes.get(description.body.structure, _Shape())
        known = any(
            stack.knows(description) or stack.awaits(description) and stack.accepts(description)
            for stack in shape.stacks
        )
        return (model, description) if known else (None, None)

    def _place(self, trial: Trial, shape: _Shape):
        for stack in shape.stacks:
            if stack.accepts(trial.description, trial):
                break
        else:
            batch = self.train.symbolic_batch(self.batch_size)
            trial.real_model()._symbolic_build(data_batch=batch)
            stack = Stack(
                trial,
                self.train,
                self.validation,
                batch_size=self.batch_size,
                limit=self.lanes,
                steps_per_call=self.steps_per_call,
                jit_compile=self.jit_compile,
                native=self.native,
                at_point=self.at_point,
                foresight=self._foresight,
            )
            shape.stacks.append(stack)
        stack.waiting.append(trial)
        self._where[trial.key] = stack

    def retire(self, key) -> None:
        """Frees the trial's lane, done or not; the next admitted trial may take it."""
        self._where.pop(key).free(key)

    def lane(self, key) -> Lane:
        """The trial's lane, to read and set its weights and learning rate between epochs."""
        return Lane(self._where[key], key)

    def stack_of(self, key):
        """The stack that the trial is in, or waits for."""
        return self._where[key]

    def take_rejected(self) -> dict[object, str]:
        """Trials that turned out not to stack when their program was traced, with the reason.

        They have left the population untrained. A call empties the list.
        """
        rejected, self._rejected = self._rejected, {}
        return rejected

    # -- training ------------------------------------------------------------------------------

    @in_turn
    def run_epoch(self, progress: Callable[[int, int], None] | None = None) -> list[EpochReport]:
        """One epoch of every trial that has a lane.

        Args:
            progress: called as progress(step, steps) after every `steps_per_call` steps.

        Raises RuntimeError if a trial is done and was not retired.
        """
        try:
            with lapack.in_one_thread():
                for step in (Stack.seat, Stack.settle):  # while one is traced, others are compiled
                    for shape in list(self._shapes.values()):
                        self._each(shape, step)
                return [r for stack in self.in_use for r in self._epoch_of(stack, progress)]
        except BaseException:
            for stack in self._stacks:
                stack.drop()
            raise

    def _each(self, shape: _Shape, step: Callable[[Stack], list[Trial]]):
        for stack in shape.stacks:  # grows while refused trials are given stacks of their own
            try:
                refused = step(stack)
            except CannotStack as reason:
                for trial in stack.abandon():
                    shape.refusals[trial.description.rule.structure] = str(reason)
                    self._where.pop(trial.key)
                    self._rejected[trial.key] = str(reason)
                continue
            for trial in refused:
                self._place(trial, shape)

    def _epoch_of(self, stack, progress):
        late = [t.key for t in stack.trials if t is not None and t.epoch >= t.epochs]
        if late:
            raise RuntimeError(f"trials are done and must be retired first: {late}")
        logs = None
        while logs is None:
            logs = stack.epoch.advance()
            if progress is not None:
                steps = stack.epoch.full_steps
                progress(stack.epoch.step or steps, steps)
        trials = {t.key: t for t in stack.trials if t is not None}
        return [
            EpochReport(key, trial.epoch, values, trial.epoch >= trial.epochs, rate)
            for key, (values, rate) in logs.items()
            for trial in (trials[key],)
        ]

    def compact(self) -> None:
        """Shrinks each stack to its active lanes, for the tail of a search; traces anew."""
        for shape in self._shapes.values():
            for stack in shape.stacks:
                if stack.active < len(stack.trials):
                    stack.compact()

    @property
    def in_use(self) -> list[Stack]:
        """The stacks that an epoch computes: those in which a lane has a trial."""
        return [stack for stack in self._stacks if stack.active]

    @property
    def _stacks(self) -> list[Stack]:
        return [stack for shape in self._shapes.values() for stack in shape.stacks]

    # -- state ---------------------------------------------------------------------------------

    def state_dict(self) -> dict[object, LaneState]:
        """Every trial's state by key, NumPy arrays and numbers only.

        To go on elsewhere: `admit` each trial with its model, built anew, and its state. Its
        numbers are then those of an undisturbed run, whatever shares its stack.
        """
        return {key: self.lane(key).state for key in self._where}

    @property
    def stats(self) -> PopulationStats:
        stacks = self._stacks
        each = [stack.stats for stack in stacks]
        steps = sum(s.lane_steps for s in each)
        useful = sum(s.useful_lane_steps for s in each)
        return PopulationStats(
            stacks=len(stacks),
            lanes=sum(len(stack.trials) for stack in stacks),
            traces=sum(s.traces for s in each),
            trace_seconds=sum(s.trace_seconds for s in each),
            run_seconds=sum(s.run_seconds for s in each),
            lane_steps=steps,
            useful_share=useful / steps if steps else 1.0,
            notes=tuple(dict.fromkeys(note for s in each for note in s.notes)),
        )
