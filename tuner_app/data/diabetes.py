"""Progression of diabetes after a year, 442 patients, ten measurements; embedded, regression."""

from __future__ import annotations

from tuner_app.data.dataset import Dataset
from tuner_app.data.source import Address, Limits
from tuner_app.data.splitting import TEST_SHARE, VALIDATION_SHARE, carve

SPEC = "diabetes"


def check(address: Address) -> None:
    """Raise `UserError` for options: there are none."""
    address.allow()


def load(address: Address, limits: Limits) -> Dataset:
    """Raw measurements (age, sex, body mass index, blood pressure, six of blood), standardised.

    Source: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, Least Angle Regression, 2004, as
    scikit-learn ships it. The target runs from 25 to 346.
    """
    from sklearn.datasets import load_diabetes

    from tuner_app.data.assemble import assemble, in_memory
    from tuner_app.data.preprocessing import standardization

    check(address)
    bunch = load_diabetes(scaled=False)
    measurements, targets = bunch.data.astype("float32"), bunch.target
    parts = carve(len(targets), (VALIDATION_SHARE, TEST_SHARE), seed=limits.seed)
    preprocessing = standardization((10,), [measurements[parts[0]]])
    split = in_memory(measurements, preprocessing)
    return assemble(
        SPEC,
        "tabular",
        parts,
        targets,
        None,
        preprocessing,
        split,
        feature_names=bunch.feature_names,
    )
