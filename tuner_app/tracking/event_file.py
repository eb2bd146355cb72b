"""Writes TensorBoard event files: records appended to a file, one a run and process."""

import itertools
import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

_number = itertools.count()


class EventFile:
    """One run's event file, made when the first summary is written.

    TensorBoard reads the files of a folder in the order of their names, which begin with the time
    in seconds. The file begins with a restart mark, so a reader forgets what earlier files of the
    run said from that step on, and a resumed run shows each epoch once. No file stays open between
    writes: a search may have hundreds of runs.

    Args:
        run: The run's folder; it is made when needed.

    >>> import tempfile
    >>> file = EventFile(Path(tempfile.mkdtemp()) / "train")
    >>> file.write([], step=0)
    >>> len(list(file.run.glob("events.out.tfevents.*")))
    1
    """

    def __init__(self, run: Path):
        self.run = run
        self._path: Path | None = None

    def write(self, summaries: Iterable[summary_pb2.Summary], step: int) -> None:
        """Appends summaries of one step; a reader sees them when this returns.

        Raises:
            OSError: The file can't be written.
        """
        now = time.time()
        events = []
        if self._path is None:
            self.run.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}"
            self._path = self.run / f"{name}.{os.getpid()}.{next(_number):06d}"
            restart = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            events.append(event_pb2.Event(wall_time=now, file_version="brain.Event:2"))
            events.append(event_pb2.Event(wall_time=now, step=step, session_log=restart))
        for summary in summaries:
            events.append(event_pb2.Event(wall_time=now, step=step, summary=summary))
        with self._path.open("ab") as stream:
            writer = RecordWriter(stream)
            for event in events:
                writer.write(event.SerializeToString())

    def remove_earlier(self) -> None:
        """Deletes the run's event files of earlier processes, whose facts this one replaces."""
        if self.run.is_dir():
            for path in self.run.glob("events.out.tfevents.*"):
                if path != self._path:
                    path.unlink(missing_ok=True)
