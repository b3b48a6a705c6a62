"""Names lead to entries: of the package, announced by another package, or by import path; files need consent."""

import sys
from importlib import metadata

import pytest

from phonoscope.errors import AttributionError, ClassifierError, PhonoscopeError
from phonoscope.registry import Registry


@pytest.fixture
def toys() -> Registry:
    return Registry("toy", {"one": 1, "pi": "math:pi"}, error=ClassifierError)


def test_entries_are_imported_when_they_are_used(toys):
    assert dict(toys) == {"one": 1, "pi": pytest.approx(3.14159, abs=1e-4)}
    lazy = Registry("toy", {"absent": "no_such_module:x"}, error=ClassifierError)
    assert list(lazy) == ["absent"]
    assert "absent" in lazy
    with pytest.raises(ClassifierError, match=r"toy 'no_such_module:x' cannot be imported"):
        lazy["absent"]


def test_import_paths_are_followed_and_unknown_names_told(toys):
    assert toys.find("math:tau") == pytest.approx(6.28318, abs=1e-4)
    assert toys.find("os:path.sep")
    with pytest.raises(ClassifierError, match=r"toy 'two' is not known; choose one of one, pi, or give"):
        toys.find("two")
    with pytest.raises(ClassifierError, match="cannot be imported"):
        toys.find("math:nothing")
    with pytest.raises(KeyError):
        toys["math:tau"]


def test_what_raises_on_import_is_told_in_words(toys, tmp_path, monkeypatch):
    (tmp_path / "faulty_toy.py").write_text("raise SystemError('broken')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ClassifierError, match="broken"):
        toys.find("faulty_toy:x")
    sys.modules.pop("faulty_toy", None)


def test_files_need_consent_for_import_paths_only(toys):
    for name in ("one", "unknown"):
        toys.refuse_import(name, "recipe.toml", trust_imports=False)
    toys.refuse_import("math:tau", "recipe.toml", trust_imports=True)
    with pytest.raises(ClassifierError, match=r"recipe.toml asks to import its toy from 'math:tau'.*--trust-imports"):
        toys.refuse_import("math:tau", "recipe.toml", trust_imports=False)


def test_other_packages_announce_entries(monkeypatch):
    asked = []

    def entry_points(group):
        asked.append(group)
        return [metadata.EntryPoint("tau", "math:tau", group), metadata.EntryPoint("bad", "math:no", group)]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    toys: Registry[float] = Registry("big toy", {"tau": 1.0}, error=AttributionError)
    assert list(toys) == ["tau", "bad"]
    assert len(toys) == 2
    assert toys["tau"] == 1.0  # its own come first
    assert asked == ["phonoscope.big_toys"]
    with pytest.raises(AttributionError, match="bad"):
        toys["bad"]
    assert issubclass(AttributionError, PhonoscopeError)
