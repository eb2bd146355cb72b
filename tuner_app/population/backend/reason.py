"""Why something can't be stacked, in one line: what was said where it went wrong.

Keras puts an error of a layer into another one, with the arguments, and TensorFlow puts that
into one with the lines of code that led there. The first error is the context of the others.
"""

import re

from tuner_app.population.errors import CannotStack

_LINES, _LENGTH = 3, 300


def reason(error: BaseException) -> str:
    """The error in one line, without what backends and Keras put around it.

    >>> reason(ValueError("the size\\nis odd"))
    'ValueError: the size is odd'
    """
    around = []
    while error.__context__ is not None and _is_put_around(error):
        around.append(_plain(error))
        error = error.__context__
    text = _plain(error)
    operation = re.search(r"No pfor vectorization defined for (\w+)", text)
    if operation:
        return f"TensorFlow can't vectorize the operation {operation[1]}"
    layer = re.search(r"Exception encountered when calling (\w+)\.", "\n".join([*around, text]))
    said = _said(text)
    if not isinstance(error, CannotStack):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return f"{layer[1]}: {said}" if layer else said


def _plain(error: BaseException) -> str:
    """What it says, as it was given; a KeyError's own text is in quotes, and on one line."""
    given = type(error) is KeyError and len(error.args) == 1 and isinstance(error.args[0], str)
    text = error.args[0] if given else str(error)
    # Of JAX's tracers the place says more than the address, by which two reasons would differ.
    return re.sub(r"\x1b\[\d+m| with object id \d+", "", text)


def _is_put_around(error: BaseException) -> bool:
    text = _plain(error)
    starts = ("in user code:", "Exception encountered when calling ")
    # Keras makes an error of the same class, which some of JAX's can't be made as.
    return text.startswith(starts) or "'_error_repr'" in text


def _said(text: str) -> str:
    inner = re.search(
        r"Exception encountered when calling .*?\n(.*?)\nArguments received", text, re.S
    )
    lines = (inner[1] if inner else text).splitlines()
    return " ".join([line.strip() for line in lines if line.strip()][:_LINES])[:_LENGTH]
