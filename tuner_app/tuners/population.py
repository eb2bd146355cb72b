"""Trials by the hundred: those of one structure are trained together in one compiled program."""

import contextlib
import time
import warnings
from collections import Counter
from functools import partial

import keras
import keras_tuner
from keras.src.utils import naming
from keras_tuner import errors
from keras_tuner.src.engine import tuner as tuner_module

from tuner_app.errors import UserError
from tuner_app.oracles import PopulationOracle
from tuner_app.population import CannotStack, Plan, PopulationStats
from tuner_app.population.backend.vectorize import on_jax
from tuner_app.population.models.building import looked_at
from tuner_app.population.models.drawing import drawn_quickly
from tuner_app.population.models.without_tensorflow import set_random_seed
from tuner_app.tuners.by_fit import fit_checkpoint
from tuner_app.tuners.runs.callback_state import own_files
from tuner_app.tuners.runs.fit_arguments import FitArguments, compiled_and_built, stackable
from tuner_app.tuners.runs.waiting import longer
from tuner_app.tuners.sequential import SequentialTuner
from tuner_app.tuners.stacked.evolving_search import EvolvingSearch
from tuner_app.tuners.stacked.lane_budget import MOST_LANES, planned
from tuner_app.tuners.stacked.lane_callbacks import refuse_inside_an_epoch
from tuner_app.tuners.stacked.points import default_point, drawn_point
from tuner_app.tuners.stacked.stacked_search import StackedSearch

BY_FIT = "trained by fit: "  # before the reason, in such a trial's message
_MODELS_LOOKED_AT = 12  # by the planner, of the many that a space may build


class PopulationTuner(SequentialTuner):
    """A `keras_tuner.Tuner` that stacks its trials, and trains by `fit`, named, what can't stack.

    `search` takes what `model.fit` takes: arrays or finite `tf.data` sets, and callbacks, which act
    on each trial alone. A trial's numbers depend on neither its neighbours nor the number of lanes.
    The mode of each trial is in its record, with the reason where it is not "stacked".

    Of a hypermodel whose class has a true attribute `builds_anew`, the models that are looked at
    before the first trial have no variables, and take a third of the time. It says that `build`
    makes all layers of a model each time, and keeps none of them for later. A subclass, which may
    do otherwise, says so itself.

    Args (besides those of `StoredTuner`):
        lanes: How many trials are trained at once; "auto": as the engine plans it, from memory and
            a short measurement (see `population.plan`).
        checkpoint_seconds: How often the stack is saved, so that a killed search goes on there;
            a trial by `fit` is, as often, at an epoch's end.

    Attributes:
        stacked: Trials that the last search trained in a stack.
        by_fit: Reason to trials that the last search trained by `fit` for it.
        stack_stats: What the engine says of the last search; None where nothing was stacked.
        plan: How the last search was to be stacked, and why; None where it was not.

    >>> import tempfile
    >>> import keras, numpy as np
    >>> def build(hp):
    ...     model = keras.Sequential([keras.layers.Dense(1)])
    ...     model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    ...     return model
    >>> from tuner_app import oracles
    >>> tuner = PopulationTuner(
    ...     oracles.create("random", "val_loss", max_trials=4, seed=0),
    ...     build, directory=tempfile.mkdtemp(), project_name="line", lanes=4)
    >>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
    >>> tuner.search(x, 2 * x, epochs=2, validation_data=(x, 2 * x), verbose=0)
    >>> tuner.stacked, dict(tuner.by_fit)
    (4, {})
    """

    evolving_kind = EvolvingSearch

    def __init__(
        self,
        oracle,
        hypermodel=None,
        *arguments,
        lanes: int | str = "auto",
        **keywords,
    ):
        if lanes != "auto" and (not isinstance(lanes, int) or lanes < 1):
            raise UserError(
                f'Expected lanes to be "auto" or a number of at least 1; received {lanes!r}.'
            )
        if hypermodel is None and type(self).run_trial is SequentialTuner.run_trial:
            raise UserError(
                "Received `hypermodel=None`. Expected a function of hp that builds a compiled "
                "model, or a keras_tuner.HyperModel; or a subclass with a run_trial of its own."
            )
        self.lanes = lanes
        self.stacked = 0
        self.by_fit: Counter[str] = Counter()
        self.stack_stats: PopulationStats | None = None
        self.plan: Plan | None = None
        self._reasons: dict[str, str] = {}  # why an open trial is trained by fit
        super().__init__(oracle, hypermodel, *arguments, **keywords)

    def _run_trials(self, *fit_args, **fit_kwargs) -> None:
        self.stacked, self.by_fit, self.stack_stats = 0, Counter(), None
        self.plan = None
        self._fit_args, self._fit_kwargs = fit_args, fit_kwargs
        evolving = isinstance(self.oracle, PopulationOracle)
        try:
            arguments = self._stackable(fit_args, fit_kwargs)
        except CannotStack as reason:
            if evolving:
                raise UserError(
                    f"Population-based training trains its members together, but {reason}. Take "
                    "another oracle."
                ) from None
            self._run_by_fit(str(reason))
        else:
            search = (self.evolving_kind if evolving else StackedSearch)(self, arguments)
            self.plan = search.plan
            if search.plan.by_fit and not search.saved and not evolving:
                self._run_by_fit(search.plan.reason)
            else:
                search.run()
        fit_checkpoint.delete_all(self)

    def _stackable(self, fit_args: tuple, fit_kwargs: dict) -> FitArguments:
        """The arguments as the engine takes them. Raises `CannotStack` with the reason."""
        on_jax()  # raises it where Keras runs on neither JAX nor TensorFlow
        self._refuse_own_training()
        arguments = stackable(fit_args, fit_kwargs)
        refuse_inside_an_epoch(arguments.callbacks)
        return arguments

    def _refuse_own_training(self) -> None:
        """Raises `CannotStack` where a subclass or the hypermodel trains in a way of its own."""
        for name in ("run_trial", "_build_and_fit_model", "on_batch_begin", "on_batch_end"):
            own = getattr(getattr(self, name), "__func__", None)  # None: put on the instance
            if own is not getattr(SequentialTuner, name):
                raise CannotStack(f"{type(self).__name__} has its own {name}")
        reason = getattr(self.hypermodel, "cannot_stack", None)
        if reason:
            raise CannotStack(reason)
        if type(self.hypermodel).fit is not keras_tuner.HyperModel.fit:
            raise CannotStack(f"{type(self.hypermodel).__name__} has its own fit")
        if self.distribution_strategy is not None:
            raise CannotStack("the tuner has a distribution strategy")

    def _ask_ahead(self, slot: int) -> None:
        """The next call of `_open_trial` will be for this slot: where another process opens the
        trials, it may do so meanwhile."""

    def _activate_all_conditions(self) -> None:
        with looked_at(self._builds_anew), drawn_quickly():
            super()._activate_all_conditions()

    @property
    def _builds_anew(self) -> bool:
        return vars(type(self.hypermodel)).get("builds_anew", False)

    def _build_hypermodel(self, hp) -> keras.Model:
        with drawn_quickly():
            return super()._build_hypermodel(hp)

    @property
    def has_epoch_hooks(self) -> bool:
        """Whether a subclass has an `on_epoch_begin` or `on_epoch_end` of its own."""
        return any(
            getattr(type(self), name) is not getattr(SequentialTuner, name)
            for name in ("on_epoch_begin", "on_epoch_end")
        )

    def build_for_stack(self, trial, execution: int) -> keras.Model:
        """The model of one execution, as `run_trial` would build it, with the same weights.

        KerasTuner clears Keras's session and collects garbage before each model, which takes longer
        than building it. Here only the names are counted anew, so that metrics keep theirs.
        """
        with drawn_quickly():
            set_random_seed(self.seed_of(trial.trial_id, execution))
            naming.reset_uids()
            model = self._build_hypermodel(trial.hyperparameters)
        if not isinstance(model, keras.Model):
            raise errors.FatalTypeError(
                "Expected the model-building function, or HyperModel.build(), to return a Keras "
                f"model; received {model!r} of type {type(model).__name__}."
            )
        size = tuner_module.maybe_compute_model_size(model)
        if self.max_model_size and size > self.max_model_size:
            raise errors.FailedTrialError(f"Oversized model: {size} parameters. Skip model.")
        return model

    def load_model(self, trial) -> keras.Model:
        """A trial's model with its best weights, as in KerasTuner."""
        with _optimizer_left_out():
            return super().load_model(trial)

    def _load_weights_of(self, model, trial_id: str) -> None:
        with _optimizer_left_out():
            super()._load_weights_of(model, trial_id)

    def saved_elsewhere(self, trial_id: str) -> dict | None:
        """Where another process left a trial that now runs here; None: nowhere."""
        return None

    def plan_for(self, arguments: FitArguments) -> Plan:
        """Lanes, kernels and steps a call for a search with these arguments, and why."""
        if self.lanes != "auto":
            asked = f"{self.lanes} lane{'s' * (self.lanes > 1)}, as asked for"
            return Plan(self.lanes, False, 256, asked)
        space = self.oracle.get_space()
        drawn = (drawn_point(space, seed) for seed in range(_MODELS_LOOKED_AT - 1))
        points = [default_point(space), *drawn]

        def build(point) -> keras.Model:
            return compiled_and_built(self._build_hypermodel(point.copy()), arguments)

        waiting = self.oracle.remaining_trials()
        if waiting is not None:
            waiting += len(self.store.unfinished()) if self.store else 0
        if waiting == 0:
            return Plan(1, False, 256, "no trial is left")
        most = min(MOST_LANES, getattr(self.oracle, "most_open", MOST_LANES))
        runs = most if waiting is None else waiting * self.executions_per_trial
        builds = [partial(build, point) for point in points]
        return planned(builds, arguments, runs, most, light=self._builds_anew)

    def explain(self, *fit_args, **fit_kwargs) -> str:
        """How `search` with these arguments would train, and why, in a sentence."""
        try:
            arguments = self._stackable(fit_args, fit_kwargs)
        except CannotStack as reason:
            return f"One by one, by fit: {reason}."
        found = self.plan_for(arguments)
        if found.by_fit:
            return f"One by one, by {found.reason}."
        return f"Stacked: {found.reason}; at most {found.steps_per_call} steps a call."

    @property
    def how_stacked(self) -> str:
        """How the last search was stacked, and why so; "" where nothing was."""
        if self.plan is None or not self.stacked:
            return ""
        used = f"; {self.stack_stats.useful_share:.0%} useful" if self.stack_stats else ""
        return self.plan.reason + used

    # By fit.

    def _run_by_fit(self, reason: str) -> None:
        wait = 0.0
        while not self._exhausted:
            trial = self._open_trial()
            if trial is None:
                time.sleep(wait)
                wait = longer(wait)
                continue
            wait = 0.0
            self.train_by_fit(trial, reason)

    def train_by_fit(self, trial, reason: str) -> None:
        """Trains an open trial by `fit` and closes it; the reason goes into its record."""
        self.by_fit[reason] += 1
        self._reasons[trial.trial_id] = reason
        self._run_and_close(trial, *self._fit_args, **self._fit_kwargs)
        del self._reasons[trial.trial_id]

    def _how_trained(self, trial_id: str) -> str:
        reason, how = self._reasons.get(trial_id), super()._how_trained(trial_id)
        if reason is None:
            return how
        how = how.removesuffix(f": {reason}")  # which is the same, and said once
        return f"{BY_FIT}{reason}; {how}" if how else f"{BY_FIT}{reason}"

    def _configure_tensorboard_dir(self, callbacks, trial, execution=0) -> None:
        super()._configure_tensorboard_dir(callbacks, trial, execution)
        own_files(callbacks, trial.trial_id, execution)

    def _tell(self, event: str, *details: object) -> None:
        """The summary at a search's end has `stacked` (trials), `by_fit` (reason to trials) and
        `stack`, the engine's `PopulationStats`, and `plan`, how it was to be stacked and why, in
        words (both None where nothing was stacked) besides."""
        if event == "search_ended":
            how = {
                "stacked": self.stacked,
                "by_fit": dict(self.by_fit),
                "stack": self.stack_stats,
                "plan": self.plan and self.plan.reason,
            }
            details = (details[0] | how, *details[1:])
        super()._tell(event, *details)


@contextlib.contextmanager
def _optimizer_left_out():
    """Keras warns where a file of weights and a model disagree on the optimizer's variables."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        yield
