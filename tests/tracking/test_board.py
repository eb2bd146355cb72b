"""The board's own ways to fail, each named."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.io_wrapper import GetLogdirSubdirectories

from tuner_app.errors import UserError
from tuner_app.store import SearchStore, TrialRow
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


def test_of_many_trials_the_best_can_be_shown_alone(tmp_path):
    folder = tmp_path / "tensorboard"
    with SearchStore(tmp_path) as store:
        store.set_fact("objective", {"name": "val_loss", "direction": "min"})
        with pytest.raises(UserError, match="No trial .* has a score yet"):
            board.best_only(tmp_path, 2).__enter__()
        space = store.space_number([])
        for number, score in enumerate((0.3, 0.1, None, 0.2)):
            status = "FAILED" if score is None else "COMPLETED"
            store.save_trial(TrialRow(str(number), number, status, space, {}, score=score))
            for run in (f"{number}", f"{number}/train", f"confirmation/{number}/seed_0/train"):
                (folder / run).mkdir(parents=True)
                (folder / run / "events.out.tfevents.1").touch()
    (folder / "events.out.tfevents.1").touch()
    with board.best_only(tmp_path, 2) as shown:
        found = {str(Path(run).relative_to(shown)) for run in GetLogdirSubdirectories(str(shown))}
    assert found == {".", "1", "1/train", "3", "3/train"}
    assert not shown.exists() and (folder / "1" / "train" / "events.out.tfevents.1").exists()
