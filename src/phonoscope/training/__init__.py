"""Training: splits without leaks, recipes, the loop and its checkpoints."""

from phonoscope.training.data import TokenInputs
from phonoscope.training.devices import choose_device
from phonoscope.training.loop import EpochReport, train
from phonoscope.training.recipe import PRESETS, TrainingRecipe
from phonoscope.training.splits import Fold, copied_recordings, count_groups, folds, split_tokens, split_unit

__all__ = [
    "PRESETS",
    "EpochReport",
    "Fold",
    "TokenInputs",
    "TrainingRecipe",
    "choose_device",
    "copied_recordings",
    "count_groups",
    "folds",
    "split_tokens",
    "split_unit",
    "train",
]
