"""What one system did in its process, as numbers that JSON can hold."""

import os
import resource
import statistics
import time
from dataclasses import dataclass, field


@dataclass
class Record:
    """Filled while a system searches; times are seconds since `began`, once imports were over.

    Args:
        ends: when each trial ended, the first one's included.
        scores: each trial's best validation accuracy.
        values: each trial's hyperparameters.
        reached: (when, validation accuracy) of each epoch or trial.
        seconds_a_trial: as the system gives it; see each one's docstring.
        compiling: seconds a trial that went into tracing and compiling.
    """

    began: float = field(default_factory=time.monotonic)
    ends: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    values: list[dict] = field(default_factory=list)
    reached: list[tuple[float, float]] = field(default_factory=list)
    seconds_a_trial: float = 0.0
    compiling: float | None = None
    memory: float = 0.0  # bytes
    plan: str = ""
    notes: dict = field(default_factory=dict)

    @property
    def now(self) -> float:
        return time.monotonic() - self.began

    def trial_ended(self, score: float, values: dict) -> None:
        self.ends.append(self.now)
        self.scores.append(score)
        self.values.append(values)
        self.reached.append((self.now, score))

    def as_dict(self) -> dict:
        best, reached = 0.0, []  # improvements alone
        for when, score in sorted(self.reached):
            if score > best:
                best = score
                reached.append((round(when, 3), round(score, 4)))
        return {
            "trials": len(self.scores),
            "seconds_a_trial": self.seconds_a_trial,
            "seconds": self.ends[-1],
            "scores": [round(score, 4) for score in self.scores],
            "values": self.values,
            "reached": reached,
            "compiling_a_trial": self.compiling,
            "memory": self.memory or peak_memory(),
            "plan": self.plan,
            "load": os.getloadavg()[0],
            **self.notes,
        }


def peak_memory() -> float:
    """The most bytes that this process had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


class EpochTimes:
    """How long each epoch of each trial took; `callback()` for `fit`."""

    def __init__(self):
        self.trials: list[list[float]] = []

    def callback(self):
        import keras

        times = self

        class Timer(keras.callbacks.Callback):
            def __deepcopy__(self, memo):  # KerasTuner copies callbacks for each trial
                return Timer()

            def on_train_begin(self, logs=None):
                times.trials.append([])

            def on_epoch_begin(self, epoch, logs=None):
                self.began = time.monotonic()

            def on_epoch_end(self, epoch, logs=None):
                times.trials[-1].append(time.monotonic() - self.began)

        return Timer()

    @property
    def compiling(self) -> float:
        """Seconds a trial by which its first epoch took longer than its others, on average."""
        later = [statistics.median(epochs[1:]) for epochs in self.trials]
        return statistics.mean(
            epochs[0] - one for epochs, one in zip(self.trials, later, strict=True)
        )
