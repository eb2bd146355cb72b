"""One system and one work, in a process of its own; prints one line of JSON.

python -m benchmarks.stacked_trials.one SYSTEM WORK TRIALS
"""

import json
import sys

from benchmarks.stacked_trials.systems import SYSTEMS
from benchmarks.stacked_trials.works import BATCH, WORKS


def main() -> None:
    system, name, trials = sys.argv[1], sys.argv[2], int(sys.argv[3])
    work = WORKS[name]
    import keras  # noqa: F401 - not counted: every system needs it
    import keras_tuner  # noqa: F401

    found = SYSTEMS[system][2](work, trials).as_dict()
    print(json.dumps({**found, **_arithmetic(work)}))


def _arithmetic(work) -> dict:
    """Multiplications of a trial, and the machine's rate of them."""
    import keras_tuner

    from tuner_app.population.planning.timing import multiplications_a_second
    from tuner_app.population.planning.work import FORWARD_AND_BACKWARD, multiplications

    each = multiplications(work.build(keras_tuner.HyperParameters()), BATCH) / BATCH
    (_, y), (_, held_out) = work.data()
    examples = len(y) + len(held_out) / FORWARD_AND_BACKWARD
    return {
        "multiplications_a_trial": work.epochs * each * examples,
        "multiplications_a_second": multiplications_a_second(),
    }


if __name__ == "__main__":
    main()
