"""What goes wrong in a trial is recorded with its reason, and the search goes on."""

import math

import keras
import keras_tuner
import numpy as np
import pytest

from tuner_app import results
from tuner_app.tuners import SearchFailed
from tuner_app.tuners.runs.failed_run import message_of


def by_id(tuner) -> dict:
    return {trial.trial_id: trial for trial in results.read(tuner.project_dir).trials}


def test_a_trial_that_raises_is_recorded_and_the_others_run(quick_tuner):
    def outcome(x, run):
        if run == 1:
            raise ValueError("units must be positive\nand other details")
        return x

    tuner = quick_tuner(outcome)
    tuner.search()
    trials = by_id(tuner)
    assert [trials[i].status for i in sorted(trials)] == ["COMPLETED", "FAILED"] + ["COMPLETED"] * 3
    assert trials["1"].message == "ValueError: units must be positive"
    assert trials["1"].score is None
    from tuner_app.store import SearchReader

    with SearchReader(tuner.project_dir) as reader:
        (attempt,) = reader.attempts("1")
    assert attempt["outcome"] == "FAILED" and "and other details" in attempt["traceback"]
    assert "in outcome" in attempt["traceback"]  # where it was raised


class Interrupting:
    """A callback during whose copying somebody presses Ctrl-C."""

    def __deepcopy__(self, memo):
        raise KeyboardInterrupt


def test_ctrl_c_that_keras_tuner_takes_for_an_error_is_no_trials_failure(quick_tuner):
    def outcome(x, run):
        if run == 1:
            tuner._deepcopy_callbacks([Interrupting()])
        return x

    tuner = quick_tuner(outcome)
    with pytest.raises(KeyboardInterrupt):
        tuner.search()
    assert [trial.status for trial in by_id(tuner).values()] == ["COMPLETED", "IDLE"]
    tuner.search()
    assert [trial.status for trial in by_id(tuner).values()] == ["COMPLETED"] * 5


def test_nan_then_good_on_retry_is_completed_with_the_good_score(quick_tuner):
    tuner = quick_tuner(
        lambda x, run: math.nan if run == 0 else 0.25, max_trials=1, options=retries(1)
    )
    tuner.search()
    (trial,) = by_id(tuner).values()
    assert (trial.status, trial.score, trial.message) == ("COMPLETED", 0.25, "")
    assert tuner.oracle.trials["0"].metrics.get_best_value("score") == 0.25


def retries(number: int) -> dict:
    return {"max_retries_per_trial": number}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_a_failure_with_its_reason(quick_tuner, value):
    tuner = quick_tuner(lambda x, run: value if run == 2 else x)
    tuner.search()
    trial = by_id(tuner)["2"]
    assert (trial.status, trial.score) == ("FAILED", None)
    assert trial.message == "Diverged: score is nan"
    assert "2" not in {best.trial_id for best in tuner.oracle.get_best_trials(10)}


def test_failures_up_to_the_allowed_share_do_not_end_the_search(quick_tuner):
    # Three in a row, which KerasTuner gives up at; 60% of all, below the share of 80%.
    def outcome(x, run):
        if run % 5 in (1, 2, 3):
            raise ValueError("no")
        return x

    tuner = quick_tuner(outcome, max_trials=20)
    tuner.search()
    statuses = [trial.status for trial in by_id(tuner).values()]
    assert (statuses.count("COMPLETED"), statuses.count("FAILED")) == (8, 12)


def test_too_large_a_share_of_errors_ends_the_search(quick_tuner):
    def outcome(x, run):
        raise ValueError("always wrong")

    tuner = quick_tuner(outcome, max_trials=20)
    with pytest.raises(SearchFailed, match="3 of 3 trials failed .*0.8.*ValueError: always wrong"):
        tuner.search()
    assert [trial.status for trial in by_id(tuner).values()] == ["FAILED"] * 3


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError("40 GB"), "Out of memory: 40 GB"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), "Out of memory: OOM"),
        (
            keras_tuner.errors.FailedTrialError("Oversized model: 9 parameters. Skip model."),
            "Oversized model: 9 parameters. Skip model.",
        ),
    ],
)
def test_what_is_no_error_of_the_code_does_not_end_the_search(quick_tuner, error, reason):
    def outcome(x, run):
        if run < 10:
            raise error
        return x

    tuner = quick_tuner(outcome, max_trials=11)
    tuner.search()
    trials = by_id(tuner)
    assert trials["10"].status == "COMPLETED"
    assert {trial.message for trial in trials.values()} == {reason, ""}


@pytest.mark.parametrize(
    "told",
    [
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes.",
        "INTERNAL: cuBLAS: CUBLAS_STATUS_ALLOC_FAILED",
        "INTERNAL: CUDA error: Failed to load a module: CUDA_ERROR_OUT_OF_MEMORY",
        "INTERNAL: Failed to allocate 1048576 bytes for new constant",
        "INTERNAL: failed to create cublas handle: the resource allocation failed",
    ],
)
def test_what_gpus_libraries_say_of_memory_is_known(told):
    assert message_of(RuntimeError(told)).startswith(f"Out of memory: {told}")
    assert not message_of(RuntimeError("INTERNAL: a kernel failed")).startswith("Out of memory")


def test_an_error_in_a_layer_is_told_and_not_what_keras_puts_around_it():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Exception encountered") as raised:
        model.fit(np.zeros((4, 8)), np.zeros(4), verbose=0)
    first = message_of(raised.value).splitlines()[0]
    assert first.startswith("Sequential: ValueError: Input 0")
    assert "to have value 5, but received input with shape (None, 8)" in first


def test_tensorflows_own_out_of_memory_error_is_known():
    import tensorflow as tf

    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    assert message_of(error).splitlines()[0].startswith("Out of memory: ")


def test_a_fatal_error_is_recorded_and_ends_the_search(quick_tuner):
    def outcome(x, run):
        raise keras_tuner.errors.FatalValueError("the data are wrong")

    tuner = quick_tuner(outcome)
    with pytest.raises(keras_tuner.errors.FatalValueError, match="the data are wrong"):
        tuner.search()
    assert by_id(tuner)["0"].status == "FAILED"


def test_with_nothing_completed_the_search_raises_and_best_names_nobody(quick_tuner):
    tuner = quick_tuner(lambda x, run: math.nan, max_trials=4)
    with pytest.raises(SearchFailed, match="No trial completed, of 4. The last one: Diverged"):
        tuner.search()
    assert tuner.get_best_hyperparameters(3) == [] and tuner.get_best_models() == []
    found = results.read(tuner.project_dir)
    assert found.best is None and found.ranks() == [None] * 4


def test_an_observer_that_raises_is_told_no_more(quick_tuner):
    from tuner_app.tuners import Observer

    class Broken(Observer):
        told = 0

        def epoch_ended(self, *details):
            self.told += 1
            raise OSError("pipe is closed")

    broken = Broken()
    tuner = quick_tuner(observers=[broken])
    with pytest.warns(RuntimeWarning, match="Broken.epoch_ended raised OSError"):
        tuner.search()
    assert broken.told == 1
    assert len(by_id(tuner)) == 5
