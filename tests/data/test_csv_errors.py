"""A CSV file that can't be learned from is refused with one sentence that says how to mend it."""

import os
import random
import subprocess
import sys

import pytest

from tuner_app import data
from tuner_app.errors import UserError

GOOD = ["x,colour,y", *(f"{i},{'ab'[i % 2]},{i % 2}" for i in range(20))]


def text(*lines):
    return "\n".join(lines)


CASES = {
    "empty": ("", "is empty"),
    "blank lines only": ("\n\n  \n", "is empty"),
    "header only": ("x,y", "has 0 examples, too few to split"),
    "too small": (text("x,y", *["1,0", "2,1"] * 4), "has 8 examples, too few to split"),
    "one class": (text("x,y", *(f"{i},a" for i in range(20))), "only one class, 'a'"),
    "one value": (text("x,y", *["1,0.5"] * 20), "has only one value, 0.5"),
    "rare class": (
        text(*GOOD, "1,a,2"),
        "class '2' has 1 example, and each class needs at least 3",
    ),
    "long row": (text(*GOOD[:5], "1,a,1,4", *GOOD[5:]), "line 6: 4 cells, but the header has 3"),
    "short row": (text(*GOOD, "1,a"), "line 22: 2 cells, but the header has 3"),
    "short row after a quoted line end": (
        text("x,colour,y", '1,"a\nb",0', "1,2"),
        "line 4: 2 cells",
    ),
    "doubled name": (text("x,x,y", "1,2,3"), "column name 'x' occurs twice"),
    "no name": (text("x,,y", *(f"1,{i * i},{i % 2}" for i in range(20))), "column 2 has no name"),
    "no header": (text(*["1,2,3"] * 20), "the first line looks like data (1, 2, 3)"),
    "open quote": (text(*GOOD, '1,"a,1'), "line 22: unexpected end of data"),
    "stray quote": (text(*GOOD, '1,"a"b,1'), "quotes in pairs"),
    "infinite": (text(*GOOD, "inf,a,1"), "line 22: column 'x' holds a number that is infinite"),
    "too large": (text(*GOOD, "1e39,a,1"), "line 22: column 'x' holds a number that is infinite"),
    "infinite target": (text("x,y", *(f"{i},{i}e307" for i in range(20))), "beyond 3.4e38"),
    "nothing to learn from": (
        text("id,y", *(f"n{i},{i % 2}" for i in range(20))),
        "has nothing to learn from beside the target 'y'",
    ),
    "only the target": (text("y", *(f"{i % 2}" for i in range(20))), "nothing to learn from"),
    "target never given": (text("x,y", *(f"{i}," for i in range(20))), "has 0 examples"),
    "control characters": ("x,y\n1,\x00\n", "is not text"),
    "PNG": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is not text"),
    "UTF-16": (text(*GOOD).encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
    "no encoding": (b"x,y\n\x81\xfe,1\n", "neither UTF-8 nor Windows-1252"),
    "old line ends": (text(*GOOD).replace("\n", "\r"), "usual line ends"),
    "a field without end": ("x,y\n" + "a" * 200_000 + ",1", "field larger than field limit"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_files(tmp_path, case):
    content, expected = CASES[case]
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        data.check(f"csv:{path}?target=y")
    assert expected in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "no target given; add ?target=COLUMN with one of the columns x, colour, y"),
        ("?target=color", "Did you mean 'colour'?"),
        ("?target=y&taks=regression", "Did you mean 'task'?"),
        ("?target=y&task=regresion", "Did you mean 'regression'?"),
        ("?target=y&target=x", "option 'target' is given twice"),
        ("?target", "expected OPTION=VALUE after '?', received 'target'"),
        ("?target=colour&task=regression", "regression needs numbers, and it holds 'a'"),
    ],
)
def test_bad_options(tmp_path, options, expected):
    path = tmp_path / "table.csv"
    path.write_text(text(*GOOD))
    with pytest.raises(UserError) as caught:
        data.check(f"csv:{path}{options}")
    assert expected in str(caught.value)


def test_bad_paths(tmp_path):
    for place, expected in [
        (tmp_path / "none.csv", "does not exist"),
        (tmp_path, "is a folder"),
        ("x" * 5000, "can't be reached"),
        ("a\0b", "does not exist"),
        ("~nobody-here/x.csv", "does not exist"),
    ]:
        with pytest.raises(UserError, match=expected):
            data.check(f"csv:{place}?target=y")
    with pytest.raises(UserError, match="expected FILE after 'csv:'"):
        data.check("csv:?target=y")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("digit", "Did you mean 'digits'?"),
        ("csvv:x.csv?target=y", "Did you mean 'csv'?"),
        ("wine.csv", "csv:wine.csv?target=COLUMN"),
        ("wine.npz", "npz:wine.npz"),
        ("", "Unknown data set ''"),
        ("digits?size=3", "Data set 'digits' has no options, received 'size'"),
        ("digits:all", "nothing may follow 'digits', received 'all'"),
    ],
)
def test_unknown_data_sets(spec, expected):
    with pytest.raises(UserError) as caught:
        data.check(spec)
    assert expected in str(caught.value)


def test_a_negative_seed_is_refused():
    with pytest.raises(UserError, match="seed must not be negative, got -1"):
        data.load("digits", seed=-1)


def test_a_file_that_changed_is_read_again(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(text(*GOOD))
    data.check(f"csv:{path}?target=y")
    path.write_text(text(*GOOD[:-1]) + "\n1,2\n")
    os.utime(path, (1, 1))
    with pytest.raises(UserError, match="line 21: 2 cells"):
        data.check(f"csv:{path}?target=y")


def test_random_and_damaged_files_are_refused_or_read(tmp_path):
    """Whatever the bytes: a `UserError` or success, nothing else."""
    dice = random.Random(0)
    good = text(*GOOD, '3,"a, ""quoted""\nline",1', "NA,é,0", "?,,1").encode()
    path = tmp_path / "table.csv"
    counts = {"read": 0, "refused": 0}
    for i in range(400):
        content = bytearray(good)
        if i % 4 == 0:
            content = bytearray(dice.randbytes(dice.randrange(300)))
        elif i % 4 == 1:
            content = bytearray(dice.choices(b'xy,;\n\r"0123456789.aNe\t -', k=dice.randrange(300)))
        for _ in range(dice.randrange(1, 4)):
            if content:
                at = dice.randrange(len(content))
                piece = bytes(dice.choices(b'",;\n\r\t0 9aNe-\xe9\x00', k=dice.randrange(3)))
                content[at : at + dice.randrange(4)] = piece
        path.write_bytes(content)
        os.utime(path, (i, i))
        try:
            data.check(f"csv:{path}?target=y")
            counts["read"] += 1
        except UserError:
            counts["refused"] += 1
    # Both ends are reached, or the test would show nothing.
    assert counts["read"] > 10 and counts["refused"] > 200


def test_checks_import_no_tensorflow(tmp_path):
    (tmp_path / "table.csv").write_text(text(*GOOD))
    code = (
        "import sys; from tuner_app import data; data.check('csv:table.csv?target=y')\n"
        "for spec in ('npz:none', 'images:none', 'digits', 'diabetes', 'tfds:mnst', 'x'):\n"
        "    try: data.check(spec)\n"
        "    except data.UserError: pass\n"
        "print([m for m in ('tensorflow', 'keras', 'jax') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "[]\n", done.stderr
