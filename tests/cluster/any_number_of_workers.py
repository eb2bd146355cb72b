"""The same search by 1, 2 and 4 workers on Ray: by hand, not part of the test suite.

    python tests/cluster/any_number_of_workers.py
    python tests/cluster/any_number_of_workers.py --workers=1,2,3,4,8 --epochs=50

Afterwards each has proposed the same 100 trials, and each trial has the values and epochs that one
process gets. Ray is told of as many cores as there are workers, whatever the machine has. Needs
Linux with user name spaces, and Ray.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from two_hosts import (  # (tests/cluster/two_hosts.py)
    RAY,
    ROOT,
    TRIALS,
    alone,
    compare,
    found,
    shares,
    tool,
    tuner_app,
    words,
)

INSIDE = "ANY_NUMBER_INSIDE"
HEAD = "127.0.0.1:6379"


def inside(options: argparse.Namespace) -> None:
    sys.path.insert(0, str(ROOT))
    os.environ |= {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    tool("ip", "link", "set", "lo", "up")
    folder = Path(tempfile.mkdtemp(prefix="any-number-"))
    most = max(options.workers)
    tool(
        *(str(RAY), "start", "--head", "--node-ip-address=127.0.0.1", "--port=6379"),
        *(f"--num-cpus={most}", "--include-dashboard=false"),
    )

    def searched(name: str, *engine: str) -> tuple[dict, str, float]:
        began, said = time.monotonic(), folder / f"{name}.txt"
        project = f"--project={folder / name}"
        process = tuner_app("search", *words(folder, options.epochs), project, *engine, said=said)
        assert process.wait(900) == 0, said.read_text()
        return found(folder / name), shares(said.read_text()), time.monotonic() - began

    expected, *told = searched("one")
    print(f"one process: {len(expected)} trials, {told[1]:.0f} s", flush=True)
    for number in options.workers:
        engine = "--engine=ray", f"--num_workers={number}", f"--ray_address={HEAD}"
        _, device, seconds = searched(f"w{number}", *engine)
        compare(folder / f"w{number}", expected)
        load = os.getloadavg()[0]
        said = f"{TRIALS} trials proposed and trained as by one process, {seconds:.0f} s"
        print(f"{device}: {said}; load {load:.1f}", flush=True)
    shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    numbers = [1, 2, 4]
    parser.add_argument(
        "--workers", type=lambda text: [int(word) for word in text.split(",")], default=numbers
    )
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    if os.environ.get(INSIDE):
        inside(options)
    else:
        alone(INSIDE, __file__)


if __name__ == "__main__":
    main()
