"""Each system, searching at random. `SYSTEMS` maps a name to (title, packages it needs, function).

Each function has the arguments (work, trials) and returns a `Record`. Those that train trials one
after another leave the first one out of their seconds a trial, since it pays for what is started
once; the stacked searches' seconds are the whole search's, by all its trials: planning, building,
tracing, compiling, checking, writing to the disk.
"""

import os
import statistics
import tempfile
import time

from benchmarks.stacked_trials.draws import Drawn, Suggested, draws
from benchmarks.stacked_trials.record import EpochTimes, Record, peak_memory
from benchmarks.stacked_trials.works import BATCH, SEED, Work


def keras_tuner(work: Work, trials: int) -> Record:
    import keras_tuner as kt

    (x, y), held_out = work.data()
    times, record = EpochTimes(), Record()

    class Timed(kt.RandomSearch):
        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            record.trial_ended(trial.score, dict(trial.hyperparameters.values))

    with tempfile.TemporaryDirectory() as folder:
        tuner = Timed(work.build, "val_accuracy", trials, seed=SEED, directory=folder)
        tuner.search(
            x,
            y,
            batch_size=BATCH,
            epochs=work.epochs,
            validation_data=held_out,
            callbacks=[times.callback()],
            verbose=0,
        )
    return _one_after_another(record, times)


def optuna(work: Work, trials: int) -> Record:
    import keras
    import optuna as o

    (x, y), held_out = work.data()
    times = EpochTimes()
    o.logging.set_verbosity(o.logging.WARNING)
    study = o.create_study(sampler=o.samplers.RandomSampler(SEED), direction="maximize")
    for values in draws(work, trials):
        study.enqueue_trial(values)
    record = Record()

    def objective(trial) -> float:
        keras.utils.clear_session()
        model = work.build(Suggested(trial))
        history = model.fit(
            x,
            y,
            batch_size=BATCH,
            epochs=work.epochs,
            validation_data=held_out,
            callbacks=[times.callback()],
            verbose=0,
        )
        score = max(history.history["val_accuracy"])
        record.trial_ended(score, trial.params)
        return score

    study.optimize(objective, n_trials=trials)
    return _one_after_another(record, times)


def _one_after_another(record: Record, times: EpochTimes) -> Record:
    record.seconds_a_trial = (record.ends[-1] - record.ends[0]) / (len(record.ends) - 1)
    record.compiling = times.compiling
    return record


def ray_tune(work: Work, trials: int) -> Record:
    """Two workers, one core each. Each worker's first trial is left out of its seconds a trial."""
    import ray
    from ray import tune

    def train(config):
        (x, y), held_out = work.data()
        model = work.build(Drawn(config["values"]))
        history = model.fit(
            x, y, batch_size=BATCH, epochs=work.epochs, validation_data=held_out, verbose=0
        )
        score = max(history.history["val_accuracy"])
        tune.report({"score": score, "when": time.monotonic(), "memory": peak_memory()})

    given = draws(work, trials)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
        ray.init(
            address="local",  # whatever cluster the machine knows of
            num_cpus=2,
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
            runtime_env={"env_vars": {"KERAS_BACKEND": os.environ["KERAS_BACKEND"]}},
        )
        record = Record()
        tuner = tune.Tuner(
            train,
            param_space={"values": tune.grid_search(given)},
            tune_config=tune.TuneConfig(
                metric="score", mode="max", max_concurrent_trials=2, reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = list(tuner.fit())
        ray.shutdown()
    by_worker: dict[int, list] = {}
    for result in sorted(results, key=lambda one: one.metrics["when"]):
        by_worker.setdefault(result.metrics["pid"], []).append(result.metrics)
        when = result.metrics["when"] - record.began
        record.ends.append(when)
        record.scores.append(result.metrics["score"])
        record.values.append(result.config["values"])
        record.reached.append((when, result.metrics["score"]))
    rates = [
        (len(done) - 1) / (done[-1]["when"] - done[0]["when"])
        for done in by_worker.values()
        if len(done) > 1
    ]
    if rates:
        record.seconds_a_trial = 1 / (len(by_worker) * statistics.mean(rates))
    else:  # a process a trial
        record.seconds_a_trial = record.ends[-1] / len(results)
    workers = [max(one["memory"] for one in done) for done in by_worker.values()]
    record.memory = peak_memory() + sum(sorted(workers)[-2:])
    record.notes["worker_processes"] = len(by_worker)
    return record


def stacked(work: Work, trials: int) -> Record:
    """The drop-in for KerasTuner's RandomSearch, with its own plan."""
    import tuner_app
    from tuner_app.tuners.observer import Observer

    (x, y), held_out = work.data()

    class Watch(Observer):
        def epoch_ended(self, trial_id, execution, epoch, metrics):
            record.reached.append((record.now, metrics["val_accuracy"]))

        def stack_reported(self, stats):
            passes.append((stats.traces, stats.run_seconds))

        def trial_ended(self, trial):
            record.trial_ended(trial.score, dict(trial.hyperparameters))

        def search_ended(self, summary):
            record.notes["by_fit"] = summary["by_fit"]

    passes, record = [], Record()
    with tempfile.TemporaryDirectory() as folder:
        tuner = tuner_app.RandomSearch(
            work.build, "val_accuracy", trials, seed=SEED, directory=folder, observers=[Watch()]
        )
        tuner.search(
            x, y, batch_size=BATCH, epochs=work.epochs, validation_data=held_out, verbose=0
        )
        seconds = record.now
    stats = tuner.stack_stats
    record.seconds_a_trial = seconds / trials
    record.plan = tuner.how_stacked or tuner.explain(
        x, y, batch_size=BATCH, epochs=work.epochs, validation_data=held_out
    )
    if stats is not None:
        record.compiling = _compiling(passes, stats.trace_seconds) / trials
        record.notes["useful_share"] = stats.useful_share
        record.notes["stacks"] = stats.stacks
    return record


def _compiling(passes: list[tuple[int, float]], tracing: float) -> float:
    """Seconds that went into tracing, and by which passes with a new trace took longer."""
    took, compiled, before = [], [], (0, 0.0)
    for traces, seconds in passes:
        (compiled if traces > before[0] else took).append(seconds - before[1])
        before = traces, seconds
    usual = statistics.median(took) if took else 0.0
    return tracing + sum(max(0.0, one - usual) for one in compiled)


SYSTEMS = {
    "keras_tuner": ("KerasTuner", ("keras_tuner",), keras_tuner),
    "optuna": ("Optuna around fit", ("optuna",), optuna),
    "ray": ("Ray Tune, 2 workers", ("ray",), ray_tune),
    "tensorflow": ("stacked, TensorFlow", ("tensorflow",), stacked),
    "jax": ("stacked, JAX", ("jax",), stacked),
}
