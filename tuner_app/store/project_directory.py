"""Which directories a search may use, and what of them is its own."""

import shutil
from pathlib import Path

from tuner_app.errors import UserError
from tuner_app.store import lock, schema

# What a search leaves in its directory: anything else there belongs to somebody else.
OUR_FILES = (
    "search.db",
    "search.lock",
    "search.json",
    "search.lanes",
    "search.fit",
    "search.copy",
    "trial_",
    "tensorboard",
    "confirmation",
)


def refuse_foreign(directory: str | Path, allow_keras_tuner: bool = False) -> None:
    """Raises `UserError` where `directory` is no place for a search: a file, or somebody else's.

    Args:
        allow_keras_tuner: Take a directory of KerasTuner's own for one of ours (to overwrite it).
    """
    directory = Path(directory)
    if not directory.exists():
        return
    if not directory.is_dir():
        raise UserError(f"Expected a project directory at {directory}; found a file.")
    if (directory / "oracle.json").exists():
        if allow_keras_tuner:
            return
        raise UserError(
            f"{directory} holds a search of KerasTuner's own, which is kept in other files. Choose "
            "another project directory."
        )
    if (directory / schema.FILE_NAME).exists() or (directory / lock.FILE_NAME).exists():
        return
    foreign = [path.name for path in directory.iterdir() if not path.name.startswith(OUR_FILES)]
    if foreign:
        raise UserError(
            f"{directory} belongs to something else (it holds {sorted(foreign)[0]!r}). Expected a "
            "new or empty directory, or one of an earlier search."
        )


def delete_search(directory: str | Path) -> None:
    """Deletes a search, ours or one of KerasTuner's own, and nothing else that lies there.

    Raises:
        UserError: the directory belongs to something else, or another process searches in it.
    """
    directory = Path(directory)
    refuse_foreign(directory, allow_keras_tuner=True)
    if not directory.exists():
        return
    owned = lock.DirectoryLock.acquire(directory)
    try:
        for path in directory.iterdir():
            ours = path.name.startswith(OUR_FILES) or path.match("oracle.json")
            if path.name == lock.FILE_NAME or not (ours or path.match("tuner*.json")):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    finally:
        owned.release()
