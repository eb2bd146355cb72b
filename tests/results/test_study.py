"""A search as an Optuna study: what Optuna reads back is what the search was."""

import keras_tuner
import optuna
import pytest

from tuner_app import oracles
from tuner_app.errors import UserError
from tuner_app.results.study import export_study
from tuner_app.store import SearchStore


@pytest.fixture
def search(tmp_path):
    """Five trials: two completed, one pruned, one failed, one open."""
    made = oracles.create("random", keras_tuner.Objective("score", "max"), 5, 0)
    hp = made.hyperparameters
    hp.Choice("kind", ["x", "y"])
    with hp.conditional_scope("kind", ["y"]):
        hp.Float("rate", 1e-3, 1.0, sampling="log")
    with SearchStore(tmp_path / "search") as store:
        store.set_fact("objective", {"name": "score", "direction": "max"})
        made.attach(store)
        for status in ("COMPLETED", "COMPLETED", "STOPPED", "FAILED", None):
            trial = made.create_trial(f"slot {status}")
            for epoch in range(2):
                store.report_epochs([(trial.trial_id, 0, epoch, {"score": epoch / 4}, 1.0)])
            if status == "COMPLETED":
                made.update_trial(trial.trial_id, {"score": 0.25}, step=1)
            if status:
                trial.status = status
                made.end_trial(trial)
    return tmp_path / "search", [t.hyperparameters.values for t in made.trials.values()]


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optuna_reads_back_what_the_search_was(search, tmp_path, scheme):
    project, values = search
    address = f"{scheme}:///{tmp_path}/study.file"
    assert export_study(project, address) == 5
    storage = address
    if scheme == "journal":
        backend = optuna.storages.journal.JournalFileBackend(f"{tmp_path}/study.file")
        storage = optuna.storages.JournalStorage(backend)
    study = optuna.load_study(study_name="search", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.metric_names == ["score"]
    trials = study.get_trials()
    assert [t.state.name for t in trials] == ["COMPLETE", "COMPLETE", "PRUNED", "FAIL", "WAITING"]
    assert [t.params for t in trials[:4]] == [pytest.approx(v) for v in values[:4]]
    assert all(t.intermediate_values == {1: 0.0, 2: 0.25} for t in trials)
    assert [t.value for t in trials] == [0.25, 0.25, 0.25, None, None]
    assert all(t.datetime_complete >= t.datetime_start for t in trials[:4])
    assert trials[0].user_attrs["epochs"] == 2


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_is_never_overwritten_and_bad_addresses_are_told(search, tmp_path):
    project, _ = search
    address = f"sqlite:///{tmp_path}/study.db"
    export_study(project, address)
    with pytest.raises(UserError, match="has a study 'search' already"):
        export_study(project, address)
    for wrong in ("study.db", "sqlite:///", "mysql://host/name"):
        with pytest.raises(UserError, match="expected sqlite:///FILE or journal:///FILE"):
            export_study(project, wrong)
    with pytest.raises(UserError, match="there is no folder"):
        export_study(project, f"sqlite:///{tmp_path}/nowhere/study.db")
