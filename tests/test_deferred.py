"""What stands for a module: who imports it, who uses it, and who does so too early."""

import importlib
import sys

import pytest

from tuner_app.deferred import deferred


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that nobody has imported, with two modules."""
    folder = tmp_path / "deferred_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text(f"NAME = '{name}'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def test_a_module_is_imported_when_something_of_it_is_used(package):
    with deferred(package, f"{package}.one"):
        import deferred_package.one as by_name
        from deferred_package import one as by_from
    assert not [name for name in sys.modules if name.startswith(package)]
    assert by_name is by_from and by_name.NAME == "one"
    assert sys.modules["deferred_package.one"].NAME == "one"
    with pytest.raises(AttributeError, match="MISSING"):
        _ = by_name.MISSING


@pytest.mark.parametrize("before", [False, True])
def test_a_module_of_a_package_that_is_there(before, package):
    if before:
        importlib.import_module(package)
    with deferred(f"{package}.one"):
        import deferred_package.one
        import deferred_package.two as other
        from deferred_package import one as by_from
    assert other.NAME == "two" and f"{package}.one" not in sys.modules
    assert deferred_package.one is by_from and deferred_package.one.NAME == "one"
    assert deferred_package.one is sys.modules[f"{package}.one"]  # bound by the import


def test_what_is_used_at_once_is_imported_at_once(package):
    with deferred(package, f"{package}.one"):
        import deferred_package as early
        from deferred_package.one import NAME

        assert NAME == "one" and f"{package}.two" not in sys.modules
        import deferred_package.two

        assert deferred_package.two.NAME == "two" and early.two is deferred_package.two
    import deferred_package.one

    assert deferred_package.one.NAME == "one" and deferred_package.two.NAME == "two"
    assert deferred_package is sys.modules[package]


def test_a_module_that_is_not_there_is_not_found(package):
    with deferred(package, f"{package}.one"):
        with pytest.raises(ImportError):
            import deferred_package.missing
        with pytest.raises(ImportError):
            from deferred_package.one import MISSING  # noqa: F401
    with pytest.raises(ImportError):
        import deferred_package.missing  # noqa: F401


def test_a_module_that_was_imported_before_stays_itself(package):
    import deferred_package.one as before

    with deferred(package, f"{package}.one"):
        import deferred_package.one as inside
    assert inside is before is sys.modules["deferred_package.one"]


def test_what_is_not_installed_is_not_found(package):
    with deferred("no_such_package", "no_such_package.one"), pytest.raises(ImportError):
        import no_such_package.one  # noqa: F401


def test_what_is_blocked_stays_blocked(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with deferred(package, f"{package}.one"), pytest.raises(ImportError):
        import deferred_package.one  # noqa: F401


def test_an_error_leaves_no_stand_in(package):
    with pytest.raises(KeyboardInterrupt), deferred(package):
        raise KeyboardInterrupt
    assert not [name for name in sys.modules if name.startswith(package)]
