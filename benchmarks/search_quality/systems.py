"""One search by one system: every result, with the epochs that were spent until then.

Each system is its oracle, asked for one trial after another; what a trial gives is known from a
function or a table. A trial has `EPOCHS` epochs, but for those that are pruned, and Hyperband's.
"""

import warnings

from benchmarks.search_quality.functions import EPOCHS

OURS = {
    "auto": "ours: auto",
    "tpe": "ours: TPE",
    "bayesian": "ours: GP",
    "gp": "ours: Optuna's GP",
    "asha": "ours: TPE with ASHA",
    "auto asha": "ours: auto with ASHA",
}
THEIRS = {
    "kt random": "KerasTuner: random",
    "kt bayesian": "KerasTuner: Bayesian",
    "kt hyperband": "KerasTuner: Hyperband",
}
SYSTEMS = OURS | THEIRS
_MANY = 10**6


def search(system: str, task, seed: int, trials: int) -> list[tuple[float, int, float]]:
    """Epochs spent, trials begun, and the score, whenever a trial has ended with one.

    Args:
        task: Has `declare(hp)` and `curve(values)`, to be minimized.
        trials: The budget, in epochs of so many whole trials.
    """
    oracle = _oracle(system, seed)
    task.declare(oracle.hyperparameters)
    spent, begun, found = 0, 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while spent < trials * EPOCHS:
            trial = oracle.create_trial("tuner0")
            if trial.status != "RUNNING":
                break
            epochs, score = _train(oracle, trial, task)
            spent, begun = spent + epochs, begun + 1
            if score is not None:
                found.append((spent, begun, score))
    return found


def _train(oracle, trial, task) -> tuple[int, float | None]:
    """A trial's epochs and its score, None for a pruned one."""
    values = trial.hyperparameters.values
    first, last = values.get("tuner/initial_epoch", 0), values.get("tuner/epochs", EPOCHS)
    curve = task.curve(values)
    if getattr(oracle, "pruner", "none") != "none":
        for epoch in range(last - 1):
            oracle.hear([(trial.trial_id, 0, epoch, {"score": float(curve[epoch])})])
            if oracle.verdict(trial.trial_id):
                trial.status, trial.message = "STOPPED", oracle.verdict(trial.trial_id)
                oracle.end_trial(trial)
                return epoch + 1, None
    score = float(min(curve[first:last]))  # as with weights kept from the best epoch
    oracle.update_trial(trial.trial_id, {"score": score})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    return last - first, score


def _oracle(system: str, seed: int):
    import keras_tuner

    from benchmarks.search_quality.their_process import Process
    from tuner_app import oracles

    objective = keras_tuner.Objective("score", "min")
    if system in OURS:
        pruned = {"asha": "tpe", "auto asha": "auto"}
        name, pruner = pruned.get(system, system), "asha" if system in pruned else "none"
        options = {"explore": "sobol"} if name == "auto" else {}  # as on the command line
        return oracles.create(name, objective, _MANY, seed + 1, EPOCHS, pruner=pruner, **options)
    kinds = keras_tuner.oracles
    arguments = {"objective": objective, "seed": seed + 1}  # 0 is no seed to KerasTuner
    if system == "kt hyperband":
        made = kinds.HyperbandOracle(
            max_epochs=EPOCHS, factor=3, hyperband_iterations=_MANY, **arguments
        )
    elif system == "kt bayesian":
        made = kinds.BayesianOptimizationOracle(max_trials=_MANY, **arguments)
        made.gpr = Process(made.alpha, made.seed)
    else:
        made = kinds.RandomSearchOracle(max_trials=_MANY, **arguments)
    made.verbose = 0
    made._display.verbose = 0
    made.save = made._save_trial = lambda *trial: None  # its files are no part of the question
    return made
