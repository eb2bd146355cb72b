"""Finds a space by its name, or in a file of the user's own as FILE.py:OBJECT."""

import ast
import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path

from tuner_app import catalogue
from tuner_app.errors import UserError, unknown

USUAL_OBJECTS = ("build", "build_model", "Space", "hypermodel")


def load(name_or_path, spec, optimizers=("adam",), steps=None, losses=()):
    """The space as a KerasTuner `HyperModel`.

    Args:
        name_or_path: A name from `tuner-app list spaces`, or FILE.py:OBJECT. OBJECT is a
            `build(hp)` function, a `HyperModel`, or a class or function that makes a `HyperModel`
            and is given those of `spec`, `optimizers`, `steps` and `losses` that its parameters
            name. Without :OBJECT it is the file's `build`, `build_model`, `Space` or `hypermodel`.
        spec: `tuner_app.data.DataSpec`, what a space may know of the data.
        optimizers: Names from `tuner-app list optimizers` that the space offers.
        steps: Training steps of a whole trial, the length of learning-rate schedules. None: 20
            epochs of batches of 32.
        losses: Names from `tuner-app list losses` that the space offers; () for its own.

    Raises:
        UserError: There is no such space, its file can't be imported, it does not suit the data, or
            it has a loss of its own where `losses` are asked for.
    """
    file, name = split(name_or_path)
    if file is None:
        space = importlib.import_module(f"search_spaces.{known(name)}").Space
    else:
        name = check(name_or_path)
        space = member(imported(file), file, name)
    offered = {"spec": spec, "optimizers": tuple(optimizers), "steps": steps, "losses": losses}
    if losses and not (callable(space) and "losses" in inspect.signature(space).parameters):
        raise UserError(
            f"losses is {','.join(losses)!r}, but the space {name_or_path!r} has a loss of its "
            "own. Leave losses out, or let the space take `losses` (search_spaces.hyperparameters)."
        )
    return hypermodel(space, name_or_path, offered)


def check(name_or_path):
    """Finds what is wrong with a space's name or file without importing it, so without TensorFlow.

    Returns:
        The name of the space, or of the object in its file.

    Raises:
        UserError: An unknown name; a file that is missing, not Python or lacks the object.

    >>> check("mlp")
    'mlp'
    """
    file, name = split(name_or_path)
    if file is None:
        return known(name)
    if not file.is_file():
        raise UserError(f"Space file {str(file)!r} does not exist. Expected FILE.py:OBJECT.")
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except SyntaxError as error:
        raise UserError(
            f"Space file {str(file)!r}, line {error.lineno}: {error.msg}. Correct its syntax."
        ) from None
    except (UnicodeDecodeError, ValueError):
        raise UserError(f"Space file {str(file)!r} is not Python source in UTF-8.") from None
    except OSError as error:
        raise UserError(f"Space file {str(file)!r} can't be read: {error.strerror}.") from None

    defined = names_defined(tree)
    if name == "":
        usual = [name for name in USUAL_OBJECTS if name in defined]
        if not usual:
            raise UserError(
                f"Space file {str(file)!r} defines none of {', '.join(USUAL_OBJECTS)}. "
                "Name its object: FILE.py:OBJECT."
            )
        return usual[0]
    if name not in defined and not has_star_import(tree):
        nearest = difflib.get_close_matches(name, sorted(defined), n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        listed = ", ".join(sorted(defined)) or "nothing"
        raise UserError(f"Space file {str(file)!r} has no {name!r}.{hint} It defines {listed}.")
    return name


def split(name_or_path):
    """(None, name) for a space's name, (file, object or "") for FILE.py[:OBJECT].

    >>> split("mlp"), split("my/space.py:build")[1]
    ((None, 'mlp'), 'build')
    """
    text = str(name_or_path)
    if text.endswith(".py"):
        return Path(text).expanduser(), ""
    file, found, name = text.rpartition(".py:")
    if found:
        return Path(file + ".py").expanduser(), name
    return None, text


def known(name):
    spaces = catalogue.names("spaces")
    if name not in spaces:
        raise unknown("space", name, [*spaces, "FILE.py:OBJECT"])
    return name


def names_defined(tree):
    """What a module's top level binds, also inside its `if` and `try`; underscored names not."""
    names = set()
    waiting = list(tree.body)
    while waiting:
        item = waiting.pop()
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(item.name)
        elif isinstance(item, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in item.names)
        elif isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
            names.add(item.id)
        else:
            waiting.extend(ast.iter_child_nodes(item))
    return {name for name in names if not name.startswith("_")}


def has_star_import(tree):
    return any(
        isinstance(item, ast.ImportFrom) and any(alias.name == "*" for alias in item.names)
        for item in ast.walk(tree)
    )


def imported(file):
    """The file as a module, under a name of its own; its folder is importable from it."""
    module_name = f"search_space_{file.stem}"
    module_spec = importlib.util.spec_from_file_location(module_name, file)
    module = importlib.util.module_from_spec(module_spec)
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # kept: a space may import its neighbours while it builds
    sys.modules[module_name] = module  # pickling and Keras's serialization look it up
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise UserError(
            f"Space file {str(file)!r} fails when imported: {describe(error, file)}"
        ) from error
    return module


def member(module, file, name):
    if not hasattr(module, name):
        raise UserError(f"Space file {str(file)!r} has no {name!r} once imported.")
    return getattr(module, name)


def hypermodel(space, text, offered):
    """Whatever the user named, as a `HyperModel`."""
    from keras_tuner import HyperModel

    if isinstance(space, HyperModel):
        return space
    if not callable(space):
        raise UserError(
            f"Space {text!r} is a {type(space).__name__}, expected a build(hp) function or a "
            "keras_tuner.HyperModel."
        )
    if not inspect.isclass(space) and not makes_hypermodel(space):
        return function_space(space)
    if inspect.isclass(space) and not issubclass(space, HyperModel):
        raise UserError(
            f"Space {text!r} is a class that does not derive from keras_tuner.HyperModel. "
            "Derive it, or name a build(hp) function."
        )
    made = call(space, text, offered)
    if isinstance(made, HyperModel):
        return made
    if callable(made) and not inspect.isclass(made):
        return function_space(made)
    raise UserError(
        f"Space {text!r} returned a {type(made).__name__}, expected a keras_tuner.HyperModel."
    )


def makes_hypermodel(function):
    """Whether a function is a factory of spaces: it asks for the spec, or for nothing at all."""
    parameters = inspect.signature(function).parameters
    return "spec" in parameters or not parameters


def call(factory, text, offered):
    """`factory(...)` with what its parameters name; what goes wrong is the space's to explain."""
    parameters = inspect.signature(factory).parameters
    needed = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name not in offered
    ]
    if needed:
        raise UserError(
            f"Space {text!r} needs {', '.join(needed)}, which a search can't give it: it may ask "
            f"for {', '.join(offered)}. Give the others a default."
        )
    given = {name: value for name, value in offered.items() if name in parameters}
    try:
        return factory(**given)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"Space {text!r} fails when made: {describe(error)}") from error


def describe(error, file=None):
    """An exception in one line, with the line of the user's file that it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if file and Path(frame.filename) == Path(file)]
    where = f"line {lines[-1]}: " if lines else ""
    message = str(error).strip().split("\n")[0]
    return (
        f"{where}{type(error).__name__}: {message}" if message else f"{where}{type(error).__name__}"
    )


def function_space(build):
    """A `HyperModel` around a `build(hp)` function, named as it is."""
    from keras_tuner import HyperModel

    space = HyperModel(name=getattr(build, "__name__", None))
    space.build = build
    return space
