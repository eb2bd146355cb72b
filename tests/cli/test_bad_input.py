"""Bad input: exit status 2, one sentence that names the culprit, and nothing written."""

from pathlib import Path

import pytest

from tuner_app.cli import listing
from tuner_app.cli.main import main

ROWS = "".join(f"{i},{i % 3},{'ab'[i % 2]}\n" for i in range(60))

FILES = {
    "good.csv": "size,weight,kind\n" + ROWS,
    "empty.csv": "",
    "only_header.csv": "size,weight,kind\n",
    "small.csv": "size,kind\n1,a\n2,b\n3,a\n",
    "one_class.csv": "size,kind\n" + "".join(f"{i},a\n" for i in range(60)),
    "ragged.csv": "size,weight,kind\n" + ROWS + "1,2\n",
    "broken.py": "def build(hp:\n    return None\n",
    "without.py": "def something_else(hp):\n    return None\n",
    "returns_nothing.py": "def build(hp):\n    hp.Int('units', 1, 3)\n",
    "unmeasured.py": """import keras

def build(hp):
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
""",
    "a_file": "not a folder",
}

# (words, what the sentence must contain)
CASES = [
    (["serch"], ["command", "serch", "search"]),
    (["search", "extra"], ["extra"]),
    (["resume"], ["DIR"]),
    (["list", "optimisers"], ["optimisers", "optimizers"]),
    (["search", "--max_trial=3"], ["--max_trial.", "--max_trials?", "tuner-app search --help"]),
    (["train", "p", "--noquite"], ["--noquite.", "--quiet?", "tuner-app train --help"]),
    (["list", "oracles", "--xyz"], ["flag --xyz. All are listed by tuner-app list --help."]),
    (["search", "--max_trials"], ["max_trials"]),
    (["search", "--max_trials=many"], ["max_trials", "many", "whole number"]),
    (["search", "--max_trials=2.5"], ["max_trials", "2.5"]),
    (["search", "--max-trials=0"], ["max_trials", "0", "at least 1"]),
    (["search", "--max_trials=-3"], ["max_trials", "-3"]),
    (["search", "--epochs=0"], ["epochs", "0"]),
    (["search", "--patience=-1"], ["patience", "-1"]),
    (["search", "--batch_size=0"], ["batch_size", "0"]),
    (["search", "--seed=-1"], ["seed", "-1"]),
    (["search", "--seed=x"], ["seed", "x"]),
    (["search", "--precision=float16"], ["precision", "of float32, mixed_bfloat16, mixed"]),
    (["search", "--quantile=half"], ["--quantile=half: expected a number, such as 0.5."]),
    (["search", "--quiet=perhaps"], ["--quiet=perhaps: expected no value, true or false."]),
    (["search", "--dataset=digts"], ["digts", "digits"]),
    (["search", "--dataset="], ["dataset"]),
    (["search", "--space=mpl"], ["mpl", "mlp"]),
    (["search", "--oracle=baysian"], ["baysian", "bayesian"]),
    (["search", "--oracle=brute"], ["brute tries every combination", "a Float without a step"]),
    (["search", "--optimizers=adm"], ["adm", "adam"]),
    (["search", "--optimizers="], ["optimizers"]),
    (["search", "--objective=val_accuracy:up"], ["val_accuracy:up", "max"]),
    (["search", "--dataset=csv:missing.csv?target=kind"], ["missing.csv"]),
    (["search", "--dataset=csv:empty.csv?target=kind"], ["empty.csv"]),
    (["search", "--dataset=csv:only_header.csv?target=kind"], ["only_header.csv"]),
    (["search", "--dataset=csv:good.csv?target=knd"], ["knd", "kind"]),
    (["search", "--dataset=csv:small.csv?target=kind"], ["small.csv"]),
    (["search", "--dataset=csv:one_class.csv?target=kind"], ["one_class.csv"]),
    (["search", "--dataset=csv:ragged.csv?target=kind"], ["ragged.csv"]),
    (["search", "--dataset=csv:binary.csv?target=kind"], ["binary.csv"]),
    (["search", "--dataset=npz:unequal.npz"], ["unequal.npz"]),
    (["search", "--dataset=npz:missing.npz"], ["missing.npz"]),
    (["search", "--dataset=images:missing"], ["missing"]),
    (["search", "--dataset=tfds:no_such_data_set"], ["no_such_data_set"]),
    (["search", "--space=broken.py:build"], ["broken.py", "line 1"]),
    (["search", "--space=without.py:build"], ["without.py", "build"]),
    (["search", "--space=missing.py:build"], ["missing.py"]),
    (["search", "--space=returns_nothing.py"], ["a NoneType", "Keras model", "return model"]),
    (["search", "--space=unmeasured.py"], ["metrics=['accuracy']", "--objective=val_loss."]),
    (["search", "--project=a_file"], ["a_file"]),
    (["search", "--project=a_file/below"], ["a_file"]),
    (["search", "--project=somebodys"], ["somebodys", "letters.txt"]),
    (["search", "--flagfile=missing.flags"], ["flags in missing.flags: No such file"]),
    (["resume", "missing"], ["missing"]),
    (["resume", "a_file"], ["a_file"]),
    (["resume", "somebodys"], ["somebodys"]),
    (["results", "missing"], ["missing"]),
    (["results", "somebodys", "--format=table"], ["somebodys"]),
    (["results", "somebodys", "--format=xml"], ["format", "xml"]),
    (["export", "missing"], ["missing"]),
    (["board", "missing"], ["missing"]),
    (["board", "somebodys", "--port=99999"], ["port", "99999"]),
]


@pytest.fixture
def folder(in_empty_folder: Path) -> Path:
    import numpy as np

    for name, text in FILES.items():
        (in_empty_folder / name).write_text(text)
    (in_empty_folder / "binary.csv").write_bytes(bytes(range(256)) * 20)
    np.savez(in_empty_folder / "unequal.npz", x=np.zeros((40, 3)), y=np.zeros(39, "int32"))
    (in_empty_folder / "somebodys").mkdir()
    (in_empty_folder / "somebodys" / "letters.txt").write_text("Dear Anna")
    return in_empty_folder


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, with the bytes of those that are files; but for what Python keeps
    of the modules that it compiled."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


@pytest.mark.parametrize(("words", "named"), CASES, ids=lambda value: " ".join(value))
def test_bad_input_is_refused_in_one_sentence(words, named, folder, capsys):
    before = contents(folder)
    status = main(words)
    printed = capsys.readouterr()
    assert status == 2, printed
    lines = printed.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("tuner-app: "), printed.err
    for word in named:
        assert word in lines[0]
    assert printed.out == ""
    assert contents(folder) == before


def test_a_process_without_memory_says_so(monkeypatch, capsys):
    def needs_more(flag_values, positional):
        raise MemoryError

    monkeypatch.setattr(listing, "run", needs_more)
    assert main(["list", "optimizers"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "got no more memory" in line and "tuner-app resume DIR" in line


def test_a_real_process_shows_no_traceback(tuner_app_process, tmp_path):
    done = tuner_app_process("search", "--optimizers=adm")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "Did you mean 'adam'?" in done.stderr
    assert list(tmp_path.iterdir()) == []
