"""The board's own ways to fail, each named."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tuner_app.errors import UserError
from tuner_app.tracking import board

ROOT = Path(__file__).parents[2]


def test_a_port_in_use_is_named(tmp_path):
    (tmp_path / "tensorboard").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = (
            "from tuner_app.errors import UserError\n"
            "from tuner_app.tracking.board import serve\n"
            f"try: serve({str(tmp_path)!r}, {port})\n"
            "except UserError as error: print(error)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60
        )
    assert (
        run.stdout == f"Port {port} is in use. Give another one with --port, or --port=0 for any.\n"
    )


def test_a_directory_without_logs_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no TensorBoard logs.*a search that has begun"):
        board.serve(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        board.serve(tmp_path / "nowhere")
