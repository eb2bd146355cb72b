"""SearchConfig: validated at construction, the same after JSON."""

import json
from pathlib import Path

import pytest

from tuner_app import SearchConfig, UserError


def test_json_round_trip_keeps_every_field():
    config = SearchConfig(
        dataset="csv:a b.csv?target=x",
        space="my.py:build",
        project="some where",
        oracle="grid",
        objective="val_loss",
        max_trials=3,
        epochs=4,
        patience=0,
        batch_size=7,
        seed=11,
        optimizers=("sgd", "adam"),
        lanes="7",
        keep_best=2,
        backend="jax",
        precision="mixed_bfloat16",
    )
    assert SearchConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_optimizers_may_be_one_string_and_are_kept_once():
    assert SearchConfig(optimizers="sgd,adam,sgd").optimizers == ("sgd", "adam")


def test_a_setting_of_another_version_is_refused():
    with pytest.raises(UserError, match="Unknown setting 'max_trial'. Did you mean 'max_trials'?"):
        SearchConfig.from_dict({"max_trial": 3})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_trials", True),
        ("max_trials", 2.0),
        ("epochs", "3"),
        ("dataset", None),
        ("seed", 2**31),
        ("keep_best", -1),
        ("steps_per_epoch", -1),
        ("optimizers", ()),
        ("optimizers", (3,)),
        ("precision", "double"),
        ("objective", ":max"),
    ],
)
def test_wrong_values_name_the_setting(setting, value):
    with pytest.raises(UserError) as caught:
        SearchConfig(**{setting: value})
    assert setting.removesuffix("s") in str(caught.value)


@pytest.mark.parametrize(
    ("dataset", "space", "folder"),
    [
        ("digits", "mlp", "digits-mlp"),
        ("csv:data/wine list.csv?target=x", "tabular", "wine-list-tabular"),
        ("tfds:mnist", "my spaces/small.py:build", "mnist-small-build"),
        ("images:/pictures/cats and dogs/", "cnn", "cats-and-dogs-cnn"),
    ],
)
def test_the_default_folder_is_named_after_data_and_space(dataset, space, folder):
    assert SearchConfig(dataset=dataset, space=space).directory.as_posix() == f"tuning/{folder}"


@pytest.mark.parametrize(
    ("given", "anchored"),
    [
        ({"dataset": "csv:data/a.csv?target=x"}, {"dataset": "csv:/from/data/a.csv?target=x"}),
        ({"dataset": "images:/else/where"}, {"dataset": "images:/else/where"}),
        ({"dataset": "tfds:mnist"}, {"dataset": "tfds:mnist"}),
        ({"space": "my.py:build"}, {"space": "/from/my.py:build"}),
        ({"space": "mlp"}, {"space": "mlp"}),
    ],
)
def test_files_are_found_again_from_another_folder(given, anchored):
    assert SearchConfig(**given).anchored(Path("/from")) == SearchConfig(**anchored)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"population": 1}, "at least 2 members"),
        ({"max_trials": 1}, "at least 2 members"),
        ({"interval": 40}, "no member would ever be replaced"),
        ({"quantile": 0.0}, "a share above 0"),
        ({"quantile": 0.51}, "up to 0.5"),
        ({"perturb": "0.8,one"}, "factors above 0"),
        ({"perturb": "1"}, "not 1"),
        ({"resample_probability": -0.1}, "a probability"),
        ({"pruner": "asha"}, "by itself"),
        ({"objective": "val_loss,val_accuracy"}, "one objective"),
    ],
)
def test_a_population_that_makes_no_sense_is_refused(given, said):
    with pytest.raises(UserError, match=said):
        SearchConfig(oracle="pbt", **given)


def test_a_population_is_the_oracle_pbts():
    assert SearchConfig(oracle="pbt", population=8).trials == 8
    assert SearchConfig(oracle="pbt", max_trials=12).trials == 12
    assert SearchConfig(oracle="pbt", perturb="0.5,2").factors == (0.5, 2.0)
    for name, value in (("population", 8), ("interval", 2), ("perturb", "0.5,2")):
        with pytest.raises(UserError, match="only the oracle pbt"):
            SearchConfig(**{name: value})
