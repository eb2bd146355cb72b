"""A search on Ray whose first epoch kills its worker. Run in name spaces of its own.

python search_on_ray.py PROJECT DATA.csv
"""

import os
import signal
import sys
from pathlib import Path

from tuner_app.cluster.ray_engine import run_search
from tuner_app.cluster.workers import Workers
from tuner_app.config import SearchConfig
from tuner_app.tuners.observer import Observer

SPACE = Path(__file__).parents[1] / "faults" / "space.py"
EPOCHS = 300


def search_config(project: str, data: str) -> SearchConfig:
    """A small one, but with epochs enough that a worker is killed amid its trials."""
    asked = {"dataset": f"csv:{data}?target=y", "space": f"{SPACE}:build", "lanes": "2"}
    return SearchConfig(**asked, project=project, max_trials=4, epochs=EPOCHS, patience=0, seed=5)


class Killer(Observer):
    done = False

    def epoch_ended(self, trial_id, execution, epoch, metrics):
        if self.done:
            return
        self.done = True
        for process in Path("/proc").glob("[0-9]*"):
            if (process / "cmdline").read_bytes().startswith(b"ray::Worker.train"):
                os.kill(int(process.name), signal.SIGKILL)
                return


if __name__ == "__main__":
    outcome = run_search(search_config(*sys.argv[1:]), Workers(1), [Killer()])
    print(f"failure: {outcome.failure!r}")
