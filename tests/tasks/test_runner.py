"""The runner of all tasks: a training survives another method, and none is begun that could not be explained."""

import shutil

import pytest

from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.experiments.folder import Run
from phonoscope.experiments.recipe import recipe_from
from phonoscope.tasks import TASKS, load_recipe, recipe_names, run_experiment, task_of_run
from phonoscope.tasks.phones.recipe import PhonesRecipe


def with_method(recipe, method):
    return recipe_from(PhonesRecipe, {**recipe.to_dict(), "explain": {"method": method}})


def test_another_method_never_costs_a_training(finished, talkers, recipe_file, tmp_path):
    out, said = tmp_path / "run", []
    shutil.copytree(finished[0], out)
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("model.safetensors")}
    recipe = with_method(load_recipe(recipe_file).changed(seed=2), "gradient")
    run = run_experiment(recipe, out, corpus=talkers, resume=True, say=said.append)
    assert not [line for line in said if "epoch" in line]
    assert run.facts["method"] == "gradient"
    assert load_recipe(out / "recipe.toml").method == "gradient"
    assert run.maps("gradient").sizes["token"] == len(run.predictions)
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("model.safetensors")} == before


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("no-such", "no-such"),
        ("cam(steps=3)", "no option"),
        ("smooth", "needs a method"),
        ("gradient(", "cannot be read"),
    ],
)
def test_a_method_that_cannot_be_used_is_refused_before_anything_is_trained(
    method, says, talkers, recipe_file, tmp_path
):
    said = []
    recipe = load_recipe(recipe_file)
    with pytest.raises(PhonoscopeError, match=says):
        run_experiment(with_method(recipe, method), tmp_path / "run", corpus=talkers, say=said.append)
    assert not [line for line in said if "epoch" in line]
    assert not (tmp_path / "run").exists()


def test_a_method_that_does_not_suit_the_network_is_refused_before_anything_is_trained(talkers, recipe_file, tmp_path):
    values = load_recipe(recipe_file).to_dict() | {
        "front_end": {"kind": "waveform", "seconds": 0.2},
        "network": {"name": "sub-segmental", "head": "flat", "samples": 3200},
        "explain": {"method": "cam"},
    }
    with pytest.raises(PhonoscopeError, match="global average pooling"):
        run_experiment(recipe_from(PhonesRecipe, values), tmp_path / "run", corpus=talkers)
    assert not (tmp_path / "run").exists()


def test_every_task_brings_recipes_that_load(monkeypatch, tmp_path):
    assert set(recipe_names()) >= {"vowels", "vowels-4k", "voicing", "commands", "speakers", "spoof"}
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert any(recipe.task in task.entries for task in TASKS.values())
    with pytest.raises(ExperimentError, match=r"recipe 'vowles' is not known; choose .*spoof"):
        load_recipe("vowles")


def test_options_that_mean_nothing_for_a_task_are_named(recipe_file, tmp_path):
    with pytest.raises(ExperimentError, match=r"--protocol means nothing for mini, which takes .*--alignments"):
        run_experiment(load_recipe(recipe_file), tmp_path / "run", protocol="x")
    with pytest.raises(ExperimentError, match="spoof needs recordings"):
        run_experiment(load_recipe("spoof"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_runs_find_their_task_old_ones_too(finished, tmp_path):
    run = Run(finished[0])
    assert run.facts["kind"] == "phones"
    assert task_of_run(run).name == "phones"
    for kind, name in ((None, "phones"), ("waveform", "recordings"), ("spoof", "spoof")):
        run.facts["kind"] = kind
        assert task_of_run(run).name == name
    run.facts["kind"] = "os:path"
    with pytest.raises(ExperimentError, match="trust"):
        task_of_run(run)
