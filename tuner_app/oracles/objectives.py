"""One objective or several: what is minimized or maximized, and what a trial gave for each."""

from keras_tuner.src.engine import objective as objective_module
from keras_tuner.src.engine import trial as trial_module


def parts(objective: objective_module.Objective) -> list[objective_module.Objective]:
    """The objectives that a `keras_tuner.Objective` stands for, one unless it is a sum of several.

    >>> both = objective_module.create_objective(["val_accuracy", "val_loss"])
    >>> [(part.name, part.direction) for part in parts(both)]
    [('val_accuracy', 'max'), ('val_loss', 'min')]
    """
    return list(getattr(objective, "objectives", None) or [objective])


def directions(objective: objective_module.Objective) -> list[str]:
    """ "min" or "max" of each part."""
    return [part.direction for part in parts(objective)]


def results(trial: trial_module.Trial, objective: objective_module.Objective) -> list[float] | None:
    """What a completed trial gave for each part; None without a score."""
    if trial.score is None:
        return None
    several = parts(objective)
    if len(several) == 1:
        return [float(trial.score)]
    return [float(trial.metrics.get_best_value(part.name)) for part in several]
