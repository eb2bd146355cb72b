"""Serves TensorBoard for a project directory, on this machine only."""

import contextlib
import io
import sys
import tempfile
import threading
import types
from pathlib import Path

from tuner_app.errors import UserError
from tuner_app.results import read
from tuner_app.tracking.event_file import FILES
from tuner_app.tracking.tensorboard import FOLDER

HOST = "127.0.0.1"
DRAWN = 40  # runs; of more TensorBoard draws none until some are chosen
# Curves are coloured by the first word of a run's name, the trial: by a regular expression,
# escaped so that terminals take the whole for an address.
BY_TRIAL = "?runColorGroup=regex:%28%5Cw%2B%29"


def serve(project, port=None, top=0):
    """Starts TensorBoard on loopback, prints its address and serves until Ctrl-C.

    Args:
        project: The project directory, of a running or a finished search.
        port: The port to listen on; None or 0 takes a free one.
        top: Show the best so many trials only; 0: all.

    Raises:
        UserError: There is nothing to show, or the port is taken or not allowed.
    """
    folder = Path(project) / FOLDER
    if not folder.is_dir():
        received = "holds no TensorBoard logs" if Path(project).is_dir() else "does not exist"
        raise UserError(
            f"{str(project)!r} {received}. Expected the project directory of a search that has "
            "begun."
        )
    try:
        with best_only(project, top) if top else contextlib.nullcontext(folder) as shown:
            server = start(shown, port or 0)
            print(f"TensorBoard: {server.get_url()}{BY_TRIAL}  Ctrl-C stops it.", flush=True)
            runs = sum(1 for _ in folder.glob(f"*/*/{FILES}"))
            if not top and runs > DRAWN:
                print(
                    f"With {runs:,} runs it draws no curve until you choose some; --top=10 shows "
                    "those of the best ten trials.",
                    flush=True,
                )
            threading.Event().wait()
    except KeyboardInterrupt:
        print("\nTensorBoard has stopped.", flush=True)


@contextlib.contextmanager
def best_only(project, top):
    """While open, a folder in which TensorBoard finds the best `top` trials only, and these without
    their confirmations, which would be more runs than it draws.

    Args:
        project: The project directory.
        top: How many.

    Raises:
        UserError: No trial has a score.
    """
    scored = [trial.trial_id for trial in read(project).trials if trial.score is not None][:top]
    if not scored:
        raise UserError(f"No trial of {project} has a score yet, so none is best. Leave out --top.")
    folder = (Path(project) / FOLDER).absolute()
    with tempfile.TemporaryDirectory() as beside:
        # The description of the search, what the best gets wrong, and the trials.
        shown = [*(file.name for file in folder.glob(FILES)), "best_trial", *scored]
        for name in shown:
            if (folder / name).exists():
                (Path(beside) / name).symlink_to(folder / name)
        yield Path(beside)


def start(folder, port):
    """Starts TensorBoard's own server in a thread of this process; it ends with the process."""
    # TensorBoard reads event files by itself; importing TensorFlow would take seconds for nothing.
    # It goes without when this module exists: TensorBoard's own mark of a build without TensorFlow.
    sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("notf"))
    from tensorboard import default, program

    servers = []

    def kept(application, flags):
        servers.append(program.WerkzeugServer(application, flags))
        return servers[0]

    board = program.TensorBoard(default.get_plugins(), server_class=kept)
    board.configure(logdir=str(folder), host=HOST, port=port, reload_interval=2.0)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # its note on how it reads files
            board.launch()
    except program.TensorBoardPortInUseError:
        raise UserError(
            f"Port {port} is in use. Give another one with --port, or --port=0 for any."
        ) from None
    except program.TensorBoardServerException as error:
        raise UserError(f"TensorBoard can't listen on port {port}: {error.msg}.") from None
    return servers[0]
