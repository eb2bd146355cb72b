"""A search as an Optuna study, which optuna-dashboard and Optuna's own plots open."""

from datetime import datetime
from pathlib import Path
from typing import Any

from tuner_app.errors import UserError
from tuner_app.results.pareto import objective_values
from tuner_app.store import SearchReader

_SCHEMES = ("sqlite:///", "journal:///")


def export_study(project: str | Path, address: str, name: str = "") -> int:
    """Writes every trial of a search into a new study: values, curves, states, times, scores.

    Args:
        project: The project directory.
        address: sqlite:///FILE, or journal:///FILE for Optuna's journal.
        name: The study's; default: the project directory's.

    Returns:
        The number of trials written.

    Raises:
        UserError: the directory holds no search, or the study can't be made.
    """
    import keras_tuner
    import optuna

    from tuner_app.oracles.dimensions import SearchSpace
    from tuner_app.oracles.mirror import STATES
    from tuner_app.oracles.quiet_optuna import quiet_optuna

    storage = _storage(address)
    with SearchReader(project) as reader:
        goal = reader.fact("objective", {"name": "score", "direction": "min"})
        parts = goal.get("parts") or {goal["name"]: goal["direction"]}
        spaces: dict[int, SearchSpace] = {}
        trials = []
        for row in reader.trials():
            if row.space not in spaces:
                config = {"space": reader.space(row.space), "values": {}}
                hyperparameters = keras_tuner.HyperParameters.from_config(config)
                spaces[row.space] = SearchSpace(hyperparameters)
            trials.append(_trial(row, reader, spaces[row.space], list(parts), STATES))
    study_name = name or Path(project).resolve().name
    with quiet_optuna():
        try:
            study = optuna.create_study(
                storage=storage,
                study_name=study_name,
                directions=["maximize" if d == "max" else "minimize" for d in parts.values()],
            )
        except optuna.exceptions.DuplicatedStudyError:
            raise UserError(
                f"{address} has a study {study_name!r} already. Choose another file."
            ) from None
        study.set_metric_names(list(parts))
        study.add_trials(trials)
    return len(trials)


def _storage(address: str) -> Any:
    import optuna

    scheme = next((s for s in _SCHEMES if address.startswith(s)), None)
    path = Path(address.removeprefix(scheme)) if scheme else Path()
    if scheme is None or not path.name:
        raise UserError(f"study is {address!r}, expected sqlite:///FILE or journal:///FILE.")
    if not path.absolute().parent.is_dir():
        raise UserError(f"Can't write {path}: there is no folder {path.parent}. Make it first.")
    if scheme == "sqlite:///":
        return optuna.storages.RDBStorage(address)
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    return optuna.storages.JournalStorage(backend)


def _trial(row, reader: SearchReader, space, names: list[str], states: dict) -> Any:
    import optuna

    state = states.get(row.status, optuna.trial.TrialState.WAITING)
    objective = names[0] if len(names) == 1 else "multi_objective"
    curve = {
        epoch + 1: metrics[objective]
        for (execution, epoch), metrics in reader.history(row.trial_id).items()
        if execution == 0 and objective in metrics and len(names) == 1
    }
    values = None
    if state == optuna.trial.TrialState.COMPLETE:
        values = [row.score]
        if len(names) > 1:
            values = list(objective_values(row.metrics, names).values())
    elif state == optuna.trial.TrialState.PRUNED and curve:
        values = [curve[max(curve)]]
    attempts = reader.attempts(row.trial_id)
    begun = attempts[0]["begun"] if attempts else 0.0
    ended = (attempts[-1]["ended"] if attempts else None) or begun
    chosen = list(space.active(row.hyperparameters))
    waiting = not state.is_finished()
    trial = optuna.trial.create_trial(
        state=state,
        values=values,
        params={} if waiting else {d.label: inner for d, inner in chosen},
        distributions={} if waiting else {d.label: d.distribution for d, _ in chosen},
        intermediate_values=curve,
        system_attrs={"fixed_params": {d.label: inner for d, inner in chosen}} if waiting else {},
        user_attrs={
            "trial_id": row.trial_id,
            "hyperparameters": row.hyperparameters,
            "epochs": row.epochs,
            "seconds": row.seconds,
            "message": row.message,
        },
    )
    if not waiting:
        trial.datetime_start = datetime.fromtimestamp(begun)
        trial.datetime_complete = datetime.fromtimestamp(ended)
    return trial
