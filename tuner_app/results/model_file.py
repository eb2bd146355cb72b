"""A model as a file of its own: Keras's format, TensorFlow's SavedModel, or ONNX."""

import contextlib
import importlib.util
import logging
import os
import shutil
import warnings
from pathlib import Path

from tuner_app.errors import UserError

# By format, the default name's ending. A SavedModel is a folder.
FORMATS = {"keras": ".keras", "savedmodel": "_saved_model", "onnx": ".onnx"}
NEEDED = {"onnx": ("tf2onnx", "onnx")}  # modules, of the extra of the same name


def destination(output=None, form=None, stem="best"):
    """Where a model goes, and in which format: a path that can be written, and the format's name.

    Args:
        output: The path, or None for the stem in the working directory. Without `form` its ending
            decides the format: `.keras`, `.onnx`, or none for a SavedModel.
        form: One of FORMATS, or None.

    Raises:
        UserError: They contradict each other, the path can't be written, or what the format needs
            is not installed.

    >>> destination("best.onnx", "keras")
    Traceback (most recent call last):
    tuner_app.errors.UserError: output is 'best.onnx', expected a name that ends in .keras.
    """
    if form is not None and form not in FORMATS:
        raise UserError(f"format is {form!r}, expected one of {', '.join(FORMATS)}.")
    if output is None:
        output = Path(stem + FORMATS[form or "keras"])
    output = Path(output).expanduser()
    endings = {FORMATS[name]: name for name in ("keras", "onnx")}
    if form is None:
        form = "savedmodel" if not output.suffix else endings.get(output.suffix)
    if form is None:
        raise UserError(
            f"output is {str(output)!r}, expected a name that ends in .keras or .onnx, or one "
            "without an ending for a SavedModel."
        )
    if form != "savedmodel" and output.suffix != FORMATS[form]:
        raise UserError(f"output is {str(output)!r}, expected a name that ends in {FORMATS[form]}.")
    _refuse_unwritable(output, form)
    missing = [name for name in NEEDED.get(form, ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"The format {form} needs {' and '.join(missing)}, not installed here. Install the "
            f'extra: pip install ".[{form}]".'
        )
    return output, form


def _refuse_unwritable(output, form):
    folder = output.absolute().parent
    if not folder.is_dir():
        raise UserError(f"Can't write {output}: there is no folder {output.parent}. Make it first.")
    if form != "savedmodel" and output.is_dir():
        raise UserError(f"Can't write {output}: it is a folder. Choose another --output.")
    if form == "savedmodel" and output.exists() and not (output / "saved_model.pb").is_file():
        raise UserError(
            f"Can't write {output}: it exists and is no SavedModel. Choose another --output."
        )
    if not os.access(folder, os.W_OK):
        raise UserError(
            f"Can't write {output}: its folder is not writable. Choose another --output."
        )


def save(model, output, form):
    """Writes a Keras model to where `destination` says, in place of an earlier one.

    Raises:
        OSError: It can't be written. What was there before is as it was.
        UserError: The format has no word for something in the model.
    """
    # Renamed when whole, so that an earlier export is not lost to a full disk.
    beside = output.with_name(f"unfinished.{output.name}")
    if form == "keras":
        model.save(beside)
    elif form == "onnx":
        _save_onnx(model, beside)
    else:
        shutil.rmtree(beside, ignore_errors=True)
        model.export(beside, format="tf_saved_model", verbose=False)
        shutil.rmtree(output, ignore_errors=True)
    os.replace(beside, output)


def _save_onnx(model, path):
    """As ONNX; what can't be expressed in it is named."""
    import keras

    text = [i.name for i in keras.tree.flatten(model.input) if i.dtype == "string"]
    if text:
        raise UserError(
            f"ONNX can't hold the look-up of text, and the model takes text ({', '.join(text)}). "
            "Use --format=savedmodel."
        )
    import onnx

    model(model.input)  # Keras exports no model as ONNX that was never called
    try:
        with _quiet():
            model.export(path, format="onnx", verbose=False)
        # The converter only logs what it has no word for, and writes the rest.
        onnx.checker.check_model(path, full_check=True)
    except OSError:
        raise
    except Exception as error:  # whatever the converter raises
        path.unlink(missing_ok=True)
        first = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise UserError(
            f"The model can't be converted to ONNX: {first}. Use --format=savedmodel."
        ) from error


@contextlib.contextmanager
def _quiet():
    """Without the converter's notes on its passes and on the future of NumPy."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
