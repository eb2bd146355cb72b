"""Paths of optimizers over a surface, as a contour plot or as the loss by step."""

from dataclasses import dataclass

import numpy as np

from tuner_app.pictures import drawing
from tuner_app.pictures.surfaces import SURFACES, Surface

CLOSE = 1e-10  # a loss below this counts as reached


@dataclass(frozen=True)
class Path:
    """Where an optimizer went: `points` float64 (steps + 1, 2) and `losses` (steps + 1,)."""

    optimizer: str
    learning_rate: float
    points: np.ndarray
    losses: np.ndarray


def follow(name: str, surface: Surface, learning_rates, steps: int) -> list[Path]:
    """The paths of one of the project's optimizers, by its real rule, at some learning rates."""
    from tuner_app import optimizers
    from tuner_app.testing.stepping import Compiled, variables_at

    optimizer = optimizers.get(name)(learning_rates[0])
    compiled = Compiled([optimizer], [variables_at([surface.start])])
    paths = []
    for rate in learning_rates:
        compiled.reset()
        optimizer.learning_rate = rate
        points = [np.array(surface.start)]
        for _ in range(steps):
            ((point,),) = compiled([[np.array(surface.gradient(*points[-1]))]])
            if not np.isfinite(point).all() or abs(point).max() > 1e3:
                break  # it has left for good
            points.append(point)
        points = np.array(points)
        paths.append(Path(name, rate, points, _above(surface, points)))
    return paths


def best(name: str, surface: Surface, steps: int) -> Path:
    """The path at the learning rate whose loss is lowest on the whole, on a log scale.

    A rate at which the optimizer leaves the frame is taken only where all do.
    """
    paths = follow(name, surface, surface.learning_rates, steps)
    x0, x1, y0, y1 = surface.frame

    def badness(path):
        inside = (path.points >= (x0, y0)).all() and (path.points <= (x1, y1)).all()
        left = not inside or len(path.points) <= steps
        return left, np.mean(np.log10(np.maximum(path.losses, CLOSE)))

    return min(paths, key=badness)


def _above(surface, points):
    lowest = min((surface.value(*minimum) for minimum in surface.minima), default=0.0)
    return surface.value(*points.T) - lowest


def paths(names, surface, steps, learning_rate=None) -> list[Path]:
    """A path for each optimizer; at its best learning rate where none is given."""
    if learning_rate is None:
        return [best(name, surface, steps) for name in names]
    return [follow(name, surface, [learning_rate], steps)[0] for name in names]


def _label(path):
    return f"{path.optimizer}, rate {path.learning_rate:.2g}"


def draw_trajectories(names, surface_name, steps, learning_rate, output):
    """Writes the contour plot with a path for each optimizer."""
    surface = SURFACES[surface_name]
    x0, x1, y0, y1 = surface.frame
    with drawing.figure(output, size=(9.6, 6.2)) as (figure, axes):
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.patheffects import Normal, Stroke

        x, y = np.meshgrid(np.linspace(x0, x1, 400), np.linspace(y0, y1, 400))
        z = surface.value(x, y)
        if surface.minima:
            z = np.log10(z - min(surface.value(*m) for m in surface.minima) + 1e-2)
        # Dark in the valley, and nowhere so dark that a path is lost.
        shades = LinearSegmentedColormap.from_list("valley", ["#AFC3D6", "#E3EAF1", "#FBFCFD"])
        axes.contourf(x, y, z, levels=24, cmap=shades)
        axes.contour(x, y, z, levels=24, colors="white", linewidths=0.7, linestyles="solid")
        halo = [Stroke(linewidth=4.4, foreground="white"), Normal()]
        for i, path in enumerate(paths(names, surface, steps, learning_rate)):
            axes.plot(*path.points.T, path_effects=halo, label=_label(path), **drawing.style(i))
            axes.plot(
                *path.points[-1], "o", color=drawing.style(i)["color"], markersize=9,
                markeredgecolor="white", markeredgewidth=1.5, zorder=5,
            )  # fmt: skip
        for minimum in surface.minima:
            axes.plot(
                *minimum, "*", color=drawing.INK, markersize=17, markeredgecolor="white", zorder=6
            )
        axes.plot(*surface.start, "o", color="white", markersize=10, markeredgecolor=drawing.INK)
        axes.annotate(
            "start", surface.start, xytext=(9, 9), textcoords="offset points", fontweight="bold",
            path_effects=[Stroke(linewidth=3, foreground="white"), Normal()],
        )  # fmt: skip
        axes.set(xlim=(x0, x1), ylim=(y0, y1), xlabel="x", ylabel="y")
        axes.set_title(f"{surface.title}: {steps} steps")
        figure.legend(
            loc="outside lower center", ncols=min(4, len(names)), fontsize=12, handlelength=2.6
        )


def draw_loss_curve(names, surface_name, steps, learning_rate, output):
    """Writes the loss by step, on a log scale, with a line for each optimizer."""
    surface = SURFACES[surface_name]
    with drawing.figure(output) as (figure, axes):
        for i, path in enumerate(paths(names, surface, steps, learning_rate)):
            losses = np.maximum(path.losses, CLOSE) if surface.minima else path.losses
            axes.plot(losses, label=_label(path), **drawing.style(i))
        if surface.minima:
            axes.set_yscale("log")
        axes.grid(axis="y")
        axes.set(xlabel="step", ylabel="loss above the minimum" if surface.minima else "loss")
        axes.set_xlim(0, steps)
        axes.set_title(f"Loss by step: {surface.title}")
        figure.legend(
            loc="outside lower center", ncols=min(4, len(names)), fontsize=12, handlelength=2.6
        )
