"""What was asked for: one frozen dataclass, validated once, stored with the search as JSON."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner_app import config_checks
from tuner_app.errors import UserError, unknown

UNITS = {"s": 1, "m": 60, "h": 3600}  # seconds
FILE_SCHEMES = ("csv", "npz", "images")  # a path stands after their colon


def _field(default: Any, help: str) -> Any:
    """A field with its flag's help text, so that a setting is described in one place."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class SearchConfig:
    """A search: what on, over what, how, and where. Every field is a flag of `tuner-app search`.

    Raises:
        UserError: A value of the wrong type or out of range, or a name that nothing has.

    >>> config = SearchConfig(max_trials=3)
    >>> SearchConfig.from_dict(config.to_dict()) == config
    True
    >>> SearchConfig(max_trials=0)
    Traceback (most recent call last):
    tuner_app.errors.UserError: max_trials is 0, expected a whole number of at least 1.
    """

    dataset: str = _field(
        "digits",
        "The data. `tuner-app list datasets` shows the forms: a name such as digits, or "
        "csv:FILE?target=COLUMN, npz:FILE, images:FOLDER, tfds:NAME.",
    )
    space: str = _field(
        "mlp",
        "The search space: a name from `tuner-app list spaces`, or FILE.py:OBJECT, where OBJECT "
        "is a build(hp) function or a keras_tuner.HyperModel of your own.",
    )
    project: str = _field(
        "",
        "The directory that will hold the search, or an address such as s3://bucket/digits that it "
        "is copied to. Default: tuning/DATASET-SPACE, such as tuning/digits-mlp.",
    )
    oracle: str = _field(
        "random", "What chooses the next trial: a name from `tuner-app list oracles`."
    )
    pruner: str = _field(
        "none",
        "What ends trials early, judged at each epoch: median, worse than the median of earlier "
        "ones; asha, not in the best third at a rung; hyperband, the same in brackets; wilcoxon, "
        "by a rank test against the best; patient, as median but after a standstill.",
    )
    objective: str = _field(
        "",
        "The metric that ranks trials, such as val_loss. A metric of your own needs its "
        "direction: val_f1:max. Several, separated by commas: `results` then has the Pareto "
        "front. Default: val_accuracy for classes, val_loss for numbers.",
    )
    max_trials: int = _field(20, "How many trials to run.")
    time_limit: str = _field(
        "",
        "Stop after so much time: seconds, or a number with a unit, such as 90s, 15m or 2h. A "
        "resume has as much again.",
    )
    max_epochs_total: int = _field(
        0, "Stop when the trials have trained so many epochs together; 0: no limit."
    )
    target: str = _field(
        "", "Stop when the objective reaches this value, such as 0.98; open trials end with it."
    )
    trials_patience: int = _field(
        0, "Stop when so many trials, one after another, brought nothing better; 0: never."
    )
    enqueue: str = _field(
        "",
        'A JSON file of points to try first: a list of objects, such as [{"units": 64}]. What a '
        "point leaves out is drawn. For the oracles that are samplers.",
    )
    warm_start: str = _field(
        "",
        "Project directories of past searches, separated by commas. Of the same data and "
        "objective, their results are known from the beginning; of others, their best points are "
        "tried first. For the oracles that are samplers.",
    )
    extend_ranges: bool = _field(
        False,
        "After every 20 trials, widen ranges whose best trials are at an end. For the oracles that "
        "are samplers, but cmaes.",
    )
    population: int = _field(
        0,
        "With --oracle=pbt: how many members train together, instead of --max_trials. Members that "
        "lag behind go on from the weights of those ahead, with changed hyperparameters. 0: "
        "--max_trials.",
    )
    interval: int = _field(
        4, "With --oracle=pbt: after so many epochs, again and again, members are compared."
    )
    quantile: float = _field(
        0.2,
        "With --oracle=pbt: the share of the members that is replaced at each comparison, and the "
        "share that is copied; up to 0.5.",
    )
    perturb: str = _field(
        "0.8,1.2",
        "With --oracle=pbt: one of these factors multiplies each number of a copy, within its "
        "range.",
    )
    resample_probability: float = _field(
        0.25,
        "With --oracle=pbt: how likely a hyperparameter of a copy is drawn anew instead; a choice "
        "without an order changes in no other way.",
    )
    epochs: int = _field(40, "The most epochs that a trial trains.")
    steps_per_epoch: int = _field(
        0,
        "Batches in an epoch. The data are then an endless stream, each pass in another order, and "
        "validation, pruners and patience act after so many batches, be it within a pass or after "
        "several. 0: an epoch is one pass.",
    )
    patience: int = _field(
        10,
        "End a trial after this many epochs without a better objective, and restore its best "
        "weights; with --oracle=pbt, end all members when none was better. 0: no early stopping.",
    )
    batch_size: int = _field(32, "Examples in one training step.")
    seed: int = _field(
        0,
        "Fixes the split, the hyperparameters, the initial weights and the order of the data; 0 "
        "is a seed like any other.",
    )
    optimizers: tuple[str, ...] = _field(
        ("adam", "adamw", "nesterov"),
        "The optimizers that the space offers, separated by commas: names from `tuner-app list "
        "optimizers`.",
    )
    losses: tuple[str, ...] = _field(
        (),
        "The losses that the space offers, separated by commas: names from `tuner-app list "
        "losses`, whose parameters are searched too. Default: cross-entropy for classes, mean "
        "squared error for numbers.",
    )
    lanes: str = _field(
        "auto",
        "How many trials are trained at once, stacked in one compiled program: a number, or auto "
        "for what the planner finds best (see --explain_plan).",
    )
    keep_best: int = _field(
        10,
        "Keep the weights of so many best trials on the disk, and delete those of the others as "
        "the search goes. 0: keep all.",
    )
    backend: str = _field(
        "",
        "What Keras computes with: tensorflow or jax. Default: Keras's own setting.",
    )
    precision: str = _field(
        "float32",
        "The precision of the models' arithmetic (Keras's dtype policy); the mixed ones are for "
        "GPUs.",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "optimizers", config_checks.names("optimizers", self.optimizers))
        object.__setattr__(self, "losses", config_checks.names("losses", self.losses, True))
        config_checks.check(self)
        seconds(self.time_limit)
        self.target_value  # noqa: B018 (raises)

    @property
    def directory(self) -> Path:
        """The project directory: `project`, or tuning/DATASET-SPACE where none is given."""
        if "://" in self.project:
            raise UserError(
                f"project is {self.project!r}, an address, which `tuner-app search` and `resume` "
                "take; here a directory is expected."
            )
        if self.project:
            return Path(self.project).expanduser()
        return Path("tuning") / f"{_short(self.dataset)}-{_short(self.space)}"

    @property
    def target_value(self) -> float | None:
        """The target as a number; None without one."""
        if not self.target:
            return None
        try:
            return float(self.target)
        except ValueError:
            raise UserError(f"target is {self.target!r}, expected a number.") from None

    @property
    def trials(self) -> int:
        """How many trials the search has: the members of its population, or `max_trials`."""
        return self.population or self.max_trials

    @property
    def factors(self) -> tuple[float, ...]:
        """The factors of `perturb`."""
        try:
            found = tuple(float(part) for part in self.perturb.split(","))
        except ValueError:
            found = ()
        if not found or not all(0 < factor < float("inf") and factor != 1 for factor in found):
            raise UserError(
                f"perturb is {self.perturb!r}, expected factors above 0 that are not 1, such as "
                "0.8,1.2."
            )
        return found

    @property
    def past_searches(self) -> tuple[str, ...]:
        """The directories of `warm_start`."""
        return tuple(part for part in self.warm_start.split(",") if part)

    def steps(self, examples: int | None, epochs: int | None = None) -> int | None:
        """Training steps of a whole trial on so many examples, of `epochs` other than the search's
        where given; None where a pass through a stream of unknown length is an epoch.

        >>> SearchConfig(epochs=3).steps(100), SearchConfig(epochs=3, steps_per_epoch=2).steps(100)
        (12, 6)
        """
        epochs = self.epochs if epochs is None else epochs
        if self.steps_per_epoch:
            return epochs * self.steps_per_epoch
        return None if examples is None else epochs * -(-examples // self.batch_size)

    def anchored(self, folder: Path) -> "SearchConfig":
        """The same search with its relative files seen from `folder`, so that it can be resumed
        from anywhere.

        >>> SearchConfig(space="mine.py:build").anchored(Path("/home/anna")).space
        '/home/anna/mine.py:build'
        """
        dataset, space = self.dataset, self.space
        scheme, colon, place = dataset.partition(":")
        if colon and scheme in FILE_SCHEMES:
            dataset = f"{scheme}:{folder / Path(place).expanduser()}"
        if ".py:" in space or space.endswith(".py"):
            space = str(folder / Path(space).expanduser())
        enqueue = self.enqueue and str(folder / Path(self.enqueue).expanduser())
        past = ",".join(str(folder / Path(part).expanduser()) for part in self.past_searches)
        return dataclasses.replace(
            self, dataset=dataset, space=space, enqueue=enqueue, warm_start=past
        )

    def to_dict(self) -> dict[str, Any]:
        """Field names to values that JSON can hold."""
        lists = {name: list(getattr(self, name)) for name in ("optimizers", "losses")}
        return dataclasses.asdict(self) | lists

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SearchConfig":
        """The inverse of `to_dict`; a name that this version does not know is an error."""
        fields = [item.name for item in dataclasses.fields(cls)]
        for name in values:
            if name not in fields:
                raise unknown("setting", name, fields)
        return cls(**values)


def seconds(text: str) -> float | None:
    """A time in seconds; None for "".

    >>> seconds("90"), seconds("1.5m"), seconds("2h"), seconds("")
    (90.0, 90.0, 7200.0, None)
    """
    if not text:
        return None
    unit = UNITS.get(text[-1:])
    try:
        found = float(text[:-1] if unit else text) * (unit or 1)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise UserError(f"time_limit is {text!r}, expected a time above 0 such as 90s, 15m or 2h.")
    return found


def _short(text: str) -> str:
    """A data set's or space's name as part of a folder's name.

    >>> _short("csv:/data/Iris flowers.csv?target=kind"), _short("my_space.py:build")
    ('Iris-flowers', 'my_space-build')
    """
    name = text.split("?")[0].rstrip("/").split("/")[-1]
    name = name.removeprefix("tfds:").removeprefix("csv:").removeprefix("npz:")
    for suffix in (".csv", ".npz"):
        name = name.removesuffix(suffix)
    name = name.replace(".py:", "-").removesuffix(".py")
    return "-".join("".join(c if c.isalnum() or c in "_." else " " for c in name).split())
