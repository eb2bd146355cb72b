"""What is suggested to type can be typed as it is."""

import os
from pathlib import Path

import pytest

from tuner_app.cli.invocation import command_line


@pytest.fixture
def program(in_empty_folder: Path) -> Path:
    path = in_empty_folder / "an environment" / "bin" / "tuner-app"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_by_name_where_it_is_on_the_path(program, monkeypatch):
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert command_line("resume", "my search") == "tuner-app resume 'my search'"


def test_by_its_path_from_here_where_it_is_not(program, monkeypatch):
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert command_line("board", "x") == "'an environment/bin/tuner-app' board x"


def test_as_a_module_it_stays_a_module(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/tuner_app/__main__.py"])
    monkeypatch.setattr("sys.executable", "/usr/bin/python3.12")
    assert command_line("board", "x") == "python3.12 -m tuner_app board x"
