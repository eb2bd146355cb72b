"""Every learning-rate schedule over one training, as small pictures side by side."""

import numpy as np

from tuner_app.pictures import drawing

STEPS = 1000


def examples():
    """Name to a schedule over `STEPS` steps whose highest rate is 1."""
    from tuner_app import schedules

    return {
        "Fixed": schedules.Fixed(1.0),
        "StepDecay": schedules.StepDecay(1.0, 250, 0.5),
        "PiecewiseConstant": schedules.PiecewiseConstant([400, 800], [1.0, 0.3, 0.1]),
        "LinearDecay": schedules.LinearDecay(1.0, STEPS),
        "PolynomialDecay": schedules.PolynomialDecay(1.0, STEPS, power=3.0),
        "ExponentialDecay": schedules.ExponentialDecay(1.0, 250),
        "InverseTimeDecay": schedules.InverseTimeDecay(1.0, 100),
        "CosineDecay": schedules.CosineDecay(1.0, STEPS),
        "CosineRestarts": schedules.CosineRestarts(1.0, 143, growth=2.0, height=0.8),
        "OneCycle": schedules.OneCycle(1.0, STEPS),
        "WarmUp": schedules.WarmUp(schedules.CosineDecay(1.0, STEPS - 100), 100),
        "WarmUpStableDecay": schedules.WarmUpStableDecay(1.0, 100, 600, 300),
    }


def draw(output):
    """Writes the picture."""
    found = examples()
    steps = np.arange(STEPS)
    with drawing.figure(output, size=(11.5, 7)) as (figure, axes):
        axes.remove()
        figure.get_layout_engine().set(wspace=0.08, hspace=0.06)  # else 1000 meets the next 0
        grid = figure.subplots(3, 4, sharex=True, sharey=True)
        for i, (panel, (name, schedule)) in enumerate(zip(grid.flat, found.items(), strict=True)):
            rates = np.broadcast_to(np.asarray(schedule(steps)), steps.shape)
            colour = drawing.COLOURS[i // 4]
            panel.fill_between(steps, rates, color=colour, alpha=0.14, linewidth=0)
            panel.plot(steps, rates, color=colour, clip_on=False)
            panel.set_title(name, fontsize=13, pad=6)
            panel.grid(axis="y")
            panel.set(xlim=(0, STEPS), ylim=(0, 1.05), xticks=(0, 500, 1000), yticks=(0, 0.5, 1))
        figure.suptitle("Learning-rate schedules", x=0.005, ha="left", fontsize=16)
        figure.supxlabel("step", fontsize=13)
        figure.supylabel("share of the highest learning rate", fontsize=13)
