"""The learning-rate range test: the rate rises step by step until the loss diverges."""

import math
from dataclasses import dataclass

import keras
import numpy as np

STEPS = 100
LOWEST, HIGHEST = 1e-6, 10.0
SMOOTHING = 0.85  # of the loss, exponentially, with its start corrected
DIVERGED = 4.0  # times the lowest loss


@dataclass(frozen=True)
class RateTest:
    """The curve, and what it suggests.

    Attributes:
        rates, losses: Learning rate and smoothed training loss by step; it ends where it diverged.
        steepest: Where the loss falls fastest; None where it never does.
        diverges: Where it is four times its lowest; None where it never is.
        suggested: A rate to search around: a third of the one with the lowest loss, and no more
            than a tenth of the one where it diverges.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    steepest: float | None
    diverges: float | None
    suggested: float | None


def rate_test(model: keras.Model, train, batch_size: int, seed: int = 0) -> RateTest:
    """Trains a compiled model for some steps, each with a larger learning rate than the last.

    The model keeps its optimizer's kind and other settings, and is not to be used afterwards.

    Reference: L. N. Smith, "Cyclical learning rates for training neural networks", 2017.
    """
    model.optimizer = with_constant_rate(model.optimizer, LOWEST)
    model.compile(model.optimizer, loss=model.loss, jit_compile=False)
    draw = np.random.default_rng(seed)
    x, y = train
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    seen, losses, smooth = [], [], 0.0
    for step, rate in enumerate(rates, start=1):
        model.optimizer.learning_rate = float(rate)
        rows = draw.integers(len(y), size=min(batch_size, len(y)))
        loss = float(model.train_on_batch(x[rows], y[rows], return_dict=True)["loss"])
        # Keras reports the mean since the last reset.
        model.reset_metrics()
        if not math.isfinite(loss):
            break
        smooth = SMOOTHING * smooth + (1 - SMOOTHING) * loss
        seen.append(float(rate))
        losses.append(smooth / (1 - SMOOTHING**step))
        if losses[-1] > DIVERGED * min(losses) and step > STEPS // 10:
            break
    return judged(seen, losses)


def with_constant_rate(optimizer, rate: float):
    """The same optimizer with a number for its learning rate, where it had a schedule."""
    config = optimizer.get_config() | {"learning_rate": rate}
    return type(optimizer).from_config(config)


def judged(rates, losses) -> RateTest:
    """What a curve suggests.

    >>> found = judged([0.001, 0.01, 0.1, 1.0, 10.0], [2.0, 1.9, 0.5, 0.4, 9.0])
    >>> found.steepest, found.diverges, found.suggested
    (0.1, 10.0, 0.3333333333333333)
    """
    rates, losses = tuple(rates), tuple(losses)
    if len(losses) < 3:
        return RateTest(rates, losses, None, None, None)
    lowest = int(np.argmin(losses))
    diverges = rates[-1] if losses[-1] > DIVERGED * min(losses) else None
    if losses[lowest] > 0.95 * losses[0]:
        return RateTest(rates, losses, None, diverges, None)
    falls = np.diff(losses[: lowest + 1])
    steepest = rates[int(np.argmin(falls)) + 1]
    suggested = rates[lowest] / 3
    if diverges is not None:
        suggested = min(suggested, diverges / 10)
    return RateTest(rates, losses, steepest, diverges, suggested)


def as_svg(tested: RateTest, width: int = 640, height: int = 360) -> str:
    """The curve as an SVG picture, both axes logarithmic."""
    left, right, top, bottom = 60, width - 16, 16, height - 44
    losses = [max(loss, 1e-8) for loss in tested.losses]
    x_low, x_high = math.log10(LOWEST), math.log10(HIGHEST)
    y_low, y_high = math.log10(min(losses)), math.log10(min(max(losses), 4 * losses[0]))
    y_high = max(y_high, y_low + 0.1)

    def x(rate):
        return left + (math.log10(rate) - x_low) / (x_high - x_low) * (right - left)

    def y(loss):
        share = (min(math.log10(loss), y_high) - y_low) / (y_high - y_low)
        return bottom - share * (bottom - top)

    points = " ".join(f"{x(r):.1f},{y(v):.1f}" for r, v in zip(tested.rates, losses, strict=True))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12" fill="#445">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for power in range(round(x_low), round(x_high) + 1):
        at = x(10.0**power)
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}" stroke="#e3e6ea"/>'
        )
        label = f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">1e{power}</text>'
        parts.append(label)
    for share in (0.0, 0.5, 1.0):
        loss = 10 ** (y_low + share * (y_high - y_low))
        parts.append(
            f'<text x="{left - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.2g}</text>'
        )
    parts.append(f'<polyline points="{points}" fill="none" stroke="#0067b1" stroke-width="2.5"/>')
    if tested.suggested is not None:
        at = x(tested.suggested)
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}" stroke="#b3430a" '
            f'stroke-dasharray="5 4"/><text x="{at - 6:.1f}" y="{top + 12}" text-anchor="end" '
            f'fill="#b3430a">try {tested.suggested:.1e}</text>'
        )
    middle = (left + right) / 2
    parts.append(f'<text x="{middle}" y="{height - 8}" text-anchor="middle">learning rate</text>')
    parts.append(f'<text x="{left}" y="{top - 4}">training loss, smoothed</text></svg>')
    return "\n".join(parts) + "\n"


BARS = "▁▂▃▄▅▆▇█"


def as_text(tested: RateTest, width: int = 50) -> str:
    """The curve as a row of small bars, from the lowest rate to the highest reached."""
    if not tested.losses:
        return ""
    places = np.linspace(0, len(tested.losses) - 1, min(width, len(tested.losses)))
    shown = np.log([max(tested.losses[round(i)], 1e-8) for i in places])
    shown = np.minimum(shown, math.log(max(tested.losses[0], 1e-8)) + 0.5)
    spread = np.ptp(shown) or 1.0
    bars = "".join(BARS[round(float(v))] for v in (shown - shown.min()) / spread * (len(BARS) - 1))
    return f"{tested.rates[0]:.0e} {bars} {tested.rates[-1]:.0e}"
