"""The catalogue reads sources; what it says is compared with the modules themselves."""

import inspect

import keras
import pytest

from tuner_app import UserError, catalogue
from tuner_app.cli.main import main


@pytest.mark.parametrize("kind", catalogue.KINDS)
def test_every_name_has_one_line(kind, capsys):
    named = catalogue.names(kind)
    assert len(named) >= 2
    for name, line in named.items():
        assert line.endswith("."), name
        assert len(line) <= 120, name
    assert main(["list", kind]) == 0
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "  " in line]
    assert sorted(shown) == sorted(named) and len(shown) == len(named)


def test_optimizers_are_those_of_the_package():
    from tuner_app import optimizers

    public = {getattr(optimizers, name) for name in optimizers.__all__}
    rules = {item for item in public if inspect.isclass(item) and hasattr(item, "rule")}
    named = catalogue.names("optimizers")
    ours = [name for name in named if not name.startswith("keras:")]
    assert {optimizers.get(name) for name in ours} == rules - {optimizers.RuleOptimizer}
    # Keras's own: all that stand alone, as a class of Keras.
    own = {optimizers.get(name) for name in named if name not in ours}
    parts = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}
    public = {name for name, item in vars(keras.optimizers).items() if inspect.isclass(item)}
    assert {cls.__name__ for cls in own} == public - parts


@pytest.mark.parametrize("package", ["losses", "schedules"])
def test_classes_are_those_of_the_package(package):
    import tuner_app

    module = getattr(tuner_app, package)
    listed = catalogue.names(package)
    for name, line in listed.items():
        assert inspect.getdoc(getattr(module, name)).split("\n")[0] == line


def test_spaces_load():
    import search_spaces
    from tuner_app.data import DataSpec

    table = DataSpec("table", "regression", "tabular", (5,))
    image = DataSpec("image", "classification", "image", (8, 8, 1), num_classes=3)
    for name in catalogue.names("spaces"):
        space = search_spaces.load(name, image if name == "cnn" else table, ("adam",))
        assert callable(space.build)


def test_oracles_are_made_by_name(monkeypatch):
    from tuner_app import oracles
    from tuner_app.oracles import extras

    # PyTorch is for `gp` alone, and is not among what the tests need.
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: name)

    for name in catalogue.names("oracles"):
        assert oracles.create(name, "val_loss", max_trials=2, seed=0).objective.name == "val_loss"


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'losses'?"):
        catalogue.names("loses")
