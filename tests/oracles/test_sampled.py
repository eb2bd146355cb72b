"""Optuna's samplers as oracles: the same proposals, conditions, repetitions, resumes."""

import keras_tuner
import numpy as np
import optuna
import pytest

from tuner_app import oracles
from tuner_app.errors import UserError
from tuner_app.oracles import extras
from tuner_app.oracles.dimensions import SearchSpace
from tuner_app.oracles.sobol import SobolSampler
from tuner_app.store import SearchStore

SCORE = keras_tuner.Objective("score", "min")
RESUMED = ["random", "sobol", "tpe", "auto", "cmaes", "nsga2"]
OPTIONS = {"nsga2": {"population_size": 6}}  # several generations in a short search


def oracle(name: str, trials: int = 20, seed: int = 0, declare=None, **arguments):
    arguments.setdefault("options", OPTIONS.get(name))
    made = oracles.create(name, SCORE, trials, seed, **arguments)
    (declare or conditional)(made.hyperparameters)
    return made


def conditional(hp) -> None:
    hp.Float("a", 0.0, 1.0)
    hp.Float("b", 1e-4, 1.0, sampling="log")
    hp.Int("c", 1, 10)
    hp.Fixed("d", 7)
    hp.Choice("kind", ["x", "y"])
    with hp.conditional_scope("kind", ["y"]):
        hp.Float("z", 0.0, 1.0, step=0.1)


def loss(values: dict) -> float:
    found = (values["a"] - 0.3) ** 2 + values["b"] + abs(values["c"] - 4)
    return found + (values.get("z", 0.5) - 0.2) ** 2


def optunas(trial) -> float:
    """The same search for Optuna itself."""
    values = {
        "a": trial.suggest_float("a", 0.0, 1.0),
        "b": trial.suggest_float("b", 1e-4, 1.0, log=True),
        "c": trial.suggest_int("c", 1, 10),
    }
    if trial.suggest_categorical("kind", ["x", "y"]) == "y":
        values["z"] = trial.suggest_float("z", 0.0, 1.0, step=0.1)
    return loss(values)


def run(made, lanes: int = 1, upto: int = 10**6, score=loss) -> list[dict]:
    """Keeps `lanes` trials open, ends the oldest, and gives the values of all, as they began."""
    open_trials, asked = [], 0
    while True:
        while len(open_trials) < lanes and (len(made.trials) < upto or made._retry_queue):
            asked += 1
            trial = made.create_trial(f"slot{asked}")
            if trial.status != "RUNNING":
                break
            open_trials.append(trial)
        if not open_trials or (len(made.trials) >= upto and lanes > 1):
            return [made.trials[i].hyperparameters.values for i in made.start_order]
        end(made, open_trials.pop(0), score)


def end(made, trial, score=loss) -> None:
    made.update_trial(trial.trial_id, {"score": score(trial.hyperparameters.values)})
    trial.status = "COMPLETED"
    made.end_trial(trial)


@pytest.mark.parametrize(
    "name, theirs",
    [
        ("random", lambda: optuna.samplers.RandomSampler(seed=5)),
        ("tpe", lambda: optuna.samplers.TPESampler(seed=5)),
        ("nsga2", lambda: optuna.samplers.NSGAIISampler(seed=5, population_size=6)),
        (
            "cmaes",
            lambda: optuna.samplers.CmaEsSampler(seed=5, warn_independent_sampling=False),
        ),
    ],
)
def test_one_at_a_time_the_proposals_are_optunas(name, theirs):
    ours = run(oracle(name, 40, seed=5))
    study = optuna.create_study(sampler=theirs())
    study.optimize(optunas, n_trials=40)
    assert len(ours) == 40
    for found, trial in zip(ours, study.trials, strict=True):
        theirs = {**trial.params, "d": 7}
        assert found.pop("kind") == theirs.pop("kind")
        assert found == pytest.approx(theirs, rel=1e-12)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_sobol_sequence_is_optunas_where_nothing_is_conditional():
    def plain(hp):
        hp.Float("a", 0.0, 1.0)
        hp.Int("c", 1, 10)

    ours = run(oracle("sobol", 20, declare=plain), score=lambda values: values["a"])
    study = optuna.create_study(sampler=optuna.samplers.QMCSampler(scramble=True, seed=0))
    study.optimize(lambda t: t.suggest_float("a", 0, 1) + 0 * t.suggest_int("c", 1, 10), 20)
    assert ours == [pytest.approx(trial.params, rel=1e-12) for trial in study.trials]


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_what_minds_no_results_proposes_the_same_for_any_number_of_lanes(name):
    assert run(oracle(name), lanes=1) == run(oracle(name), lanes=7)


@pytest.mark.parametrize("name", ["tpe", "auto", "nsga2"])
def test_by_generations_all_propose_the_same_for_any_number_of_lanes(name):
    alone = run(oracle(name, 30, generation=5), lanes=1)
    assert alone == run(oracle(name, 30, generation=5), lanes=4)
    assert alone == run(oracle(name, 30, generation=5), lanes=9)
    assert alone != run(oracle(name, 30), lanes=1)


@pytest.mark.parametrize("name", RESUMED)
@pytest.mark.parametrize("lanes", [1, 3])
def test_a_resumed_search_goes_on_as_if_it_had_not_stopped(tmp_path, name, lanes):
    generation = 4 if lanes == 3 else None
    undisturbed = run(oracle(name, 26, generation=generation), lanes)
    with SearchStore(tmp_path) as store:
        first = oracle(name, 26, generation=generation)
        first.attach(store)
        run(first, lanes, upto=15)
        second = oracle(name, 26, generation=generation)
        second.attach(store)
        second.reload()
        assert run(second, lanes) == undisturbed


@pytest.mark.parametrize("name", ["tpe", "auto"])
def test_many_open_trials_of_a_model_are_different_points(name):
    made = oracle(name, 60)
    run(made, upto=30)
    points = []
    for slot in range(16):
        values = made.create_trial(f"open{slot}").hyperparameters.values
        points.append([values["a"], np.log(values["b"]) / np.log(1e4)])
    distances = np.linalg.norm(np.subtract.outer(points, points).diagonal(axis1=1, axis2=3), axis=2)
    assert distances[np.triu_indices(16, 1)].min() > 1e-4


def test_inactive_hyperparameters_are_neither_drawn_nor_modelled():
    made = oracle("tpe")
    values = run(made)
    assert all(("z" in found) == (found["kind"] == "y") for found in values)
    seen = [trial.params for trial in made.mirror.study.trials]
    assert [("z" in found) for found in seen] == [("z" in found) for found in values]
    assert all("d" not in found for found in seen)


def test_the_same_name_under_two_conditions_is_two_dimensions():
    def twice(hp):
        hp.Choice("kind", ["x", "y"])
        with hp.conditional_scope("kind", ["x"]):
            hp.Int("n", 1, 3)
        with hp.conditional_scope("kind", ["y"]):
            hp.Float("n", 10.0, 20.0)

    for name in ("tpe", "sobol"):
        made = oracle(name, 30, declare=twice)
        for values in run(made, score=lambda values: values["n"]):
            assert values["n"] in (1, 2, 3) if values["kind"] == "x" else 10 <= values["n"] <= 20


@pytest.mark.parametrize("name", ["random", "sobol", "tpe", "auto", "cmaes", "brute"])
def test_a_finite_space_is_gone_through_once(name):
    def finite(hp):
        hp.Choice("kind", ["x", "y"])
        with hp.conditional_scope("kind", ["y"]):
            hp.Int("n", 2, 16, step=2, sampling="log")
        hp.Boolean("flag")

    made = oracle(name, None, declare=finite)
    found = run(made, lanes=3, score=lambda values: values.get("n", 3) + values["flag"])
    # x or (y and 2, 4, 8, 16), each with and without the flag
    assert len(found) == len({tuple(sorted(v.items())) for v in found}) == (1 + 4) * 2


def test_brute_force_needs_a_finite_space():
    with pytest.raises(UserError, match="this space has a Float without a step"):
        oracle("brute").create_trial("tuner0")


def test_every_kind_of_number_is_what_keras_tuner_says_it_is():
    hp = keras_tuner.HyperParameters()
    hp.Float("reverse", 1e-3, 1.0, sampling="reverse_log")
    hp.Float("stepped", 0.0, 1.0, step=0.1)
    hp.Float("thrice", 0.0, 0.15, step=0.05)  # 3 * 0.05 is more than 0.15, of which Optuna warns
    hp.Float("factor", 1e-3, 1.0, step=10, sampling="log")
    hp.Int("powers", 2, 32, step=2, sampling="log")
    hp.Int("odd", 1, 9, step=2)
    hp.Int("log", 1, 1000, sampling="log")
    hp.Choice("ordered", [16, 4, 64])
    hp.Choice("named", ["relu", "tanh"])
    hp.Boolean("flag")
    space = {d.name: d for d in SearchSpace(hp).dimensions}
    assert space["stepped"].options() == pytest.approx(np.arange(11) / 10)
    assert space["thrice"].options() == pytest.approx([0.0, 0.05, 0.1, 0.15])
    assert space["factor"].options() == pytest.approx([1e-3, 1e-2, 1e-1, 1.0])
    assert space["powers"].options() == [2, 4, 8, 16, 32]
    assert space["odd"].options() == [1, 3, 5, 7, 9]
    assert space["ordered"].options() == [16, 4, 64]
    assert space["flag"].options() == [False, True]
    assert space["reverse"].options() is None
    draw = np.random.default_rng(0)
    for d in space.values():
        for _ in range(20):
            value = d.definition.prob_to_value(draw.uniform())
            assert d.external(d.internal(value)) == pytest.approx(value)
        with pytest.raises(ValueError):
            d.internal("sigmoid" if d.name == "named" else 5000)
    # Half of a log scale lies below its geometric mean, of a reverse one above the mirrored mean.
    made = oracles.create("random", SCORE, 400, 0)
    made.hyperparameters.merge(hp)
    values = run(made, score=lambda values: 0.0)
    middle = 1e-3 + 1.0 - np.sqrt(1e-3)
    assert np.mean([v["reverse"] > middle for v in values]) == pytest.approx(0.5, abs=0.08)
    below = np.log(31.5 / 0.5) / np.log(1000.5 / 0.5)  # each integer stands for its surroundings
    assert np.mean([v["log"] <= 31 for v in values]) == pytest.approx(below, abs=0.08)


def test_points_to_try_first_then_the_defaults_then_proposals():
    wanted = [{"a": 0.125, "kind": "x"}, {"a": 0.25, "b": 0.5, "c": 3, "kind": "y", "z": 0.2}]
    made = oracle("tpe", 5, first=wanted, defaults_first=True)
    first, second, third, fourth, _ = run(made)
    assert first["a"] == 0.125 and first["kind"] == "x" and 1 <= first["c"] <= 10
    assert second == {**wanted[1], "d": 7}
    assert third == {"a": 0.0, "b": 1e-4, "c": 1, "d": 7, "kind": "x"}
    assert fourth not in (first, second, third)


def test_quasi_random_exploration_until_the_model_has_enough_results():
    made = oracle("tpe", 16, explore="sobol")
    explored = run(made)
    sobol = oracle("sobol", 16)
    sobol._mirror = None
    sobol.mirror.sampler._skipped = 0  # trial n has point n
    expected = run(sobol)
    assert made.startup == 10
    assert explored[:10] == expected[:10] and explored[10:] != expected[10:]


def test_several_objectives():
    objective = [keras_tuner.Objective("loss", "min"), keras_tuner.Objective("speed", "max")]
    made = oracles.create("nsga2", objective, 12, 0, options={"population_size": 4})
    made.hyperparameters.Float("a", 0.0, 1.0)
    for _ in range(12):
        trial = made.create_trial("tuner0")
        a = trial.hyperparameters.values["a"]
        made.update_trial(trial.trial_id, {"loss": a, "speed": 2 * a, "multi_objective": -a})
        trial.status = "COMPLETED"
        made.end_trial(trial)
    study = made.mirror.study
    assert [d.name for d in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert [t.values for t in study.trials] == [
        [t.params["a"], 2 * t.params["a"]] for t in study.trials
    ]
    with pytest.raises(UserError, match="cmaes takes one objective; received 2"):
        oracles.create("cmaes", objective)


def test_failed_trials_and_what_a_model_adds_reach_the_sampler():
    made = oracle("tpe", 4)
    failed = made.create_trial("tuner0")
    failed.status = "FAILED"
    made.end_trial(failed)
    grown = made.create_trial("tuner0")
    grown.hyperparameters.Int("late", 1, 5)
    end(made, grown)
    states = [trial.state.name for trial in made.mirror.study.trials]
    assert states == ["FAIL", "COMPLETE"]
    assert made.mirror.study.trials[1].params["late"] == 1
    assert "late" in made.create_trial("tuner0").hyperparameters.values


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"gp needs the package torch.*tuner-app\[gp\]"):
        oracles.create("gp", SCORE)
    with pytest.raises(UserError, match=r"tuner-app\[cmaes\]"):
        oracles.create("cmaes", SCORE)


def test_a_model_learns_from_most_trials_of_a_search():
    assert oracle("auto", 100).most_open == 20 and oracle("tpe", 20).most_open == 10
    assert oracle("random", 100).most_open > 100


def test_wrong_arguments():
    with pytest.raises(UserError, match="Unknown exploration 'sobl'. Did you mean 'sobol'"):
        oracle("tpe", explore="sobl")
    with pytest.raises(UserError, match="generation of at least 1 trial; received 0"):
        oracle("tpe", generation=0)


def test_optuna_says_nothing(capfd):
    run(oracle("cmaes", 3))
    assert isinstance(oracle("sobol").mirror.sampler, SobolSampler)
    assert capfd.readouterr() == ("", "")
