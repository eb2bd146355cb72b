"""Defaults that come from the machine: how much memory to use, where prepared data is kept."""

import os
from pathlib import Path

import pytest

from tuner_app.data import memory
from tuner_app.data.cache import default_folder, prepared


def test_a_quarter_of_the_machine_or_of_the_container(monkeypatch):
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory.default_limit() <= machine // 4
    monkeypatch.setattr(Path, "read_text", lambda path: f"{machine // 2}\n")
    assert memory.default_limit() == machine // 2 // 4
    monkeypatch.setattr(Path, "read_text", lambda path: "max\n")
    assert memory.default_limit() == machine // 4


def test_the_cache_is_where_xdg_says():
    assert default_folder({}) == Path.home() / ".cache" / "tuner_app"
    assert default_folder({"XDG_CACHE_HOME": ""}) == Path.home() / ".cache" / "tuner_app"
    assert default_folder({"XDG_CACHE_HOME": "here"}) == Path.home() / ".cache" / "tuner_app"
    assert default_folder({"XDG_CACHE_HOME": "/there"}) == Path("/there/tuner_app")


def test_an_interrupted_preparation_leaves_nothing_and_is_done_again(tmp_path):
    def interrupted(folder):
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared(tmp_path / "data", interrupted)
    assert list(tmp_path.iterdir()) == []
    folder = prepared(tmp_path / "data", lambda folder: (folder / "whole").write_text(""))
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_the_slower_of_two_throws_its_copy_away(tmp_path):
    def overtaken(folder):
        (folder / "slow").write_text("")
        prepared(tmp_path / "data", lambda other: (other / "fast").write_text(""))

    folder = prepared(tmp_path / "data", overtaken)
    assert [path.name for path in folder.iterdir()] == ["fast"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
