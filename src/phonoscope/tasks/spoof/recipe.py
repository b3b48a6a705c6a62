"""Recipe of the spoofing task: how many recordings, which attacks, which partition of a corpus that brings its own."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from phonoscope.corpora.asvspoof import PROTOCOL_FILES
from phonoscope.errors import ExperimentError
from phonoscope.tasks.phones.recipe import packaged_text
from phonoscope.tasks.recordings.recipe import SPOOF, task_of

FOLDS_BY = ("recording", "speaker")


@dataclass(frozen=True)
class SpoofRecipe:
    """Everything that decides the result of the spoofing task, apart from the corpus and the network.

    Parameters
    ----------
    name, task, title, question
        ``task`` is ``spoof``.
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
    seed
        Seed of everything.
    """

    name: str
    task: str = SPOOF
    title: str = ""
    question: str = ""
    sample_rate: int = 16_000
    seconds: float = 1.0
    recordings: int = 200
    classes: list[str] = field(default_factory=list)
    attacks: list[str] = field(default_factory=list)
    partition: str = ""
    folds_by: str = "recording"
    kernel_offset: float = 1.0
    random_seeds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task != SPOOF or self.recordings < 20 or self.random_seeds < 1:
            raise ExperimentError("expected the task spoof, at least 20 recordings and at least 1 of random_seeds")
        if self.folds_by not in FOLDS_BY:
            raise ExperimentError(f"folds_by is {self.folds_by!r}; choose {' or '.join(FOLDS_BY)}")
        if self.partition and self.partition not in PROTOCOL_FILES:
            raise ExperimentError(f"partition is {self.partition!r}; choose {', '.join(PROTOCOL_FILES)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return asdict(self)


def is_spoof_recipe(name: str | Path) -> bool:
    """Whether this is the package's recipe ``spoof``, or a TOML file with that task."""
    return str(name) == SPOOF or (Path(name).suffix == ".toml" and task_of(Path(name)) == SPOOF)


def load_spoof_recipe(name: str | Path, *, seed: int | None = None, partition: str | None = None) -> SpoofRecipe:
    """Read the package's recipe ``spoof`` or a TOML file, with a seed and a partition instead of its own if given.

    Raises
    ------
    ExperimentError
        If the file holds entries that are not known or of the wrong kind, or cannot be read.
    """
    try:
        text = packaged_text("spoof/recipes", SPOOF) if str(name) == SPOOF else Path(name).read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ExperimentError(f"the recipe {name} cannot be read ({error})") from error
    unknown = sorted(set(values) - {f.name for f in fields(SpoofRecipe)})
    if unknown:
        raise ExperimentError(f"unknown entries in the recipe: {', '.join(unknown)}")
    changes = {"seed": seed, "partition": partition}
    try:
        recipe = SpoofRecipe(**values)
    except TypeError as error:
        raise ExperimentError(f"the recipe misses an entry or holds one of the wrong kind: {error}") from error
    return replace(recipe, **{key: value for key, value in changes.items() if value is not None})
