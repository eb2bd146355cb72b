"""Writes TensorBoard event files: records appended to a file, one a run and process."""

import itertools
import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

FILES = "events.out.tfevents.*"
_number = itertools.count()


class EventFile:
    """One run's event file, made when the first summary is written.

    It takes over what earlier files of the run say of the steps before that summary's, and replaces
    them: a run that is resumed, or begun again, has each step once for every reader. It begins with
    a restart mark, by which a TensorBoard that is running forgets the files it has read. No file
    stays open between writes: a search may have hundreds of runs.

    Args:
        run: The run's folder; it is made when needed.

    >>> import tempfile
    >>> file = EventFile(Path(tempfile.mkdtemp()) / "train")
    >>> file.write([], step=0)
    >>> len(list(file.run.glob(FILES)))
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
        if self._path is None:
            self._path = self._begin(step)
        now = time.time()
        append(
            self._path,
            [event_pb2.Event(wall_time=now, step=step, summary=summary) for summary in summaries],
        )

    def _begin(self, step: int) -> Path:
        self.run.mkdir(parents=True, exist_ok=True)
        now = time.time()
        # Readers take the files of a folder in the order of their names, which begin with the time.
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}"
        path = self.run / f"{name}.{os.getpid()}.{next(_number):06d}"
        restart = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        events = [
            event_pb2.Event(wall_time=now, file_version="brain.Event:2"),
            event_pb2.Event(wall_time=now, step=0, session_log=restart),
        ]
        earlier = sorted(self.run.glob(FILES))
        for file in earlier if step else ():
            loaded = EventFileLoader(str(file)).Load()
            events += [e for e in loaded if e.HasField("summary") and e.step < step]
        # Renamed when whole, so that a killed process leaves the old files or the new one; until
        # then under a name that no reader takes for an event file.
        beside = self.run / "unfinished"
        beside.unlink(missing_ok=True)
        append(beside, events)
        beside.rename(path)
        for file in earlier:
            file.unlink(missing_ok=True)
        return path


def append(path: Path, events: Iterable[event_pb2.Event]) -> None:
    """Writes events at the end of a file, as records with checksums."""
    with path.open("ab") as stream:
        writer = RecordWriter(stream)
        for event in events:
            writer.write(event.SerializeToString())
