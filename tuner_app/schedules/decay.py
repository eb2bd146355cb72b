"""Schedules that fall once: constant, by steps, and along a curve."""

import math

from keras import ops

from tuner_app.errors import UserError
from tuner_app.schedules.schedule import Schedule, check, number, register

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "Fixed",
    "InverseTimeDecay",
    "LinearDecay",
    "PiecewiseConstant",
    "PolynomialDecay",
    "StepDecay",
]


@register
class Fixed(Schedule):
    """Fixed: α.

    >>> float(Fixed(0.5)(1000))
    0.5
    """

    def __init__(self, learning_rate):
        self._keep(learning_rate=learning_rate)

    def __call__(self, step):
        return number(self.learning_rate)


@register
class StepDecay(Schedule):
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
        drops = ops.floor(number(step) / number(self.every_steps))
        return number(self.initial_learning_rate) * number(self.factor) ** drops


@register
class ExponentialDecay(Schedule):
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
        share = number(step) / number(self.decay_steps)
        return number(self.initial_learning_rate) * number(self.rate) ** share


@register
class InverseTimeDecay(Schedule):
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
        return number(self.initial_learning_rate) / (1 + number(step) / number(self.decay_steps))


@register
class LinearDecay(Schedule):
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
        left = 1 - ops.minimum(number(step) / number(self.decay_steps), 1.0)
        final = number(self.final)
        return number(self.initial_learning_rate) * (final + (1 - final) * left)


@register
class CosineDecay(Schedule):
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
        share = ops.minimum(number(step) / number(self.decay_steps), 1.0)
        left = 0.5 * (1 + ops.cos(math.pi * share))
        final = number(self.final)
        return number(self.initial_learning_rate) * (final + (1 - final) * left)


@register
class PolynomialDecay(Schedule):
    """Polynomial decay from α to final · α in decay_steps, then constant.

    α (final + (1 − final) (1 − t / decay_steps)^power).

    Args:
        initial_learning_rate: α.
        decay_steps: the steps of the decay.
        power: 1 is linear; 2 falls fast at first.
        final: the share of α that is left.

    >>> schedule = PolynomialDecay(1.0, decay_steps=100, power=2.0)
    >>> [float(schedule(t)) for t in (0, 50, 100, 200)]
    [1.0, 0.25, 0.0, 0.0]
    """

    def __init__(self, initial_learning_rate, decay_steps, power=2.0, final=0.0):
        self._keep(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            power=power,
            final=final,
        )

    def __call__(self, step):
        left = 1 - ops.minimum(number(step) / number(self.decay_steps), 1.0)
        final = number(self.final)
        share = final + (1 - final) * left ** number(self.power)
        return number(self.initial_learning_rate) * share


@register
class PiecewiseConstant(Schedule):
    """Piecewise constant: a value until the first boundary, the next one from it on, and so on.

    Args:
        boundaries: the steps at which a new value begins, rising.
        values: one number more than boundaries.

    >>> schedule = PiecewiseConstant([10, 20], [1.0, 0.5, 0.25])
    >>> [float(schedule(t)) for t in (0, 9, 10, 19, 20)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, boundaries, values):
        if len(values) != len(boundaries) + 1:
            raise UserError(
                f"PiecewiseConstant needs one value more than boundaries; got {len(boundaries)} "
                f"boundaries and {len(values)} values."
            )
        for value in boundaries:
            check("a boundary", value)
        for value in values:
            check("a value", value)
        if list(boundaries) != sorted(set(boundaries)):
            raise UserError(f"PiecewiseConstant needs rising boundaries; got {list(boundaries)}.")
        self.boundaries, self.values = tuple(boundaries), tuple(values)

    def __call__(self, step):
        step, rate = number(step), number(self.values[0])
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = ops.where(step >= number(boundary), number(value), rate)
        return rate

    def get_config(self):
        return {"boundaries": list(self.boundaries), "values": list(self.values)}
