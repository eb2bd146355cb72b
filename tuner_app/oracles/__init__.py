"""Where the next trial's values come from: KerasTuner's oracles by name, kept in the store.

    oracle = create("random", "val_accuracy", max_trials=20, seed=0)

`stored` makes any other KerasTuner oracle, a user's own too, keep its state in the store.
"""

import keras_tuner

from tuner_app.errors import UserError, unknown
from tuner_app.oracles import bayesian, grid, hyperband, pbt
from tuner_app.oracles.bayesian import BayesianOracle
from tuner_app.oracles.budget import Budget
from tuner_app.oracles.failure import SearchFailed
from tuner_app.oracles.grid import GridOracle
from tuner_app.oracles.hyperband import HyperbandOracle
from tuner_app.oracles.pbt import PopulationOracle
from tuner_app.oracles.random import RandomOracle
from tuner_app.oracles.sampled import MODELS, SAMPLERS, STARTUP, SampledOracle
from tuner_app.oracles.stored import StoredOracle
from tuner_app.store.trial_row import ENDED

__all__ = [
    "ENDED",
    "MODELS",
    "SAMPLERS",
    "STARTUP",
    "BayesianOracle",
    "Budget",
    "GridOracle",
    "HyperbandOracle",
    "PopulationOracle",
    "RandomOracle",
    "SampledOracle",
    "SearchFailed",
    "StoredOracle",
    "create",
    "stored",
]

_BY_NAME = {
    grid.NAME: GridOracle,
    hyperband.NAME: HyperbandOracle,
    bayesian.NAME: BayesianOracle,
    pbt.NAME: PopulationOracle,
}

_OURS = {
    keras_tuner.oracles.RandomSearchOracle: RandomOracle,
    keras_tuner.oracles.GridSearchOracle: GridOracle,
    keras_tuner.oracles.HyperbandOracle: HyperbandOracle,
    keras_tuner.oracles.BayesianOptimizationOracle: BayesianOracle,
}


def create(
    name: str,
    objective: str | keras_tuner.Objective | list,
    max_trials: int | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    **options,
) -> StoredOracle:
    """The oracle of a command-line name.

    Args:
        name: random, sobol, tpe, gp, cmaes, nsga2 or brute (Optuna's samplers), auto; grid,
            hyperband, bayesian or pbt.
        objective: A metric's name (its direction is found from it) or a `keras_tuner.Objective`.
        max_trials: How many trials at most; None: until the oracle ends (random and bayesian: never
            before the space is exhausted).
        seed: An integer from 0, or None for a random one.
        epochs: The most epochs that a trial trains; Hyperband and pruners plan with it.
        **options: The oracle's own arguments (see `SampledOracle`; else KerasTuner's names).

    Raises:
        UserError: the name or the objective is not known.

    >>> create("random", "val_accuracy", max_trials=5, seed=0).objective.direction
    'max'
    """
    if name in SAMPLERS:
        kind, options = SampledOracle, {"sampler": name, **options}
    elif name in _BY_NAME:
        kind = _BY_NAME[name]
    else:
        raise unknown("oracle", name, [*SAMPLERS, *_BY_NAME])
    if name == hyperband.NAME:
        if epochs is not None:
            options.setdefault("max_epochs", epochs)
        if max_trials is not None:
            options.setdefault("hyperband_iterations", None)  # go on until there are enough
    else:
        options.setdefault("epochs", epochs)
    if name != pbt.NAME:
        options["max_trials"] = max_trials
    elif max_trials is not None:
        options.setdefault("population", max_trials)  # they are the trials
    try:
        return kind(objective=objective, seed=seed, **options)
    except ValueError as error:
        if "Could not infer optimization direction" not in str(error):
            raise
        raise UserError(
            f"Can't tell whether to minimize or maximize {objective!r}. Expected the name of a "
            f'Keras metric or loss, or keras_tuner.Objective({objective!r}, "min").'
        ) from None


def stored(oracle: keras_tuner.Oracle) -> StoredOracle:
    """`oracle` itself, which from now on keeps its state where `attach` says.

    Its class becomes ours where KerasTuner's own was used, and else a subclass of its own class.
    """
    if not isinstance(oracle, StoredOracle):
        kind = type(oracle)
        oracle.__class__ = _OURS.get(kind) or type(kind.__name__, (StoredOracle, kind), {})
        oracle.attach(None)
        oracle._restore_notes([])
    return oracle
