"""Faults one after another, drawn by chance: after each the search is resumed, and loses nothing.

    python tests/soak.py --faults=100
    python tests/soak.py --faults=20 --seed=7 --seconds=300

A small search is disturbed by one fault from the list below at a time and resumed; when it has
ended, its trials are compared with those of the same search undisturbed, and the next one begins.
After each fault: no trial that had ended is lost or changed, none is there twice, and what was
printed has no traceback. In every search some lanes meet NaN. Prints what was done. Not part of the
test suite. A full disk is a limit on the size of files, and the process's clock is what jumps. If
--folder=FOLDER is a file system of its own (mount -t tmpfs -o size=64m tmpfs FOLDER), that one is
filled as well, before a search begins or while it runs.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).with_name("faults"))]

import commands  # (tests/faults/commands.py)  # noqa: E402
import numpy as np  # noqa: E402

from tuner_app.store import SearchReader, holds_search  # noqa: E402

TRIALS, EPOCHS = 8, 25
SPACE = Path(__file__).with_name("faults") / "space.py"
ENDED = ("COMPLETED", "FAILED", "PRUNED")


class Soak:
    """Searches in one folder, and what happened to them."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.draw = folder, random.Random(seed)
        self.counts: collections.Counter[str] = collections.Counter()
        self.statuses: collections.Counter[str] = collections.Counter()
        self.number, self.begun = 0, 0
        self.beside = Path(tempfile.mkdtemp(prefix="soak-"))  # has room, whatever is full
        self.said = self.beside / "said.txt"
        self.data = self.beside / "data.csv"
        write_data(self.data)
        self.project = folder / "undisturbed"
        assert commands.end(commands.begin(self.words(), str(self.said))) == 0, self.text()
        self.expected = self.found()
        assert {status for status, *_ in self.expected.values()} == {"COMPLETED", "FAILED"}
        self.next_search()

    def next_search(self) -> None:
        self.begun += 1
        self.project = self.folder / f"search-{self.begun}"
        self.done: dict = {}
        self.short_of_memory = False

    def words(self) -> list[str]:
        if holds_search(self.project):
            return ["resume", str(self.project)]
        return [
            "search",
            f"--project={self.project}",
            f"--dataset=csv:{self.data}?target=y",
            f"--space={SPACE}:rough",
            f"--max_trials={TRIALS}",
            f"--epochs={EPOCHS}",
            "--lanes=2",
            "--keep_best=3",
            "--batch_size=8",
            "--patience=0",
        ]

    def text(self) -> str:
        return self.said.read_text(errors="replace") if self.said.exists() else ""

    def begin(self, **options) -> int:
        self.said.unlink(missing_ok=True)
        return commands.begin(self.words(), str(self.said), **options)

    def found(self) -> dict:
        if not holds_search(self.project):
            return {}
        with SearchReader(self.project) as reader:
            rows = reader.trials()
            return {
                row.trial_id: (row.status, row.hyperparameters, reader.history(row.trial_id))
                for row in rows
                if row.status in ENDED
            }

    def failed_for_memory(self, trial_id: str) -> bool:
        with SearchReader(self.project) as reader:
            row = reader.trial(trial_id)
        return row.status == "FAILED" and row.message.startswith("Out of memory")

    # Faults. Each begins the search or goes on with it, and returns when its process is gone.

    def wait_some(self, child: int) -> None:
        """Into the search: most often while trials run."""
        target = self.draw.choice((0, 0, 1, 2, 4))
        until = time.monotonic() + self.draw.uniform(0, 3.0)
        while time.monotonic() < until + 20 * (target > 0):
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return
            if target and self.text().count("\ntrial ") >= target:
                break
            time.sleep(0.005)
        time.sleep(self.draw.uniform(0, 0.1))

    def signalled(self, *numbers: int) -> int:
        child = self.begin()
        self.wait_some(child)
        for number in numbers:
            os.kill(child, number)
            time.sleep(self.draw.choice((0, 0.01, 0.1, 0.5)))
        return commands.end(child)

    def kill(self) -> int:
        return self.signalled(signal.SIGKILL)

    def ctrl_c(self) -> int:
        return self.signalled(signal.SIGINT)

    def ctrl_c_twice(self) -> int:
        return self.signalled(signal.SIGINT, signal.SIGINT)

    def sigterm(self) -> int:
        return self.signalled(signal.SIGTERM)

    def sigterm_then_kill(self) -> int:
        return self.signalled(signal.SIGTERM, signal.SIGKILL)

    def clock_jumps(self) -> int:
        """Again and again, by years; then the process is killed."""
        child = self.begin(jumps=True)
        self.wait_some(child)
        os.kill(child, signal.SIGKILL)
        return commands.end(child)

    def full_disk(self) -> int:
        largest = max([p.stat().st_size for p in self.project.rglob("*") if p.is_file()] + [4096])
        return commands.end(self.begin(limit=largest + self.draw.randrange(200_000)))

    def full_file_system(self) -> int:
        """All of it, but for some bytes."""
        if not os.path.ismount(self.folder):
            self.how = "(none of its own: a limit on files)"
            return self.full_disk()
        filler, first = self.folder / "filler", self.draw.random() < 0.5

        def fill() -> None:
            left = shutil.disk_usage(self.folder).free - self.draw.randrange(200_000)
            with filler.open("wb") as file, contextlib.suppress(OSError):
                file.write(bytes(max(left, 0)))

        if first:
            fill()
        child = self.begin()
        if not first:
            self.wait_some(child)
            fill()
        try:
            return commands.end(child)
        finally:
            filler.unlink()

    def out_of_memory(self) -> int:
        """Little more than it has, which ends it or fails a trial, or is enough."""
        self.short_of_memory = True
        return commands.end(self.begin(memory=self.draw.randrange(400) << 20))

    def read_only(self) -> int:
        """The folder, not its files: what is open can be written, nothing new be made."""
        child = self.begin()
        self.wait_some(child)
        if not self.project.exists():
            return commands.end(child)
        subprocess.run(["chmod", "-R", "a-w", self.project], check=True)
        try:
            return commands.end(child)
        finally:
            subprocess.run(["chmod", "-R", "u+w", self.project], check=True)

    def damage(self) -> int:
        """A file of the project directory is cut, emptied or replaced by rubbish."""
        files = [p for p in sorted(self.project.rglob("*")) if p.is_file()]
        if not files:
            return self.kill()
        path = self.draw.choice(files)
        size = path.stat().st_size
        how = self.draw.choice(("cut", "emptied", "rubbish", "a byte", "deleted"))
        content = bytearray(path.read_bytes())
        if how == "cut":
            content = content[: self.draw.randrange(size + 1)]
        elif how == "emptied":
            content = b""
        elif how == "rubbish":
            content = self.draw.randbytes(self.draw.choice((1, 100, size + 1)))
        elif how == "a byte" and size:
            content[self.draw.randrange(size)] ^= 1 << self.draw.randrange(8)
        path.write_bytes(content) if how != "deleted" else path.unlink()
        self.how = f"{how}: {path.relative_to(self.project)}"
        return self.kill()

    def two_at_once(self) -> int:
        first, words = self.begin(), self.words()
        second = commands.begin(words, str(self.beside / "second.txt"))
        statuses = sorted((commands.end(first), commands.end(second)))
        second_said = (self.beside / "second.txt").read_text()
        assert "Traceback" not in second_said, second_said
        assert statuses in ([0, 2], [0, 0]), f"{statuses}\n{self.text()}\n{second_said}"
        return 0

    def other_data(self) -> int:
        """The data file changes; then it is as it was."""
        if not holds_search(self.project):
            self.how = "(before there was a search: killed)"
            return self.kill()
        before = self.data.read_bytes()
        self.data.write_bytes(before.replace(b"1", b"2", 1))
        status = commands.end(self.begin())
        self.data.write_bytes(before)
        assert status == 2 and "has changed" in self.text(), f"{status}: {self.text()}"
        return status

    FAULTS = (
        kill,
        kill,
        ctrl_c,
        ctrl_c_twice,
        sigterm,
        sigterm_then_kill,
        clock_jumps,
        full_disk,
        full_file_system,
        out_of_memory,
        read_only,
        damage,
        damage,
        damage,
        two_at_once,
        other_data,
    )

    def fault(self) -> None:
        """One fault, and a look at what is left."""
        fault, self.how = self.draw.choice(self.FAULTS), ""
        status = fault(self)
        self.number += 1
        self.counts[fault.__name__] += 1
        self.statuses[str(status)] += 1
        text = self.text()
        after = f"{len(self.found())} of {TRIALS} trials ended"
        print(f"{self.number:4} {fault.__name__} {self.how} -> {status}; {after}", flush=True)
        assert "Traceback" not in text, text
        self.look(text)

    def look(self, text: str) -> None:
        """Nothing that had ended is lost."""
        found = self.found()
        for trial_id, before in self.done.items():
            assert trial_id in found, f"{trial_id} is lost\n{text}"
            same(found[trial_id], before)
        self.done = found

    def go_on(self) -> None:
        """Resumes to the end, and compares with the undisturbed search."""
        status = commands.end(self.begin())
        assert status == 0, f"{status}: {self.text()}"
        assert "Traceback" not in self.text(), self.text()
        self.look(self.text())
        assert self.done.keys() == self.expected.keys(), f"{sorted(self.done)}\n{self.text()}"
        for trial_id, expected in self.expected.items():
            if not (self.short_of_memory and self.failed_for_memory(trial_id)):
                same(self.done[trial_id], expected)
        shutil.rmtree(self.project)
        self.next_search()


def same(found: tuple, expected: tuple) -> None:
    """The same status, values and epochs, to the rounding of single precision."""
    assert found[:2] == expected[:2], f"{found[:2]} instead of {expected[:2]}"
    assert found[2].keys() == expected[2].keys(), (sorted(found[2]), sorted(expected[2]))
    for at, metrics in expected[2].items():
        for metric, value in metrics.items():
            np.testing.assert_allclose(found[2][at][metric], value, rtol=1e-4, atol=1e-6)


def write_data(path: Path) -> None:
    """Sixty rows of three numbers and their product."""
    x = np.random.default_rng(0).standard_normal((60, 3))
    rows = np.column_stack([x, x.sum(axis=1)])
    lines = [",".join(f"{value:.6f}" for value in row) for row in rows]
    path.write_text("\n".join(["a,b,c,y", *lines, ""]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3600.0, help="then no new fault begins")
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    began = time.monotonic()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    soak, searches = Soak(folder, arguments.seed), 0
    while soak.number < arguments.faults and time.monotonic() - began < arguments.seconds:
        for _ in range(soak.draw.randint(2, 6)):
            if soak.number < arguments.faults and time.monotonic() - began < arguments.seconds:
                soak.fault()
        soak.go_on()
        searches += 1
    told = {"faults": soak.number, "searches": searches, "statuses": soak.statuses}
    print(json.dumps(told | {"kinds": soak.counts, "seconds": round(time.monotonic() - began)}))
    shutil.rmtree(soak.beside)
    shutil.rmtree(soak.project.parent / "undisturbed")
    if not os.path.ismount(folder):
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
