"""Learning-rate schedules, for any Keras optimizer.

Each is a function of the steps done so far (0 at the first). Their numbers are plain attributes
that may be replaced by tensors (they may differ by trial in a stack), so none branches on one.
Reducing on a plateau depends on the metrics and not on the step: it is Keras's callback
`ReduceLROnPlateau`, for an optimizer whose learning rate is a number.
"""

import inspect
import math
import numbers

import keras
from keras import ops

from tuner_app.errors import UserError

__all__ = [
    "Blend",
    "CosineDecay",
    "ExponentialDecay",
    "Fixed",
    "InverseTimeDecay",
    "LinearDecay",
    "StepDecay",
    "WarmUp",
]

Base = keras.optimizers.schedules.LearningRateSchedule
register = keras.saving.register_keras_serializable(package="tuner_app")


class _Schedule(Base):
    """Keeps the constructor's arguments as attributes and as the config."""

    def _keep(self, **parameters):
        for name, value in parameters.items():
            _check(name, value)
            if name.endswith("steps") and name != "warmup_steps" and value == 0:
                raise UserError(f"{name} must be at least 1; got {value!r}.")
            setattr(self, name, value)

    def get_config(self):
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}


def _check(name, value):
    if not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
        raise UserError(f"{name} must be a number, zero or more; got {value!r}.")


def _number(value):
    return ops.cast(value, keras.config.floatx())


@register
class Fixed(_Schedule):
    """Fixed: α.

    >>> float(Fixed(0.5)(1000))
    0.5
    """

    def __init__(self, learning_rate):
        self._keep(learning_rate=learning_rate)

    def __call__(self, step):
        return _number(self.learning_rate)


@register
class StepDecay(_Schedule):
    """Step decay: α · factor^⌊t / every_steps⌋.

    Args:
        initial_learning_rate: α.
        every_steps: how many steps from one drop to the next.
        factor: what the rate is multiplied by at each drop.

    >>> schedule = StepDecay(1.0, every_steps=100, factor=0.5)
    >>> [float(schedule(t)) for t in (0, 99, 100, 250)]
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, initial_learning_rate, every_steps, factor=0.5):
        self._keep(
            initial_learning_rate=initial_learning_rate, every_steps=every_steps, factor=factor
        )

    def __call__(self, step):
        drops = ops.floor(_number(step) / _number(self.every_steps))
        return _number(self.initial_learning_rate) * _number(self.factor) ** drops


@register
class ExponentialDecay(_Schedule):
    """Exponential decay: α · rate^(t / decay_steps).

    Args:
        initial_learning_rate: α.
        decay_steps: the steps in which the learning rate falls by `rate`.
        rate: the factor of that fall; e⁻¹ gives α e^(−t / decay_steps).

    >>> schedule = ExponentialDecay(1.0, decay_steps=100, rate=0.25)
    >>> [float(schedule(t)) for t in (0, 50, 100)]
    [1.0, 0.5, 0.25]
    """

    def __init__(self, initial_learning_rate, decay_steps, rate=1 / math.e):
        self._keep(initial_learning_rate=initial_learning_rate, decay_steps=decay_steps, rate=rate)

    def __call__(self, step):
        share = _number(step) / _number(self.decay_steps)
        return _number(self.initial_learning_rate) * _number(self.rate) ** share


@register
class InverseTimeDecay(_Schedule):
    """1/t decay: α / (1 + t / decay_steps).

    Args:
        initial_learning_rate: α.
        decay_steps: the steps after which the rate is half of α.

    >>> schedule = InverseTimeDecay(1.0, decay_steps=100)
    >>> [float(schedule(t)) for t in (0, 100, 300)]
    [1.0, 0.5, 0.25]
    """

    def __init__(self, initial_learning_rate, decay_steps):
        self._keep(initial_learning_rate=initial_learning_rate, decay_steps=decay_steps)

    def __call__(self, step):
        return _number(self.initial_learning_rate) / (1 + _number(step) / _number(self.decay_steps))


@register
class LinearDecay(_Schedule):
    """Linear decay from α to final · α in decay_steps, then constant.

    Args:
        initial_learning_rate: α.
        decay_steps: the steps of the decay.
        final: the share of α that is left.

    >>> schedule = LinearDecay(1.0, decay_steps=100)
    >>> [float(schedule(t)) for t in (0, 50, 100, 200)]
    [1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, initial_learning_rate, decay_steps, final=0.0):
        self._keep(
            initial_learning_rate=initial_learning_rate, decay_steps=decay_steps, final=final
        )

    def __call__(self, step):
        left = 1 - ops.minimum(_number(step) / _number(self.decay_steps), 1.0)
        final = _number(self.final)
        return _number(self.initial_learning_rate) * (final + (1 - final) * left)


@register
class CosineDecay(_Schedule):
    """Cosine decay from α to final · α in decay_steps, then constant.

    Args:
        initial_learning_rate: α.
        decay_steps: the steps of the decay.
        final: the share of α that is left.

    >>> schedule = CosineDecay(1.0, decay_steps=100)
    >>> [round(float(schedule(t)), 4) for t in (0, 50, 100, 200)]
    [1.0, 0.5, 0.0, 0.0]

    Reference: I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    2017.
    """

    def __init__(self, initial_learning_rate, decay_steps, final=0.0):
        self._keep(
            initial_learning_rate=initial_learning_rate, decay_steps=decay_steps, final=final
        )

    def __call__(self, step):
        share = ops.minimum(_number(step) / _number(self.decay_steps), 1.0)
        left = 0.5 * (1 + ops.cos(math.pi * share))
        final = _number(self.final)
        return _number(self.initial_learning_rate) * (final + (1 - final) * left)


@register
class WarmUp(_Schedule):
    """Warm-up before any schedule: its first rate, reached in equal steps from nearly 0.

    At step t of W = warmup_steps the rate is (t + 1) / W of the schedule's first; after W steps the
    schedule runs from its own start.

    Args:
        schedule: a LearningRateSchedule, of this module, of Keras or your own; or a number.
        warmup_steps: W; 0 gives the schedule itself.

    >>> schedule = WarmUp(StepDecay(1.0, every_steps=2, factor=0.5), warmup_steps=4)
    >>> [float(schedule(t)) for t in (0, 1, 2, 3, 4, 5, 6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.5]

    Reference: P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017.
    """

    def __init__(self, schedule, warmup_steps):
        self._keep(warmup_steps=warmup_steps)
        if not isinstance(schedule, (Base, numbers.Real)):
            raise UserError(
                f"WarmUp needs a learning-rate schedule or a number to lead to; got {schedule!r}."
            )
        self.schedule = schedule if isinstance(schedule, Base) else Fixed(schedule)

    def __call__(self, step):
        step, warmup_steps = _number(step), _number(self.warmup_steps)
        # A warm-up of 0 steps is over at the first: (0 + 1) / 1.
        share = ops.minimum((step + 1) / ops.maximum(warmup_steps, 1.0), 1.0)
        return share * _number(self.schedule(ops.maximum(step - warmup_steps, 0.0)))

    def get_config(self):
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "warmup_steps": self.warmup_steps}

    @classmethod
    def from_config(cls, config):
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["warmup_steps"])


@register
class Blend(_Schedule):
    """A weighted sum of schedules; with one weight of 1 and the rest 0, that schedule alone.

    A search that chooses among schedules by their weights keeps one optimizer for all of them, so
    trials with different schedules can be trained in one stack.

    Args:
        schedules: LearningRateSchedules, at least one.
        weights: as many numbers, zero or more.

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
            _check("a weight", weight)
        self.schedules, self.weights = tuple(schedules), tuple(float(w) for w in weights)

    def __call__(self, step):
        return sum(
            _number(weight) * _number(schedule(step))
            for weight, schedule in zip(self.weights, self.schedules, strict=True)
        )

    def get_config(self):
        serialize = keras.optimizers.schedules.serialize
        return {"schedules": [serialize(s) for s in self.schedules], "weights": list(self.weights)}

    @classmethod
    def from_config(cls, config):
        deserialize = keras.optimizers.schedules.deserialize
        return cls([deserialize(s) for s in config["schedules"]], config["weights"])
