"""The launch files, as far as they can be tried without the machines that they are for."""

import json
import os
import re
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tuner_app.cli import main, search
from tuner_app.cli.parsing import parse

ROOT = Path(__file__).parent.parent.parent
LAUNCH = ROOT / "launch"


@pytest.mark.parametrize("script", sorted(LAUNCH.glob("*.sh")), ids=lambda path: path.name)
def test_shell_syntax(script):
    subprocess.run(["bash", "-n", script], check=True)


def test_every_file_has_its_line_in_the_readme():
    page = (LAUNCH / "README.md").read_text()
    for path in LAUNCH.iterdir():
        if path.name not in ("README.md", "environment.sh"):
            assert page.count(path.name) >= 2, path.name


def test_what_is_installed_is_named_and_within_what_is_asked_for():
    lines = (ROOT / "constraints.txt").read_text().split()
    versions = dict(line.split("==") for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(word for extra in extras.values() for word in extra)]
    for requirement in map(Requirement, asked):
        if requirement.name not in ("tuner-app", "torch"):  # torch has a build for each machine
            assert requirement.specifier.contains(versions[requirement.name]), requirement


def test_without_a_gpu_gpus_sh_says_so(tmp_path):
    environment = os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    done = subprocess.run(
        ["bash", LAUNCH / "gpus.sh"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "launch/local.sh" in done.stderr


@pytest.mark.parametrize(
    ("flags", "backend", "extras"),
    [
        (["--space=cnn"], "", "[cuda,ray]"),
        (["--backend=jax"], "", "[jax-cuda,ray]"),
        (["--backend=tensorflow"], "jax", "[cuda,ray]"),
        (["--space=cnn"], "jax", "[jax-cuda,ray]"),
    ],
)
def test_gpus_sh_installs_what_the_backend_needs(flags, backend, extras, tmp_path):
    (tmp_path / "launch").mkdir()
    (tmp_path / "bin").mkdir()
    script = shutil.copy(LAUNCH / "gpus.sh", tmp_path / "launch")
    (tmp_path / "launch" / "environment.sh").write_text(
        'use_environment() { echo "$1"; environment=$(dirname -- "$0")/..; }\n'
    )
    stand_ins = {"nvidia-smi": "printf 'GPU 0\\nGPU 1\\n'", "tuner-app": 'echo "$@"'}
    for name, does in stand_ins.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", script, *flags],
        env={"PATH": path, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    command = ["search", "--engine=ray", "--num_workers=2", "--gpus_per_worker=1", *flags]
    assert done.stdout.splitlines() == [extras, " ".join(command)]


STAND_IN = """#!/bin/bash
echo "$(basename "$0") $*" >> "$LOG"
echo "$RAY_AUTH_MODE $RAY_AUTH_TOKEN" >> "$LOG.token"
case "$(basename "$0") $*" in
  "scontrol show"*) echo node1; sleep 0.1; printf 'node2\\nnode3\\n' ;;  # a reader may be gone
  "ray status"*) printf 'Active:\\n 1 node_a\\n 1 node_b\\n 1 node_c\\n' ;;
  "tuner-app "*) trap 'exit 143' TERM; if [ -n "${ENDLESS:-}" ]; then sleep 60 & wait; fi ;;
esac
"""


@pytest.fixture
def slurm(tmp_path):
    """Runs slurm.sh with stand-ins; gives the process and the file of commands it gave."""
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    for name in ("srun", "scontrol", "ray", "tuner-app"):
        (stand_ins / name).write_text(STAND_IN)
        (stand_ins / name).chmod(0o755)
    log = tmp_path / "log"

    def start(*words, **environment):
        return subprocess.Popen(
            ["bash", LAUNCH / "slurm.sh", *words],
            env=os.environ
            | {
                "PATH": f"{stand_ins}:{os.environ['PATH']}",
                "TUNER_APP_BIN": str(stand_ins),
                "LOG": str(log),
                "SLURM_JOB_ID": "41",
                "SLURM_JOB_NUM_NODES": "3",
                "SLURM_JOB_NODELIST": "node[1-3]",
                "SLURM_CPUS_PER_TASK": "4",
                "SLURM_SUBMIT_DIR": str(tmp_path),
                **environment,
            },
        )

    return start, log


def test_slurm_starts_a_cluster_and_the_search(slurm, tmp_path):
    start, log = slurm
    assert start(str(tmp_path / "p"), "--max_trials=9").wait(60) == 0
    for _ in range(600):  # those that it left in the background may not have begun
        said = log.read_text().splitlines()
        starts = [line for line in said if line.startswith("srun") and line.endswith("--block")]
        if len(starts) == 2:
            break
        time.sleep(0.1)
    others, head = sorted(starts, key=lambda line: "--head" in line)
    assert "--nodelist=node1" in head and "ray start --head" in head and "--num-cpus=4" in head
    assert "--nodes=2" in others and "--exclude=node1" in others and "node1:20041" in others
    assert "--include-dashboard=false" in head
    (token,) = set(Path(f"{log}.token").read_text().splitlines()) - {" "}
    assert re.fullmatch("token [0-9a-f]{64}", token)  # the same for all: nobody else's Ray or code
    (command,) = (line.split()[1:] for line in said if line.startswith("tuner-app"))
    assert command[:2] == ["search", f"--project={tmp_path / 'p'}"]
    values, _ = parse(search, command[1:])  # flags that `search` has
    assert (values.num_workers, values.engine, values.max_trials) == (3, "ray", 9)


def test_slurm_stops_before_the_time_is_up_and_goes_on_later(slurm, tmp_path):
    start, log = slurm
    (tmp_path / "p").mkdir()
    for name in ("search.db", "search.lock"):
        (tmp_path / "p" / name).touch()
    process = start(str(tmp_path / "p"), ENDLESS="1", SLURM_RESTART_COUNT="1")
    for _ in range(600):
        if log.exists() and "tuner-app resume" in log.read_text():
            break
        time.sleep(0.1)
    process.terminate()
    assert process.wait(60) == 0
    assert log.read_text().splitlines()[-1] == "scontrol requeue 41"
    assert not (tmp_path / "p" / "search.lock").exists()


def test_ray_cluster_file_follows_rays_schema():
    import jsonschema
    import ray.autoscaler

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(yaml.safe_load((LAUNCH / "ray-cluster.yaml").read_text()), schema)


def test_kubernetes_manifest_agrees_with_itself_and_with_the_command_line():
    claim, job = yaml.safe_load_all((LAUNCH / "kubernetes.yaml").read_text())
    spec = job["spec"]["rayClusterSpec"]
    pods = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in pods):
        (container,), (volume,) = pod["containers"], pod["volumes"]
        assert container["image"] == "tuner-app"
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/projects"}]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert spec["authOptions"] == {"mode": "token"}
    assert f"ray=={spec['rayVersion']}" in (ROOT / "constraints.txt").read_text().split()
    flags = re.findall(r"--\S+=[^\s;']+", job["spec"]["entrypoint"])
    values, _ = parse(search, flags)
    assert values.project.startswith("/projects/")
    assert values.num_workers == spec["workerGroupSpecs"][0]["replicas"]


def test_containerfile_copies_what_exists_and_runs_our_command():
    text = (LAUNCH / "Containerfile").read_text()
    for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name
    assert json.loads(re.search(r"^CMD (.*)$", text, re.MULTILINE)[1])[0] in main.COMMANDS
