"""Settings of a training: the paper's values, and answers to impossible ones."""

import pytest

from phonoscope.errors import ExperimentError
from phonoscope.experiments.recipe import recipe_from
from phonoscope.tasks import load_recipe
from phonoscope.tasks.phones.recipe import PhonesRecipe
from phonoscope.training import PRESETS, TrainingRecipe


def test_the_paper_preset_holds_the_papers_values():
    paper = PRESETS["paper"]
    assert (paper.optimizer, paper.learning_rate, paper.batch_size) == ("adam", 1e-4, 32)
    assert (paper.schedule, paper.weight_decay, paper.epochs, paper.min_steps) == ("constant", 0.0, 20, 0)
    assert (paper.noise, paper.time_jitter, paper.balanced) == (0.0, 0.0, False)
    recipe = load_recipe("vowels").with_preset("paper")
    assert (recipe.front_end["rows"], recipe.front_end["columns"]) == (224, 224)
    assert recipe.split == {"by": "token", "folds": 1, "shares": [0.65, 0.05, 0.30]}
    assert recipe.training == paper


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"optimizer": "sgd"}, "adamw, adam"),
        ({"schedule": "step"}, "one-cycle"),
        ({"choose": "first"}, "best, last"),
        ({"noise": -1.0}, "noise"),
        ({"time_jitter": 0.5}, "time_jitter"),
        ({"batch_size": 1}, "at least 2"),
        ({"epochs": 0}, "at least 1"),
        ({"learning_rate": 0.0}, "positive"),
        ({"learning_rate": float("nan")}, "positive"),
        ({"momentum": 0.9}, "unknown training setting momentum"),
    ],
)
def test_impossible_settings_are_refused(values, says):
    with pytest.raises(ExperimentError, match=says):
        TrainingRecipe().changed(**values)


GIVEN_AND_TRAINED = [  # settings, epochs over 44 tokens in batches of 16: three steps each
    ({}, 134),
    ({"epochs": 2}, 2),
    ({"epochs": 2, "min_steps": 0}, 2),
    ({"epochs": 2, "min_steps": 7}, 3),
    ({"min_steps": 30}, 10),
    ({"min_steps": 0}, 8),
]


@pytest.mark.parametrize(("given", "trained"), GIVEN_AND_TRAINED)
def test_given_epochs_are_what_is_trained(given, trained):
    in_a_file = recipe_from(PhonesRecipe, {"name": "mine", "training": given}).training
    assert in_a_file == PRESETS["default"].changed(**given) == TrainingRecipe(**given)
    assert in_a_file.epochs_over(44) == trained
    on_the_command_line = load_recipe("vowels-4k").changed(epochs=2).training
    assert on_the_command_line == recipe_from(PhonesRecipe, {"name": "mine", "training": {"epochs": 2}}).training
    recordings = PRESETS["default"].changed(epochs=15, min_steps=200)
    assert recordings.changed(epochs=2).epochs_over(44) == 2
    assert recordings.changed(seed=4).epochs_over(44) == 67


def test_plain_values_rebuild_the_recipe():
    recipe = TrainingRecipe(epochs=3, seed=9)
    assert TrainingRecipe(**recipe.to_dict()) == recipe
