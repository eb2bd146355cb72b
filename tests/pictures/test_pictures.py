"""Pictures: their numbers against equations and SciPy, their files, and what they refuse."""

import sys

import numpy as np
import pytest
import scipy.optimize

from tuner_app import environment
from tuner_app.cli import main as command_line
from tuner_app.cli import picture
from tuner_app.cli.main import main
from tuner_app.pictures import outliers, schedule_curves, trajectories
from tuner_app.pictures.surfaces import SURFACES


def test_the_command_line_knows_every_surface():
    assert set(picture.SURFACES) == set(SURFACES)
    assert command_line.COMMANDS["picture"] is picture


@pytest.mark.parametrize("name", SURFACES)
def test_gradients_and_minima(name):
    surface = SURFACES[name]
    for point in np.random.default_rng(0).uniform(-1.5, 1.5, (5, 2)):
        numeric = scipy.optimize.approx_fprime(point, lambda p: surface.value(*p), 1e-7)
        assert np.allclose(surface.gradient(*point), numeric, rtol=1e-4, atol=1e-4)
    x0, x1, y0, y1 = surface.frame
    for x, y in (surface.start, *surface.minima):
        assert x0 < x < x1 and y0 < y < y1
    for minimum in surface.minima:
        assert np.allclose(surface.gradient(*minimum), 0, atol=1e-5)
        found = scipy.optimize.minimize(lambda p: surface.value(*p), np.add(minimum, 0.05))
        assert np.allclose(found.x, minimum, atol=1e-3)
        assert np.isclose(surface.value(*minimum), 0, atol=1e-9)


def test_a_path_is_that_of_the_rule():
    surface = SURFACES["quadratic"]
    _, path = trajectories.follow("sgd", surface, [0.5, 0.05], steps=20)  # the first diverges
    # w ← w − 0.05 ∇f: x is multiplied by 0.95 a step, y by 0.5
    x, y = surface.start
    t = np.arange(21)
    assert np.allclose(path.points, np.stack([x * 0.95**t, y * 0.5**t], 1), atol=1e-5)
    assert np.allclose(path.losses, 0.5 * (x * 0.95**t) ** 2 + 5 * (y * 0.5**t) ** 2, rtol=1e-4)


def test_a_path_that_leaves_for_good_is_cut():
    (path,) = trajectories.follow("sgd", SURFACES["rosenbrock"], [1.0], steps=20)
    assert 1 < len(path.points) < 20 and np.isfinite(path.points).all()


def test_lines_through_outliers():
    x, y = outliers.points()
    a, b = outliers.least_squares(x, y)
    assert np.allclose(np.polyfit(x, y, 1), [b, a])

    def error(line):
        return abs(y - line[0] - line[1] * x).mean()

    exact = outliers.least_absolute(x, y)
    # A convex function: no better line from here by another method, nor from the other line.
    for start in (exact, (a, b)):
        found = scipy.optimize.minimize(error, start, method="Nelder-Mead")
        assert error(exact) <= found.fun + 1e-9
    slope = 0.8  # of the points that are no outliers
    assert abs(exact[1] - slope) < 0.15 < abs(b - slope)


def test_every_schedule_is_drawn_but_the_sum_of_others():
    from tuner_app import schedules

    found = schedule_curves.examples()
    assert set(found) == set(schedules.__all__) - {"Blend"}
    steps = np.arange(schedule_curves.STEPS)
    for schedule in found.values():
        assert np.isclose(np.max(schedule(steps)), 1.0, rtol=1e-4)


@pytest.mark.parametrize(
    "words",
    [
        ["trajectories", "--optimizers=sgd", "--steps=3", "--learning_rate=0.01"],
        ["loss_curve", "--optimizers=sgd", "--steps=3", "--surface=saddle"],
        ["outliers"],
        ["schedules"],
    ],
    ids=lambda words: words[0],
)
def test_files(words, tmp_path, capsys, monkeypatch):
    quiet = []
    monkeypatch.setattr(environment, "import_quietly", lambda: quiet.append(True))
    ending = ".svg" if words[0] in ("trajectories", "outliers") else ".png"
    path = tmp_path / f"picture{ending}"
    assert main(["picture", *words, f"--output={path}"]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert bool(quiet) == (words[0] != "outliers")  # the others need Keras, which TensorFlow loads
    begin = b"<?xml" if ending == ".svg" else b"\x89PNG"
    assert path.read_bytes().startswith(begin)


BAD = [
    (["faces"], "kind of picture"),
    (["outliers", "--output=a.gif"], "expected a file that ends in .png or .svg"),
    (["schedules", "--steps=5"], "--steps, which the picture of schedules has no use for"),
    (["trajectories", "--optimizers=adamm"], "Did you mean 'adam"),
    (["loss_curve", "--steps=0"], "--steps of 1 or more"),
    (["outliers", "--output=no/such/folder/a.png"], "Choose another --output"),
]


@pytest.mark.parametrize("words, message", BAD, ids=[message for _, message in BAD])
def test_bad_input(words, message, capsys, in_empty_folder):
    assert main(["picture", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_matplotlib_missing(monkeypatch, capsys, in_empty_folder):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["picture", "outliers"]) == 2
    assert 'pip install "tuner-app[pictures]"' in capsys.readouterr().err
