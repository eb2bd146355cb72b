"""A trial's runs are given lanes: at their beginning, or where a checkpoint left them.

`search` is the `StackedSearch` that the trial belongs to.
"""

import keras
from keras_tuner.src.engine import tuner_utils

from tuner_app.population import LaneState
from tuner_app.tuners.runs.fit_arguments import compiled_and_built
from tuner_app.tuners.stacked.lane_callbacks import LaneCallbacks
from tuner_app.tuners.stacked.lane_model import LaneModel
from tuner_app.tuners.stacked.stacked_trial import Run, StackedTrial


def admit(search, stacked: StackedTrial, saved: dict | None) -> None:
    """Gives each execution a lane, where the checkpoint left it or at its beginning."""
    tuner, seeds = search.tuner, search.seeds_of(stacked)
    if saved is not None and [run["seed"] for run in saved["runs"]] != seeds:
        saved = None  # of a run that failed
    if saved is not None:
        stacked.go_on_from(saved)
    for execution, seed in enumerate(seeds):
        run = Run((stacked.trial_id, execution), seed)
        stacked.runs.append(run)
        _admit_run(search, stacked, run, None if saved is None else saved["runs"][execution])
    tuner.store.report_epochs(
        (*run.key, run.first_epoch + i, metrics, None)
        for run in stacked.runs
        for i, metrics in enumerate(run.reported)
    )


def _admit_run(search, stacked: StackedTrial, run: Run, saved: dict | None) -> None:
    planned = search.tuner._with_planned_epochs(
        stacked.trial,
        {"epochs": search.arguments.epochs, "initial_epoch": search.arguments.initial_epoch},
    )
    run.first_epoch, epochs = planned["initial_epoch"], planned["epochs"]
    if saved is not None:
        run.go_on_from(saved)
    seen: list[keras.Model] = []  # those built while the run is admitted

    def built() -> keras.Model:
        model = build(search, stacked, run.key[1])
        if run.key not in search.runs:
            seen.append(model)
        return model

    if run.done:
        return
    state = saved and LaneState(saved["lane"], run.seed, epochs, run.epoch)
    search.population.admit(run.key, built, seed=run.seed, epochs=epochs, state=state)
    lane, model = search.population.lane(run.key), seen.pop()
    seen.clear()
    search.runs[run.key] = run
    lane.epoch = run.epoch
    run.callbacks = _callbacks(search, stacked, run, model, epochs)
    if run.callbacks is not None:
        run.callbacks.train_begin(saved and saved["callbacks"])


def build(search, stacked: StackedTrial, execution: int) -> keras.Model:
    model = search.tuner.build_for_stack(stacked.trial, execution)
    return compiled_and_built(model, search.arguments)


def _callbacks(search, stacked, run, model, epochs) -> LaneCallbacks | None:
    tuner, execution = search.tuner, run.key[1]
    callbacks = tuner._deepcopy_callbacks(search.arguments.callbacks)
    tuner._configure_tensorboard_dir(callbacks, stacked.trial, execution)
    if tuner.has_epoch_hooks:
        callbacks.append(tuner_utils.TunerCallback(tuner, stacked.trial))
    if not callbacks:
        return None
    lane_model = LaneModel(
        search.population.lane(run.key),
        type(model),
        model.optimizer,
        build=lambda: build(search, stacked, execution),
        iterations=lambda: run.iterations(search.steps),
    )
    return LaneCallbacks(callbacks, lane_model, epochs, search.steps)
