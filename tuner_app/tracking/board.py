"""Serves TensorBoard for a project directory, on this machine only."""

import contextlib
import io
import sys
import threading
import types
from pathlib import Path

from tuner_app.errors import UserError
from tuner_app.tracking.tensorboard import FOLDER

HOST = "127.0.0.1"


def serve(project, port=None):
    """Starts TensorBoard on loopback, prints its address and serves until Ctrl-C.

    Args:
        project: The project directory, of a running or a finished search.
        port: The port to listen on; None or 0 takes a free one.

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
        server = start(folder, port or 0)
        print(f"TensorBoard: {server.get_url()}  Ctrl-C stops it.", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print("\nTensorBoard has stopped.", flush=True)


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
