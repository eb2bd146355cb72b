"""A search on Ray whose first worker kills itself. Run in name spaces of its own.

python search_on_ray.py PROJECT DATA.csv
"""

import os
import sys
from pathlib import Path

from tuner_app.cluster.ray_engine import run_search
from tuner_app.cluster.workers import Workers
from tuner_app.config import SearchConfig
from tuner_app.tuners.observer import Observer

SPACE = Path(__file__).with_name("killing_space.py")
EPOCHS = 6


def search_config(project: str, data: str) -> SearchConfig:
    asked = {"dataset": f"csv:{data}?target=y", "space": f"{SPACE}:build", "lanes": "2"}
    return SearchConfig(**asked, project=project, max_trials=4, epochs=EPOCHS, patience=0, seed=5)


class Told(Observer):
    """Counts the ends of trials that the user's process hears of."""

    ends = 0

    def trial_ended(self, trial):
        self.ends += 1


if __name__ == "__main__":
    project, data = sys.argv[1:]
    os.environ["KILL_ONCE"] = f"{project}.killed"
    told = Told()
    outcome = run_search(search_config(project, data), Workers(1), [told])
    print(f"failure: {outcome.failure!r}; told of {told.ends} ends")
