"""Nothing that a file or a folder names is imported unless it is trusted; what was altered is not gone on with."""

import json
import shutil
import sys
from contextlib import suppress

import pytest

from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.tasks import load_recipe, run_experiment

EVIL = 'import pathlib\npathlib.Path({mark!r}).write_text("ran")\nmodel = lambda **options: None\n'


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """Name of a module that leaves a mark when it is imported, and the mark."""
    mark = tmp_path / "ran"
    (tmp_path / "evil_module.py").write_text(EVIL.format(mark=str(mark)), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "evil_module", raising=False)
    return "evil_module:model", mark


SECTIONS = {
    "network": '[network]\nname = "{name}"',
    "front end": '[front_end]\nkind = "{name}"',
    "method": '[explain]\nmethod = "{name}"',
    "inner method": '[explain]\nmethod = "smooth({name}, samples=2)"',
    "task": 'task = "{name}"',
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_recipe_file_imports_nothing_unless_it_is_trusted(section, evil, tmp_path, phonoscope):
    name, mark = evil
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "x"\n' + SECTIONS[section].format(name=name), encoding="utf-8")
    answer = phonoscope("run", recipe, "--synthetic", "--out", tmp_path / "out")
    assert answer.status == 1
    assert "--trust-imports" in answer.err
    assert name in answer.err
    assert not mark.exists()
    assert not (tmp_path / "out").exists()
    with pytest.raises(PhonoscopeError):  # trusted, it is imported, and turns out to be of no use
        run_experiment(load_recipe(recipe, trust_imports=True), tmp_path / "out")
    assert mark.exists()


@pytest.mark.parametrize("part", ["network", "front_end"])
def test_a_folder_that_somebody_sent_imports_nothing_on_resume(part, evil, finished, talkers, recipe_file, tmp_path):
    name, mark = evil
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    for path in out.rglob("config.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        config[part] |= {"name": name} if part == "network" else {"kind": name}
        path.write_text(json.dumps(config), encoding="utf-8")
    recipe = load_recipe(recipe_file).changed(seed=2)
    with pytest.raises(ExperimentError, match="not as it was written"):
        run_experiment(recipe, out, corpus=talkers, resume=True)
    # without checksums it is an interrupted run: altered trainings are made anew, from the recipe's own network
    (out / "checksums.json").unlink()
    run = run_experiment(recipe, out, corpus=talkers, resume=True)
    assert run.classifier().network_name == "compact-local"
    assert not mark.exists()
    # and if whoever altered them also made them look finished, they still go into the recipe's own network
    for done in out.rglob("done.json"):
        kept = json.loads(done.read_text(encoding="utf-8"))
        kept["files"] = {}
        done.write_text(json.dumps(kept), encoding="utf-8")
        config_path = done.parent / "classifier" / "config.json"
        config = json.loads(config_path.read_text(encoding="utf-8"))
        config[part] |= {"name": name} if part == "network" else {"kind": name}
        config_path.write_text(json.dumps(config), encoding="utf-8")
    (out / "checksums.json").unlink()
    with suppress(PhonoscopeError):  # or are refused, where they do not fit it
        run_experiment(recipe, out, corpus=talkers, resume=True)
    assert not mark.exists()


def test_a_typed_name_is_consent(evil, recipe_file, tmp_path, phonoscope):
    name, mark = evil
    answer = phonoscope("run", recipe_file, "--synthetic", "--network", name, "--out", tmp_path / "out")
    assert answer.status == 1
    assert "not a torch.nn.Module" in answer.err
    assert mark.exists()


def test_a_finished_run_that_was_altered_is_not_gone_on_with(finished, talkers, recipe_file, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    (out / "folds" / "0" / "training.csv").write_text("epoch\n1\n", encoding="utf-8")
    with pytest.raises(ExperimentError, match=r"1 files? changed, such as folds/0/training.csv"):
        run_experiment(load_recipe(recipe_file).changed(seed=2), out, corpus=talkers, resume=True)
