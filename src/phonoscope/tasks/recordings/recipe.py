"""Recipes of the second paper's tasks: what is told apart in whole recordings, by which networks, with which seeds."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from phonoscope.errors import ExperimentError
from phonoscope.tasks.phones.recipe import packaged_names, packaged_text, recipe_names
from phonoscope.training.recipe import PRESETS, TrainingRecipe

TASKS = ("words", "speakers")
SPOOF = "spoof"  # the task of recipes that `phonoscope.tasks.spoof.run` reads
FRONT_ENDS = ("sub-segmental", "multi-resolution", "segmental")
SPLITS = ("speaker", "recording", "official")


@dataclass(frozen=True)
class WaveformRecipe:
    """Everything that decides the result of a task on whole recordings, apart from the corpus.

    Parameters
    ----------
    name, title, question
        What it is called, in one line, and what it asks.
    task
        ``words``: the class is the word of the recording; ``speakers``: it is who speaks.
    classes
        The words (or speakers) to tell apart; all when empty.
    sample_rate, seconds
        Of the networks' input, Hz and s: the stretch around the middle of each recording's energy.
    networks
        Names among ``FRONT_ENDS``.
    head, dropout
        As of ``RawWaveform``.
    training
        Settings of the training.
    split
        ``by``: ``speaker``, ``recording`` (the paper's random split), or ``official`` (the lists of Speech Commands);
        ``shares`` of training, validation and test.
    seeds
        How many trainings of each network, with seeds from ``seed`` on. The split is the same for all of them.
    curve, curve_networks
        Shares of the training recordings for the learning curve, beside all of them; and whose it is.
    streamed
        Keep the recordings on disk instead of in memory; the results are the same.
    null_seeds
        Layers with random weights that stand beside each response spectrum.
    clips_per_class
        Most tested recordings of a class whose response spectra are taken.
    seed
        Seed of everything.
    """

    name: str
    task: str
    title: str = ""
    question: str = ""
    classes: list[str] = field(default_factory=list)
    sample_rate: int = 16_000
    seconds: float = 1.0
    networks: list[str] = field(default_factory=lambda: list(FRONT_ENDS))
    head: str = "pooled"
    dropout: float = 0.4
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    split: dict[str, Any] = field(default_factory=dict)
    seeds: int = 1
    curve: list[float] = field(default_factory=lambda: [0.25, 0.5])
    curve_networks: list[str] = field(default_factory=lambda: list(FRONT_ENDS[:2]))
    streamed: bool = False
    null_seeds: int = 20
    clips_per_class: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        _refuse_unknown("task", [self.task], TASKS)
        _refuse_unknown("networks", self.networks, FRONT_ENDS)
        _refuse_unknown("curve_networks", self.curve_networks, FRONT_ENDS)
        _refuse_unknown("split", list(self.split), ("by", "shares"))
        _refuse_unknown("split by", [self.split.get("by", "speaker")], SPLITS)
        if self.task == "speakers" and self.split.get("by") != "recording":
            raise ExperimentError("speakers can only be told apart when each one is trained on: split by recording")
        if self.seeds < 1 or self.null_seeds < 3 or self.clips_per_class < 1:
            raise ExperimentError("seeds and clips_per_class are at least 1, null_seeds at least 3")
        if not all(0 < share < 1 for share in self.curve):
            raise ExperimentError(f"curve is {self.curve}; expected shares between 0 and 1, e.g. 0.25 and 0.5")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return asdict(self)

    def changed(
        self,
        *,
        seed: int,
        network: str | None = None,
        epochs: int | None = None,
        split_by: str | None = None,
        classes: str | None = None,
        sample_rate: int | None = None,
        seeds: int | None = None,
    ) -> WaveformRecipe:
        """Return the recipe with a seed, and with what else is given here changed."""
        recipe = replace(self, seed=seed, training=self.training.changed(seed=seed))
        if network is not None:
            recipe = replace(recipe, networks=[network], curve_networks=[network])
        if epochs is not None:
            recipe = replace(recipe, training=recipe.training.changed(epochs=epochs, min_steps=0))
        if split_by not in (None, "auto"):
            recipe = replace(recipe, split={**recipe.split, "by": split_by})
        if classes is not None:
            recipe = replace(recipe, classes=[name.strip() for name in classes.split(",") if name.strip()])
        if sample_rate is not None:
            recipe = replace(recipe, sample_rate=sample_rate)
        if seeds is not None:
            recipe = replace(recipe, seeds=seeds)
        return recipe


def waveform_recipe_names() -> list[str]:
    """Names of the recipes of this kind that come with phonoscope."""
    return packaged_names("recordings/recipes")


def is_waveform_recipe(name: str | Path) -> bool:
    """Whether this is a recipe of whole recordings: one of ``waveform_recipe_names()``, or a TOML file with a task.

    Raises
    ------
    ExperimentError
        If the name is that of no recipe of any kind.
    """
    if str(name) in waveform_recipe_names():
        return True
    path = Path(name)
    if path.suffix != ".toml":
        if str(name) not in recipe_names():
            known = ", ".join([*recipe_names(), *waveform_recipe_names(), SPOOF])
            raise ExperimentError(f"recipe {str(name)!r} is not known; choose {known}, or a TOML file")
        return False
    return task_of(path) is not None


def task_of(path: Path) -> str | None:
    """Task that a recipe file names; None if it names none or cannot be read: its reader says what is wrong then."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")).get("task")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None


def load_waveform_recipe(name: str | Path) -> WaveformRecipe:
    """Read a recipe of whole recordings: one of ``waveform_recipe_names()``, or a TOML file.

    Raises
    ------
    ExperimentError
        If there is no such recipe, or it holds an entry that is not known.
    """
    if str(name) in waveform_recipe_names():
        values = tomllib.loads(packaged_text("recordings/recipes", name))
    else:
        try:
            values = tomllib.loads(Path(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ExperimentError(f"the recipe {name} cannot be read ({error})") from error
    return waveform_recipe_from(values)


def waveform_recipe_from(values: dict[str, Any]) -> WaveformRecipe:
    """Build a recipe from plain values; ExperimentError names entries that are not known or of the wrong kind."""
    values = dict(values)
    _refuse_unknown("the recipe", list(values), [f.name for f in fields(WaveformRecipe)])
    training = dict(values.pop("training", {}))
    seed = values.setdefault("seed", training.get("seed", 0))
    try:
        return WaveformRecipe(**values, training=PRESETS["default"].changed(**{**training, "seed": seed}))
    except (TypeError, AttributeError) as error:
        raise ExperimentError(f"the recipe misses an entry or holds one of the wrong kind: {error}") from error


def _refuse_unknown(what: str, found: list[str], known: Any) -> None:
    unknown = [name for name in found if name not in known]
    if unknown:
        raise ExperimentError(f"{what}: {', '.join(map(str, unknown))} is not known; choose among {', '.join(known)}")
