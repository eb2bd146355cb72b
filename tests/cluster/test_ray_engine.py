"""The search on real Ray, in name spaces of its own: it sees loopback and its own processes."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tuner_app import experiment, results
from tuner_app.cli.main import main
from tuner_app.store import SearchReader

SCRIPT = Path(__file__).with_name("search_on_ray.py")
ALONE = ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc"]


def test_a_killed_workers_trials_run_elsewhere_with_one_machines_results(tmp_path):
    spec = importlib.util.spec_from_file_location("search_on_ray", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    words = [*ALONE, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    done = subprocess.run(
        [*words, sys.executable, SCRIPT, tmp_path / "ray"],
        capture_output=True,
        text=True,
        timeout=900,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(SCRIPT.parents[2])}
        | {"HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    assert "failure: ''" in done.stdout
    assert "died with" in done.stdout  # a worker, and the search did not mind
    experiment.run_search(script.search_config(str(tmp_path / "local")), say=lambda line: None)
    on_ray, local = (
        {t.trial_id: t for t in results.read(tmp_path / name).trials} for name in ("ray", "local")
    )
    assert on_ray.keys() == local.keys() and len(local) == 4
    for trial_id, trial in local.items():
        assert on_ray[trial_id].status == trial.status == "COMPLETED"
        assert on_ray[trial_id].hyperparameters == trial.hyperparameters
        assert on_ray[trial_id].score == pytest.approx(trial.score, abs=1 / 270 + 1e-6)
        with SearchReader(tmp_path / "ray") as reader:
            assert len(reader.history(trial_id)) == 3
    assert not (tmp_path / "ray" / "workers").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--num_workers=2"], "without --engine=ray"),
        (["--engine=ray", "--num_workers=0"], "num_workers is 0"),
        (["--engine=ray", "--gpus_per_worker=-1"], "gpus_per_worker is -1"),
        (["--engine=dask"], "dask"),
    ],
)
def test_bad_input_is_refused(words, said, tmp_path, capsys):
    assert main(["search", f"--project={tmp_path / 'p'}", *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
