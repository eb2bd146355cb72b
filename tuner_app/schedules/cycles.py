"""Schedules that rise as well as fall: restarts, and one cycle."""

import math

from keras import ops

from tuner_app.errors import UserError
from tuner_app.schedules.schedule import Schedule, number, register

__all__ = ["CosineRestarts", "OneCycle", "WarmUpStableDecay"]


def _cosine(share, start, end):
    """From start to end along half a cosine, as share goes from 0 to 1."""
    return end + (start - end) * 0.5 * (1 + ops.cos(math.pi * share))


@register
class CosineRestarts(Schedule):
    """Cosine decay that starts again and again, each time for longer and from lower.

    Args:
        initial_learning_rate: α.
        first_steps: the steps of the first cycle.
        growth: what the steps of a cycle are multiplied by for the next, at least 1.
        height: what the start of a cycle is multiplied by for the next.
        final: the share of a cycle's start that is left at its end.

    >>> schedule = CosineRestarts(1.0, first_steps=10, growth=2.0, height=0.5)
    >>> [round(float(schedule(t)), 4) for t in (0, 5, 10, 20, 30)]
    [1.0, 0.5, 0.5, 0.25, 0.25]

    Reference: I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    2017.
    """

    def __init__(self, initial_learning_rate, first_steps, growth=1.0, height=1.0, final=0.0):
        self._keep(
            initial_learning_rate=initial_learning_rate,
            first_steps=first_steps,
            growth=growth,
            height=height,
            final=final,
        )
        if growth < 1:
            raise UserError(f"growth must be a number, 1 or more; got {growth!r}.")

    def __call__(self, step):
        growth, final = number(self.growth), number(self.final)
        done = number(step) / number(self.first_steps)  # in first cycles
        equal = growth < 1 + 1e-6
        apart = ops.where(equal, 2.0, growth)  # no 0 / 0 where cycles are equal

        def start(cycle):
            # 1 + g + ... + g^(cycle − 1), in first cycles
            return ops.where(equal, cycle, (apart**cycle - 1) / (apart - 1))

        # The cycle from its logarithm; rounding must not miss a start, so take the nearest one and
        # the one before it where that has not begun.
        cycle = ops.where(equal, done, ops.log1p(done * (apart - 1)) / ops.log(apart))
        cycle = ops.floor(cycle + 0.5)
        cycle = ops.where(done < start(cycle), cycle - 1, cycle)
        share = (done - start(cycle)) / ops.where(equal, 1.0, apart**cycle)
        top = number(self.initial_learning_rate) * number(self.height) ** cycle
        return top * _cosine(ops.clip(share, 0.0, 1.0), 1.0, final)


@register
class OneCycle(Schedule):
    """One cycle: up to a high peak, then down to almost nothing, both along a cosine.

    Args:
        peak_learning_rate: α, higher than would do without the cycle.
        total_steps: the steps of the whole cycle.
        rise: the share of them that rises.
        start: the share of α at the first step.
        final: the share of α at the end.

    >>> schedule = OneCycle(1.0, total_steps=100, rise=0.5, start=0.0, final=0.0)
    >>> [round(float(schedule(t)), 4) for t in (0, 25, 50, 75, 100, 200)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]

    Reference: L. N. Smith and N. Topin, "Super-Convergence: Very Fast Training of Neural Networks
    Using Large Learning Rates", 2018.
    """

    def __init__(self, peak_learning_rate, total_steps, rise=0.3, start=0.04, final=4e-6):
        self._keep(
            peak_learning_rate=peak_learning_rate,
            total_steps=total_steps,
            rise=rise,
            start=start,
            final=final,
        )
        if rise > 1:
            raise UserError(f"rise must be a number from 0 to 1; got {rise!r}.")

    def __call__(self, step):
        done, rise = number(step) / number(self.total_steps), number(self.rise)
        up = ops.clip(done / ops.maximum(rise, 1e-7), 0.0, 1.0)
        down = ops.clip((done - rise) / ops.maximum(1 - rise, 1e-7), 0.0, 1.0)
        share = ops.where(
            done < rise,
            _cosine(up, number(self.start), 1.0),
            _cosine(down, 1.0, number(self.final)),
        )
        return number(self.peak_learning_rate) * share


@register
class WarmUpStableDecay(Schedule):
    """Warm-up, a long constant stretch, and a short decay by 1 − √share at the end.

    The stretch may be made longer, and training go on from a checkpoint in it, without beginning
    again.

    Args:
        learning_rate: α.
        warmup_steps: W; at step t of them the rate is α (t + 1) / W.
        stable_steps: the steps at α.
        decay_steps: the steps of the decay.
        final: the share of α that is left.

    >>> schedule = WarmUpStableDecay(1.0, warmup_steps=4, stable_steps=10, decay_steps=16)
    >>> [float(schedule(t)) for t in (0, 3, 14, 18, 30)]
    [0.25, 1.0, 1.0, 0.5, 0.0]

    Reference: S. Hu et al., "MiniCPM", 2024; the decay is that of A. Hägele et al., "Scaling Laws
    and Compute-Optimal Training Beyond Fixed Training Durations", 2024.
    """

    def __init__(self, learning_rate, warmup_steps, stable_steps, decay_steps, final=0.0):
        self._keep(learning_rate=learning_rate, decay_steps=decay_steps, final=final)
        self._keep_stretches(warmup_steps=warmup_steps, stable_steps=stable_steps)

    def __call__(self, step):
        step, warmup_steps = number(step), number(self.warmup_steps)
        # A warm-up of 0 steps is over at the first: (0 + 1) / 1.
        up = ops.minimum((step + 1) / ops.maximum(warmup_steps, 1.0), 1.0)
        begun = step - warmup_steps - number(self.stable_steps)
        decayed = ops.sqrt(ops.clip(begun / number(self.decay_steps), 0.0, 1.0))
        return number(self.learning_rate) * up * (1 - (1 - number(self.final)) * decayed)
