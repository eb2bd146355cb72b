"""The data as each trial sees them: the same, in the same order, whatever was trained before."""

import traceback
from typing import Any

import keras
import keras_tuner

from tuner_app.config import SearchConfig
from tuner_app.data import Dataset
from tuner_app.errors import UserError


def in_search(
    space: keras_tuner.HyperModel, dataset: Dataset, config: SearchConfig
) -> tuple[keras_tuner.HyperModel, dict[str, Any]]:
    """What a tuner searches, and the data as arguments of its `search`.

    Data in memory are given as arrays, so that trials can be stacked. Streamed data, and those of a
    space that trains in a way of its own, are given by `OnDataset`.
    """
    own_fit = type(space).fit is not keras_tuner.HyperModel.fit
    if own_fit or not (dataset.train.in_memory and dataset.validation.in_memory):
        steps = config.steps_per_epoch or None
        return OnDataset(space, dataset, config.batch_size, config.seed, steps), {}
    x, y = dataset.train.arrays()
    given = {"x": x, "y": y, "validation_data": dataset.validation.arrays()}
    if config.steps_per_epoch:
        given["steps_per_epoch"] = config.steps_per_epoch
    return space, given | {"batch_size": config.batch_size}


class OnDataset(keras_tuner.HyperModel):
    """A search space whose models are trained on a data set.

    Each trial gets batches of its own: their order is a function of the seed and the trial's epoch,
    not of how many epochs other trials have taken from the same pipeline.

    Args:
        space: The space; its `fit`, where it has one of its own, is called with the batches.
        dataset: The data. `test` is not touched.
        batch_size: Examples in one training step.
        seed: Fixes the order of the training examples.
        steps_per_epoch: Batches an epoch, of pass after pass; None: an epoch is one pass.
    """

    def __init__(
        self,
        space: keras_tuner.HyperModel,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__(name=space.name, tunable=space.tunable)
        self.space, self.dataset = space, dataset
        self.batch_size, self.seed = batch_size, seed
        self.steps_per_epoch = steps_per_epoch

    @property
    def cannot_stack(self) -> str:
        """Why its trials are trained by `fit`, for `PopulationTuner`."""
        if type(self.space).fit is not keras_tuner.HyperModel.fit:
            return f"{self.space.name or type(self.space).__name__} has its own fit"
        return "the data are streamed, not in memory"

    def build(self, hp):
        return self.space.build(hp)

    def declare_hyperparameters(self, hp):
        return self.space.declare_hyperparameters(hp)

    def fit(self, hp, model, *args, **kwargs):
        first, steps = kwargs.get("initial_epoch", 0), self.steps_per_epoch
        how = {"batch_size": self.batch_size, "shuffle_seed": self.seed, "first_epoch": first}
        if steps:
            kwargs["steps_per_epoch"] = steps
            batches = endless(self.dataset.train, steps_per_epoch=steps, **how)
        else:
            batches = self.dataset.train.batches(**how)
        validation = self.dataset.validation.batches(self.batch_size)
        # The batches are shuffled already; Keras warns when it is left to its default of True.
        kwargs.setdefault("shuffle", False)
        return self.space.fit(hp, model, batches, *args, validation_data=validation, **kwargs)


def endless(split, batch_size: int, shuffle_seed: int, *, steps_per_epoch: int, first_epoch=0):
    """The split's batches pass after pass without an end, as a `tf.data.Dataset`.

    Args:
        split: A `tuner_app.data.Split`.
        batch_size, shuffle_seed: As for `Split.batches`.
        steps_per_epoch: How many batches are called an epoch.
        first_epoch: Which of them it begins with.
    """
    whole, rest = 0, first_epoch * steps_per_epoch
    if split.size is not None:
        whole, rest = divmod(rest, -(-split.size // batch_size))
    return split.batches(batch_size, shuffle_seed, first_epoch=whole).repeat().skip(rest)


def metric_names(space: keras_tuner.HyperModel, dataset: Dataset) -> list[str]:
    """The metrics that a trial of `space` reports, such as loss, accuracy, val_loss, val_accuracy.

    Empty where the space's first model can't be evaluated on the data: its trials will say why.

    Raises:
        UserError: The space can't build its first model, the one with each hyperparameter's
            default.
    """
    try:
        model = space.build(keras_tuner.HyperParameters())
    except Exception as error:  # whatever a user's space raises
        raise _cannot_build(error) from error
    if not isinstance(model, keras.Model):
        raise UserError(
            f"The space's build(hp) returns a {type(model).__name__}, expected a compiled Keras "
            "model. Does it end with `return model`?"
        )
    try:
        batch = dataset.validation.batches(1).take(1)
        names = list(model.evaluate(batch, verbose=0, return_dict=True))
    except Exception:
        return []
    return names + [f"val_{name}" for name in names]


def _cannot_build(error: Exception) -> UserError:
    """The error with the line it comes from, the last one that is not in an installed library."""
    if isinstance(error, UserError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    first_line = (str(error).strip() or "no message").splitlines()[0]
    return UserError(
        f"The space can't build its first model: {type(error).__name__}: {first_line}{where}."
    )
