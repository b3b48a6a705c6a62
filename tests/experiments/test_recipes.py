"""Recipes: those of the package load, entries that nothing would understand are refused, TOML comes back."""

import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.corpora.select import class_labels
from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.experiments.recipe import recipe_from
from phonoscope.experiments.toml_text import to_toml
from phonoscope.phones import paper_voiceless, paper_vowels
from phonoscope.tasks import load_recipe, recipe_names
from phonoscope.tasks.phones.recipe import PhonesRecipe
from phonoscope.training import PRESETS


@pytest.mark.parametrize("name", ["vowels", "vowels-4k", "voicing"])
def test_the_papers_recipes_load_and_survive_being_written(name):
    assert name in recipe_names()
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.paper
    assert recipe_from(PhonesRecipe, tomllib.loads(to_toml(recipe.to_dict()))) == recipe
    if name != "vowels":
        assert recipe.front_end["max_hz"] == 4000
    if name == "voicing":
        named = [label for phones in recipe.classes.values() for label in class_labels(phones)[0]]
        assert set(named) >= {*paper_vowels(), *paper_voiceless()}
        assert len(named) == len(set(named))


plain = st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
tables = st.recursive(
    plain | st.lists(plain, max_size=3),
    lambda inner: st.dictionaries(st.text(), inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), tables, max_size=5))
def test_what_is_written_as_toml_comes_back(values):
    assert tomllib.loads(to_toml(values)) == values


def test_missing_values_are_left_out_and_other_things_refused():
    assert tomllib.loads(to_toml({"a": None, "b": {"c": None, "d": (1, 2)}})) == {"b": {"d": [1, 2]}}
    assert tomllib.loads(to_toml({"x": np.float64(0.1)})) == {"x": 0.1}
    with pytest.raises(ExperimentError, match="cannot be written"):
        to_toml({"x": object()})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"colour": "red"}, "unknown entries in the recipe: colour"),
        ({"tokens": {"clases": "vowels"}}, r"\[tokens\]: clases"),
        ({"tokens": {"root": "x"}}, r"\[tokens\]: root"),
        ({"synthetic": {"singers": 3}}, r"\[synthetic\]: singers"),
        ({"front_end": {"kind": "spectrogram", "hop": 3}}, r"\[front_end\]: hop"),
        ({"front_end": {"kind": "mfcc"}}, "front end 'mfcc' is not known"),
        ({"split": {"by": "speaker", "fold": 3}}, r"\[split\]: fold"),
        ({"split": {"folds": "some"}}, "auto, each"),
        ({"split": {"folds": 0}}, "auto, each"),
        ({"explain": {"methods": "cam"}}, r"\[explain\]: methods"),
        ({"network": {"depth": 18}}, "no name"),
        ({"network": "resnet18"}, r"expected a table: \[network\]"),
        ({"training": {"momentum": 0.9}}, "unknown training setting momentum"),
        ({"training": {"learning_rate": "fast"}}, "wrong kind"),
        ({"training": 5}, r"expected a table: \[training\]"),
        ({"classes": {"voiced": "i"}}, "expected a list of phones"),
        ({"seed": "x"}, "seed"),
        ({"seed": True}, "a whole number"),
        ({"seed": -1}, "a whole number"),
        ({"title": 3}, "title"),
    ],
)
def test_entries_that_are_not_understood_are_refused(values, says):
    with pytest.raises(PhonoscopeError, match=says):
        recipe_from(PhonesRecipe, {"name": "x", **values})
    with pytest.raises(ExperimentError, match="no name"):
        recipe_from(PhonesRecipe, {k: v for k, v in values.items() if k == "title" and isinstance(v, str)})


def test_files_that_are_no_recipes_are_named(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe6"')
    (tmp_path / "broken.toml").write_text("name = ")
    (tmp_path / "folder.toml").mkdir()
    for name in ("latin.toml", "broken.toml", "folder.toml", "absent.toml"):
        with pytest.raises(ExperimentError, match=name):
            load_recipe(tmp_path / name)
    with pytest.raises(ExperimentError, match="vowels-4k"):
        load_recipe("vowles")


def test_changes_of_the_command_line():
    recipe = load_recipe("vowels-4k").seeded(7)
    assert recipe.seed == recipe.training.seed == 7
    changed = recipe.changed(
        network="resnet18", epochs=2, split_by="recording", folds="each", sample_rate=16000, init="imagenet"
    )
    assert changed.network == {"name": "resnet18"}
    assert (changed.training.epochs, changed.training.min_steps) == (2, 0)
    assert changed.split == {"by": "recording", "folds": "each"}
    assert changed.front_end["sample_rate"] == 16000
    assert changed.init == "imagenet"
    assert recipe.changed() == recipe
    assert recipe.changed(folds="3").split["folds"] == 3
    for wrong in ("0", "-1", "many"):
        with pytest.raises(ExperimentError, match="folds"):
            recipe.changed(folds=wrong)
    assert recipe.with_preset("paper").training.seed == 7
    with pytest.raises(ExperimentError, match=", ".join(PRESETS)):
        recipe.with_preset("best")


def test_the_seed_of_a_recipe_is_that_of_its_training():
    assert recipe_from(PhonesRecipe, {"name": "x", "seed": 5}).training.seed == 5
    assert recipe_from(PhonesRecipe, {"name": "x", "training": {"seed": 6}}).seed == 6
    assert PhonesRecipe("x").seed == PhonesRecipe("x").training.seed == 0
