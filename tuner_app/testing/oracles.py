"""What any KerasTuner oracle should do, as tests to run on your own with pytest.

    class TestMyOracle(OracleConformance):
        def make(self, objective, max_trials, seed):
            return MyOracle(objective=objective, max_trials=max_trials, seed=seed)

Only KerasTuner's public interface is used, so that an oracle that knows nothing of this package can
be tested. Where an oracle has a good reason to differ, override that test and say why.
"""

import math
import random
from pathlib import Path

import keras_tuner
import numpy as np

from tuner_app.store import SearchStore

_SCORE = "score"


class OracleConformance:
    """Tests of an oracle; a subclass says in `make` how it is made.

    Attributes:
        draws: Whether it draws its values, so that a seed fixes them and another seed changes them
            (a grid does not).
        exhausts: Whether a finite space is gone through once and then ended.
        waits: Whether it may answer IDLE while others run, with fewer open than were asked for.
        endless: Whether it takes a space with a Float that has no step.
    """

    draws = True
    exhausts = True
    waits = False
    endless = True

    def make(self, objective, max_trials: int | None, seed: int) -> keras_tuner.Oracle:
        """A new oracle, with an empty space."""
        raise NotImplementedError("Say in make(objective, max_trials, seed) how it is made.")

    # How the tests use it; override them where your oracle keeps its state elsewhere.

    def reopened(self, oracle: keras_tuner.Oracle, folder: Path, make) -> keras_tuner.Oracle:
        """What another process sees of a search; `oracle` has been `opened` in `folder`."""
        oracle.save()
        return self.opened(make(), folder, reload=True)

    def opened(self, oracle, folder: Path, reload: bool = False) -> keras_tuner.Oracle:
        """The oracle with its state in `folder`."""
        if hasattr(oracle, "attach"):
            oracle.attach(getattr(self, "_store", None) or SearchStore(folder))
            self._store = oracle.store
        else:
            oracle._set_project_dir(str(folder), "search")
        if reload:
            oracle.reload()
        return oracle

    def close(self) -> None:
        """Gives back what `opened` took."""
        if getattr(self, "_store", None) is not None:
            self._store.close()

    def _made(self, declare, max_trials=12, seed=1, direction="min", folder=None):
        made = self.make(keras_tuner.Objective(_SCORE, direction), max_trials, seed)
        if declare is _conditional and not self.endless:
            declare = _conditional_steps
        declare(made.hyperparameters)
        made.verbose = 0
        if folder is not None:
            self.opened(made, folder)
        else:
            made.save = made.save_trial = made._save_trial = lambda *trial: None
        return made

    # The tests.

    def test_values_are_in_the_space_and_only_active_ones_are_given(self):
        for values in _run(self._made(_conditional)):
            values = _own(values)
            wanted = {"width", "rate", "kind", "fixed"}
            assert values.keys() == wanted | ({"depth"} if values["kind"] == "deep" else set())
            assert values["width"] in range(8, 65, 8) and isinstance(values["width"], int)
            assert 1e-4 <= values["rate"] <= 1.0 + 1e-9
            assert values["fixed"] == 7
            assert values.get("depth", 2) in (2, 3, 4)

    def test_a_seed_fixes_the_values_and_zero_is_a_seed(self):
        for seed in (0, 3):
            random.seed(1)
            first = _run(self._made(_conditional, seed=seed))
            random.seed(2)
            np.random.seed(2)
            assert _run(self._made(_conditional, seed=seed)) == first

    def test_another_seed_gives_other_values(self):
        one = _run(self._made(_conditional, seed=1))
        assert (one != _run(self._made(_conditional, seed=2))) == self.draws

    def test_no_more_trials_than_asked_for(self):
        made = self._made(_conditional, max_trials=5)
        assert len(_run(made)) == 5
        assert made.create_trial("after").status == "STOPPED"

    def test_a_tuner_gets_its_open_trial_again(self):
        made = self._made(_conditional)
        trial = made.create_trial("one")
        assert made.create_trial("one").trial_id == trial.trial_id
        assert made.create_trial("two").trial_id != trial.trial_id

    def test_many_may_be_open_at_once_and_none_is_another(self):
        made = self._made(_conditional, max_trials=24)
        _run(made, upto=8)
        trials = [made.create_trial(f"slot{slot}") for slot in range(16)]
        running = [trial for trial in trials if trial.status == "RUNNING"]
        assert len(running) == 16 or (self.waits and running)
        assert len({_text(trial.hyperparameters.values) for trial in running}) == len(running)

    def test_a_finite_space_is_gone_through_once(self):
        made = self._made(_finite, max_trials=None)
        found = [_text(values) for values in _run(made, lanes=3, upto=40)]
        assert len(set(found)) == len(found)
        if self.exhausts:
            assert len(found) == 8

    def test_a_failed_trial_ends_nothing_and_is_never_the_best(self):
        made = self._made(_conditional, max_trials=6)
        failed = made.create_trial("one")
        failed.status, failed.message = "FAILED", "no luck"
        made.end_trial(failed)
        assert made.get_best_trials(1) == []
        assert len(_run(made)) == 6
        best = made.get_best_trials(6)
        assert failed.trial_id not in [trial.trial_id for trial in best] and len(best) == 5

    def test_a_score_that_is_no_number_is_a_failure(self):
        made = self._made(_conditional, max_trials=4)
        for value in (math.nan, math.inf):
            trial = made.create_trial("one")
            made.update_trial(trial.trial_id, {_SCORE: value})
            trial.status = "COMPLETED"
            made.end_trial(trial)
        assert made.get_best_trials(1) == []
        _run(made)
        assert math.isfinite(made.get_best_trials(1)[0].score)

    def test_the_best_is_best_in_either_direction(self):
        for direction, choose in (("min", min), ("max", max)):
            made = self._made(_conditional, direction=direction)
            scores = [_score(values) for values in _run(made)]
            assert made.get_best_trials(1)[0].score == choose(scores)

    def test_a_search_goes_on_in_another_process_as_in_one(self, tmp_path):
        undisturbed = _run(self._made(_conditional))
        made = self._made(_conditional, folder=tmp_path)
        begun = _run(made, upto=5)
        again = self.reopened(made, tmp_path, lambda: self._made(_conditional))
        for name in ("save", "save_trial", "_save_trial"):
            vars(again).pop(name, None)
        assert again.trials.keys() == made.trials.keys()
        after = _run(again)
        self.close()
        assert begun + after[len(begun) :] == undisturbed

    def test_a_result_without_the_objective_is_refused(self):
        made = self._made(_conditional)
        trial = made.create_trial("one")
        try:
            made.update_trial(trial.trial_id, {"another": 1.0})
        except ValueError:
            return
        raise AssertionError("update_trial took a result that lacks the objective")


def _conditional(hp, step: float | None = None) -> None:
    hp.Int("width", 8, 64, step=8)
    hp.Float("rate", 1e-4, 1.0, sampling="log", step=step)
    hp.Fixed("fixed", 7)
    hp.Choice("kind", ["flat", "deep"])
    with hp.conditional_scope("kind", ["deep"]):
        hp.Int("depth", 2, 4)


def _conditional_steps(hp) -> None:
    _conditional(hp, step=10)


def _finite(hp) -> None:
    """Eight combinations: flat or deep with 2, 3 or 4, each with and without the flag."""
    hp.Choice("kind", ["flat", "deep"])
    with hp.conditional_scope("kind", ["deep"]):
        hp.Int("depth", 2, 4)
    hp.Boolean("flag")


def _score(values: dict) -> float:
    return abs(values.get("width", 8) - 30) + math.log10(values.get("rate", 0.1) + 1e-9) ** 2


def _own(values: dict) -> dict:
    """The values without those that an oracle tells a tuner by."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def _text(values: dict) -> str:
    return repr(sorted(values.items()))


def _run(oracle, lanes: int = 1, upto: int = 10**6) -> list[dict]:
    """Keeps `lanes` trials open, ends the oldest, and gives the values of all as they began."""
    open_trials, asked = [], 0
    while True:
        while len(open_trials) < lanes and (len(oracle.trials) < upto or oracle._retry_queue):
            asked += 1
            trial = oracle.create_trial(f"run{asked}")
            if trial.status != "RUNNING":
                break
            open_trials.append(trial)
        if not open_trials:
            return [dict(oracle.trials[i].hyperparameters.values) for i in oracle.start_order]
        trial = open_trials.pop(0)
        oracle.update_trial(trial.trial_id, {_SCORE: _score(trial.hyperparameters.values)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
