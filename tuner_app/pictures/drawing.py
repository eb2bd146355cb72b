"""The look that all pictures share, and the file they end in.

Matplotlib is an extra, imported when a picture is drawn. Figures are made as objects, without
pyplot, so no window opens and nothing is kept between two pictures.
"""

import contextlib
from pathlib import Path

from tuner_app.errors import UserError

ENDINGS = (".png", ".svg")
# The palette of M. Okabe and K. Ito, "Color Universal Design", 2008, without its yellow and black,
# which white paper or the ink would hide.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("solid", "dashed", "dashdot", "dotted")
INK = "#222222"
STYLE = {
    "font.size": 13,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.titlesize": 16,
    "axes.titlelocation": "left",
    "axes.titlepad": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "lines.linewidth": 2.4,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "svg.hashsalt": "tuner-app",  # the same picture is the same file
    "figure.dpi": 100,
}


@contextlib.contextmanager
def figure(output: str, size: tuple[float, float] = (9.6, 5.8)):
    """A new figure and its axes, written to `output` at the end of the block.

    Args:
        output: A path that ends in .png or .svg.
        size: In inches.

    Raises:
        UserError: Another ending, Matplotlib is missing, or the file can't be written.
    """
    path = checked(output)
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(
            'Pictures need Matplotlib, which is missing: pip install "tuner-app[pictures]".'
        ) from None
    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=size, layout="constrained")
        yield drawn, drawn.add_subplot()
        try:
            stamp = {"Date": None} if path.suffix.lower() == ".svg" else None
            drawn.savefig(path, dpi=150, metadata=stamp, bbox_inches="tight", pad_inches=0.25)
        except OSError as error:
            raise UserError(
                f"Can't write {path} ({error.strerror}). Choose another --output."
            ) from None


def checked(output: str) -> Path:
    """The path of a picture.

    Raises:
        UserError: It ends in neither .png nor .svg.

    >>> checked("paths.svg").suffix
    '.svg'
    """
    path = Path(output).expanduser()
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"Got --output={output}, expected a file that ends in .png or .svg.")
    return path


def style(i: int) -> dict:
    """Colour and dashes of the i-th line; no two lines share both."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "linestyle": DASHES[i // len(COLOURS) % len(DASHES)],
    }
