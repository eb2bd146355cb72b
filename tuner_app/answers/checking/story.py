"""All checks of a data set and a search space, in their order."""

from collections.abc import Iterator
from itertools import islice

import keras_tuner
import numpy as np

import search_spaces
from tuner_app import data, environment
from tuner_app.answers.checking.data_checks import MOST_ROWS, Split, data_findings
from tuner_app.answers.checking.finding import Finding
from tuner_app.answers.checking.model_checks import model_findings
from tuner_app.answers.checking.rate_test import RateTest
from tuner_app.config import SearchConfig
from tuner_app.data.dataset import SPLITS


def findings(config: SearchConfig) -> Iterator[Finding | RateTest]:
    """Every finding as it is made, and the curve of the learning-rate range test among them.

    A split that is streamed, or very large, is looked at in part: its first 50,000 examples.

    Raises:
        UserError: The data or the space can't be had.
    """
    environment.use_device(config.precision)
    dataset = data.load(config.dataset, seed=config.seed)
    spec = dataset.spec
    splits = {name: _part(getattr(dataset, name)) for name in SPLITS}
    splits = {name: split for name, split in splits.items() if len(split[1])}
    yield from data_findings(splits, spec, dataset.feature_names)
    steps = config.steps(len(splits["train"][1]))
    space = search_spaces.load(config.space, spec, config.optimizers, steps)

    def build():
        return space.build(keras_tuner.HyperParameters())

    yield from model_findings(
        build,
        splits["train"],
        splits["validation"],
        spec,
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=config.seed,
    )


def _part(split: data.Split) -> Split:
    if split.in_memory:
        return tuple(part[:MOST_ROWS] for part in split.arrays())
    batches = islice(split.batches(256).as_numpy_iterator(), -(-MOST_ROWS // 256))
    features, targets = zip(*batches, strict=True)
    return np.concatenate(features), np.concatenate(targets)
