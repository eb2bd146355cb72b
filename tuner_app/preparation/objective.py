"""The objective of a search: what was asked for, or what suits the task."""

import dataclasses
from typing import Any

from tuner_app.config import SearchConfig
from tuner_app.data import Dataset
from tuner_app.errors import UserError, unknown


def objective_of(config: SearchConfig, space: Any, dataset: Dataset) -> Any:
    """The objective as an oracle takes it. A metric that the models do not have is refused."""
    import keras_tuner

    from tuner_app.trial_data import metric_names

    if "," in config.objective:
        return [
            objective_of(dataclasses.replace(config, objective=part), space, dataset)
            for part in config.objective.split(",")
        ]
    default = "val_accuracy" if dataset.spec.task == "classification" else "val_loss"
    if config.losses:
        _check_comparable(config, dataset.spec.task)
        default = default if default == "val_accuracy" else "val_mean_absolute_error:min"
    name, _, direction = (config.objective or default).partition(":")
    # The spaces that come with the project always have the default.
    if config.objective or config.space.endswith(".py") or ".py:" in config.space:
        known = metric_names(space, dataset)
        if known and name not in known and not config.objective:
            raise UserError(
                f"The space's models do not report {name}, by which trials are ranked here. "
                f"Compile them with metrics=[{name.removeprefix('val_')!r}], or give --objective="
                f"{' or '.join(one for one in known if one.startswith('val_'))}."
            )
        if known and name not in known:
            raise unknown("objective", name, known)
    return keras_tuner.Objective(name, direction) if direction else name


def _check_comparable(config: SearchConfig, task: str) -> None:
    """Raises UserError for a loss as the objective where trials differ in it."""
    from tuner_app import losses

    searched = len(config.losses) > 1 or losses.offer(config.losses[0], task).ranges
    if searched and config.objective.partition(":")[0] in ("loss", "val_loss"):
        metric = "val_accuracy" if task == "classification" else "val_mean_absolute_error"
        raise UserError(
            f"objective is {config.objective!r}, but trials differ in their loss "
            f"({', '.join(config.losses)}), so its values can't be compared. Take {metric}."
        )
