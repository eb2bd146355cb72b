"""Rubbish in, one clear sentence out: feeds the program inputs that nobody meant to write.

    python tests/fuzz/fuzz.py                          # 10,000 inputs, some minutes
    python tests/fuzz/fuzz.py --inputs=500 --seed=7
    python tests/fuzz/fuzz.py --kind=csv --seed=123 --inputs=1    # the one that failed

Each input is made from its number, so a failure can be repeated alone. An input passes if it is
taken, or refused with a `UserError` (exit status 2, one line). Whatever else is raised, and a
refusal that says nothing, is a failure. Nothing here trains, and nothing imports TensorFlow.
"""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from unittest import mock

import numpy as np

ODD_TEXTS = (
    "", " ", "=", "--", "0", "-1", "1e9", "nan", "inf", "-inf", "None", "true", "[]", "{}", "\x00",
    "\n", "\t", "é", "日本", "🙂", "a" * 5000, "../../etc", "/", "~", ".", "..", "%s", "{0}",
    "$HOME", "csv:", "npz:", "images:", "tfds:", ":", "?", "csv:?target=", "mlp", "digits",
    "a.py:b", "a.py:", ".py:x", "FILE.py:OBJECT", "val_accuracy:max", ":max", "9" * 400, "0x10",
    "1_000", "adam,adam", ",", "adam,,sgd", "\udcff", "://", "s3://x/y", "nowhere://x", "memory://x",
    "file://x", "memory:///../x",
)  # fmt: skip


def odd_text(rng: random.Random) -> str:
    if rng.random() < 0.7:
        return rng.choice(ODD_TEXTS)
    return "".join(
        chr(rng.choice((rng.randrange(1, 128), rng.randrange(1, 0xD800)))) for _ in "abcd"
    )


def odd_value(rng: random.Random, depth: int = 0):
    """Any JSON value."""
    kinds = [
        lambda: odd_text(rng),
        lambda: rng.choice((0, 1, -1, 2**31, 2**63, 10**400, 3)),
        lambda: rng.choice((0.5, float("nan"), float("inf"), -0.0, 1e308)),
        lambda: rng.choice((None, True, False)),
    ]
    if depth < 3:
        kinds += [
            lambda: [odd_value(rng, depth + 1) for _ in range(rng.randrange(4))],
            lambda: {odd_text(rng): odd_value(rng, depth + 1) for _ in range(rng.randrange(4))},
        ]
    return rng.choice(kinds)()


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A file's content cut, emptied, with bytes changed, put in, doubled, or replaced by others."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(content) + 1)
        match rng.randrange(6):
            case 0:
                del content[at:]
            case 1:
                content[at:at] = rng.randbytes(rng.randrange(1, 20))
            case 2 if content:
                content[min(at, len(content) - 1)] = rng.randrange(256)
            case 3:
                content[at : at + rng.randrange(1, 200)] = b""
            case 4:
                content[at:at] = content[:at][-50:]
            case _:
                content[at:at] = rng.choice(
                    (b'"', b",", b"\r", b"\x00", b"\xff\xfe", b"\n\n", b"{")
                )
    return bytes(content)


# Kinds of input: each takes random numbers and an empty folder, and calls the program.


def flags(rng: random.Random, folder: Path) -> None:
    from tuner_app.cli import main
    from tuner_app.config import SearchConfig

    names = [field.name for field in fields(SearchConfig)]
    names += ["quiet", "explain_plan", "format", "output", "port", "help", "flagfile", "x"]
    words = [rng.choice((*main.COMMANDS, "search", "search", "results", odd_text(rng)))]
    for _ in range(rng.randrange(5)):
        name = rng.choice((*names, odd_text(rng)))
        words.append(rng.choice((f"--{name}={odd_text(rng)}", f"--{name}", odd_text(rng))))
    run(words)


def settings(rng: random.Random, folder: Path) -> None:
    from tuner_app.config import SearchConfig

    values = SearchConfig().to_dict()
    for _ in range(rng.randrange(1, 4)):
        values[rng.choice((*values, odd_text(rng)))] = odd_value(rng)
    SearchConfig.from_dict(values)


def spec(rng: random.Random, folder: Path) -> None:
    from tuner_app import data

    text = rng.choice(("csv:", "npz:", "images:", "tfds:", "digits", "diabetes", ""))
    for _ in range(rng.randrange(4)):
        text += rng.choice((odd_text(rng), "?", "&", "target=", "x=", "y=", "validation="))
    data.check(text)


TABLE = "size,weight,kind\n" + "".join(f"{i},{i % 7 / 3:.3f},{'abc'[i % 3]}\n" for i in range(40))


def csv(rng: random.Random, folder: Path) -> None:
    from tuner_app import data

    (folder / "table.csv").write_bytes(damaged(TABLE.encode(), rng))
    data.check(f"csv:{folder}/table.csv?target={rng.choice(('kind', 'size', 'weight'))}")


def npz(rng: random.Random, folder: Path) -> None:
    from tuner_app import data

    content = io.BytesIO()
    x, y = np.arange(120.0).reshape(40, 3), np.arange(40) % 3
    odd = (
        {"x": x, "y": y},
        {"x": x, "y": y[:-1]},
        {"x": x.astype("U"), "y": y},
        {"x": x, "y": y + np.nan},
        {"x": x.astype(complex), "y": y},
        {"x": x[:0], "y": y[:0]},
        {"x": x, "y": np.float64(3)},
        {"x": x > 3, "y": y.astype("datetime64[s]")},
        {"x": x, "z": y},
    )
    np.savez(content, **rng.choice(odd))
    content = content.getvalue()
    if rng.random() < 0.8:
        content = damaged(content, rng)
    else:  # the archive is whole, a member is not
        with zipfile.ZipFile(folder / "a.npz", "w") as archive:
            for name in ("x.npy", "y.npy", odd_text(rng)[:50] or "z"):
                with contextlib.suppress(UnicodeError, ValueError, IndexError):
                    member = io.BytesIO()
                    np.save(member, x)
                    archive.writestr(name, damaged(member.getvalue(), rng))
        content = (folder / "a.npz").read_bytes()
    (folder / "a.npz").write_bytes(content)
    data.check(f"npz:{folder}/a.npz")


def space(rng: random.Random, folder: Path) -> None:
    import search_spaces

    (folder / "mine.py").write_bytes(damaged(b"def build(hp):\n    return hp\n\nother = 3\n", rng))
    name = rng.choice(("build", "other", "missing", odd_text(rng)))
    search_spaces.check(rng.choice((f"{folder}/mine.py:{name}", odd_text(rng))))


def project(rng: random.Random, folder: Path) -> None:
    """A finished search, one of its files damaged, and then read in every way."""
    shutil.copytree(finished_search(), folder / "p")
    files = sorted(path for path in (folder / "p").rglob("*") if path.is_file())
    for path in rng.sample(files, rng.choice((1, 1, 2))):
        path.write_bytes(damaged(path.read_bytes(), rng))
    for output in ("table", "json", "csv"):
        run(["results", str(folder / "p"), f"--format={output}"])
    run(["resume", str(folder / "p")])


def trial_json(rng: random.Random, folder: Path) -> None:
    """The database is lost, and the trials' files that it is taken back from hold rubbish."""
    shutil.copytree(finished_search(), folder / "p")
    for database in (folder / "p").glob("search.db*"):
        database.unlink()
    path = rng.choice(sorted((folder / "p").rglob("*.json")))
    content = json.loads(path.read_text())
    target = content
    while isinstance(target, dict) and target and rng.random() < 0.5:
        key = rng.choice(sorted(target))
        if not isinstance(target[key], dict):
            break
        target = target[key]
    if isinstance(target, dict):
        target[rng.choice((*sorted(target), odd_text(rng)))] = odd_value(rng)
    path.write_text(json.dumps(content), errors="surrogatepass")
    run(["results", str(folder / "p"), "--format=json"])
    run(["resume", str(folder / "p")])


KINDS: dict[str, Callable[[random.Random, Path], None]] = {
    f.__name__: f for f in (flags, settings, spec, csv, npz, space, project, trial_json)
}


class Silent(Exception):
    """Input was refused without a word, or with more than a line."""


class Started(Exception):
    """Input was taken: the work would begin."""


def run(words: list[str]) -> None:
    """The command line with these words, without training."""
    from tuner_app import environment
    from tuner_app.cli import main

    said = io.StringIO()
    with (
        mock.patch.object(environment, "import_quietly", side_effect=Started),
        mock.patch.dict(os.environ),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            status = main.main(words)
        except Started:
            return
    if status not in (0, 1, 2) or (status == 2 and said.getvalue().count("\n") != 1):
        raise Silent(f"status {status}, said {said.getvalue()!r}")


_finished: list[Path] = []


def finished_search() -> Path:
    """A project directory with four trials in it, made once."""
    if not _finished:
        from tuner_app.config import SearchConfig
        from tuner_app.store import SearchStore

        folder = Path(tempfile.mkdtemp(prefix="fuzz")) / "p"
        make_search(folder, SearchConfig(), SearchStore)
        _finished.append(folder)
    return _finished[0]


def make_search(folder: Path, config, store_class) -> None:
    from tuner_app.store import TrialRow

    with store_class(folder) as store:
        store.begin_session({"python": "3"})
        store.set_fact("config", config.to_dict())
        store.set_fact("objective", {"name": "val_loss", "direction": "min"})
        number = store.space_number([{"class_name": "Boolean", "config": {"name": "yes"}}])
        for i in range(4):
            trial_id = f"{i:02d}"
            store.save_trial(TrialRow(trial_id, i, "RUNNING", number, {"yes": bool(i % 2)}))
            store.begin_attempt(trial_id)
            store.report_epochs([(trial_id, 0, 0, {"val_loss": 1.0 / (i + 1)}, 1.0)])
            if i < 3:
                values = ("COMPLETED", number, {"yes": True}, 1.0 / (i + 1), 0)
                store.save_trial(TrialRow(trial_id, i, *values, ended=i))
                store.end_attempt(trial_id, "COMPLETED")


def failure_of(kind: str, seed: int) -> str | None:
    """How the program fails on one input, in words; None if it does not."""
    from tuner_app.errors import UserError

    # A text as seed: the same numbers on every machine.
    rng = random.Random(f"{kind} {seed}")
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    try:
        with contextlib.chdir(folder):
            KINDS[kind](rng, folder)
    except UserError as refusal:
        return None if str(refusal).strip() else "refused without a word"
    except Exception:
        return traceback.format_exc()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return None


def failures(kinds: list[str], first: int, inputs: int):
    """(kind, number, in words) of each failing one of `inputs` inputs, the kinds in turn."""
    for i in range(inputs):
        kind, seed = kinds[i % len(kinds)], first + i // len(kinds)
        found = failure_of(kind, seed)
        if found:
            yield kind, seed, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--kind", choices=sorted(KINDS), help="default: all, in turn")
    options = parser.parse_args()
    found = 0
    kinds = [options.kind] if options.kind else list(KINDS)
    for kind, seed, text in failures(kinds, options.seed, options.inputs):
        found += 1
        print(f"--kind={kind} --seed={seed} --inputs=1\n{text}", flush=True)
    print(f"{options.inputs} inputs of {len(kinds)} kinds: {found} failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    sys.exit(main())
