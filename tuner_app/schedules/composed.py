"""Schedules made of other schedules: a warm-up before one, a weighted sum of several."""

import numbers

import keras
from keras import ops

from tuner_app.errors import UserError
from tuner_app.schedules.decay import Fixed
from tuner_app.schedules.schedule import Base, Schedule, check, number, register

__all__ = ["Blend", "WarmUp"]


@register
class WarmUp(Schedule):
    """Warm-up before any schedule: its first rate, reached in equal steps from nearly 0.

    At step t of W = warmup_steps the rate is (t + 1) / W of the schedule's first; after W steps the
    schedule runs from its own start.

    Args:
        schedule: a LearningRateSchedule, of this module, of Keras or your own; or a number.
        warmup_steps: W; 0 gives the schedule itself.

    >>> from tuner_app.schedules import StepDecay
    >>> schedule = WarmUp(StepDecay(1.0, every_steps=2, factor=0.5), warmup_steps=4)
    >>> [float(schedule(t)) for t in (0, 1, 2, 3, 4, 5, 6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.5]

    Reference: P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017.
    """

    def __init__(self, schedule, warmup_steps):
        self._keep_stretches(warmup_steps=warmup_steps)
        if not isinstance(schedule, (Base, numbers.Real)):
            raise UserError(
                f"WarmUp needs a learning-rate schedule or a number to lead to; got {schedule!r}."
            )
        self.schedule = schedule if isinstance(schedule, Base) else Fixed(schedule)

    def __call__(self, step):
        step, warmup_steps = number(step), number(self.warmup_steps)
        # A warm-up of 0 steps is over at the first: (0 + 1) / 1.
        share = ops.minimum((step + 1) / ops.maximum(warmup_steps, 1.0), 1.0)
        return share * number(self.schedule(ops.maximum(step - warmup_steps, 0.0)))

    def get_config(self):
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "warmup_steps": self.warmup_steps}

    @classmethod
    def from_config(cls, config):
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["warmup_steps"])


@register
class Blend(Schedule):
    """A weighted sum of schedules; with one weight of 1 and the rest 0, that schedule alone.

    A search that chooses among schedules by their weights keeps one optimizer for all of them, so
    trials with different schedules can be trained in one stack.

    Args:
        schedules: LearningRateSchedules, at least one.
        weights: as many numbers, zero or more.

    >>> from tuner_app.schedules import StepDecay
    >>> schedule = Blend([Fixed(1.0), StepDecay(1.0, every_steps=10)], [0.0, 1.0])
    >>> [float(schedule(t)) for t in (0, 10, 20)]
    [1.0, 0.5, 0.25]
    """

    def __init__(self, schedules, weights):
        if not schedules or len(schedules) != len(weights):
            raise UserError(
                f"Blend needs as many weights as schedules, at least one; got {len(schedules)} "
                f"schedules and {len(weights)} weights."
            )
        for schedule, weight in zip(schedules, weights, strict=True):
            if not isinstance(schedule, Base):
                raise UserError(f"Blend needs learning-rate schedules; got {schedule!r}.")
            check("a weight", weight)
        self.schedules, self.weights = tuple(schedules), tuple(float(w) for w in weights)

    def __call__(self, step):
        return sum(
            number(weight) * number(schedule(step))
            for weight, schedule in zip(self.weights, self.schedules, strict=True)
        )

    def get_config(self):
        serialize = keras.optimizers.schedules.serialize
        return {"schedules": [serialize(s) for s in self.schedules], "weights": list(self.weights)}

    @classmethod
    def from_config(cls, config):
        deserialize = keras.optimizers.schedules.deserialize
        return cls([deserialize(s) for s in config["schedules"]], config["weights"])
