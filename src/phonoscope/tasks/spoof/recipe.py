"""Recipe of the spoofing task: how many recordings, which attacks, which partition of a corpus that brings its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from phonoscope.corpora.asvspoof import PROTOCOL_FILES
from phonoscope.errors import ExperimentError
from phonoscope.experiments.recipe import Recipe

FOLDS_BY = ("recording", "speaker")


@dataclass(frozen=True)
class SpoofRecipe(Recipe):
    """Everything that decides the result of the spoofing task, apart from the corpus and the network.

    Parameters
    ----------
    sample_rate, seconds
        Of what the layer hears, Hz and s: the stretch around the middle of each recording's energy.
    recordings
        Most real recordings that are taken, and most of each attack of a corpus with spoofed recordings, at random.
    classes
        Words whose recordings are taken; all when empty. Means nothing for a corpus with spoofed recordings.
    attacks
        Names of attacks; all when empty: those of ``phonoscope.tasks.spoof.material.MADE`` for a corpus of real
        recordings, else systems of the corpus (``A07`` …).
    partition
        Of a corpus with spoofed recordings: ``eval``, ``dev`` or ``train``; when empty, the first that is there.
    folds_by
        What stays in one of the five folds with everything made of it: a ``recording``, or a ``speaker`` with all.
    kernel_offset
        ``c`` of the support vector machine's kernel (γ x·y + c)³: with 1 it holds powers up to the third, with 0 (what
        scikit-learn takes by itself) third powers alone.
    random_seeds
        Layers with random weights beside the network's.
    """

    task: str = "spoof"
    sample_rate: int = 16_000
    seconds: float = 1.0
    recordings: int = 200
    classes: list[str] = field(default_factory=list)
    attacks: list[str] = field(default_factory=list)
    partition: str = ""
    folds_by: str = "recording"
    kernel_offset: float = 1.0
    random_seeds: int = 3

    def __post_init__(self) -> None:
        if self.recordings < 20 or self.random_seeds < 1:
            raise ExperimentError("expected at least 20 recordings and at least 1 of random_seeds")
        if self.folds_by not in FOLDS_BY:
            raise ExperimentError(f"folds_by is {self.folds_by!r}; choose {' or '.join(FOLDS_BY)}")
        if self.partition and self.partition not in PROTOCOL_FILES:
            raise ExperimentError(f"partition is {self.partition!r}; choose {', '.join(PROTOCOL_FILES)}")

    def changed(self, *, seed: int | None = None, trainings: int | None = None, partition: str | None = None) -> Self:
        """Return the recipe with what is given here changed; None leaves the recipe's own value."""
        recipe = super().changed(seed=seed, trainings=trainings)
        return recipe if partition is None else replace(recipe, partition=partition)
