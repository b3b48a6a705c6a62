"""Recipes: an experiment as data, read from TOML; the package brings the paper's three."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from inspect import signature
from pathlib import Path
from typing import Any

from phonoscope.errors import ExperimentError
from phonoscope.training.recipe import PRESETS, TrainingRecipe


@dataclass(frozen=True)
class Recipe:
    """Everything that decides an experiment's result, apart from the corpus.

    Parameters
    ----------
    name, title, question
        What it is called, in one line, and what it asks.
    paper
        Section of the first paper whose claims it tests; empty for none.
    tokens
        Rules of the token table, as keywords of ``read_corpus``.
    classes
        Classes made of several phones or groups of phones (any-vowel, voiceless …), e.g. voiced and unvoiced; empty
        when each phone is its own class.
    front_end
        ``kind`` and settings of the front end; the sample rate comes from the recordings.
    network
        ``name`` and options of the network.
    init
        Initial weights of the network: ``random``, ``imagenet``, or a weights file.
    training
        Settings of the training.
    split
        ``by`` (auto, speaker, recording, token), ``folds`` (auto, 1 for a single split, a number, or each), and
        ``shares`` of training, validation and test tokens for a single split.
    explain
        ``method`` and ``target`` of the maps.
    synthetic
        The corpus of synthetic talkers, as keywords of ``write_corpus``.
    seed
        Seed of everything.
    """

    name: str
    title: str = ""
    question: str = ""
    paper: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)
    classes: dict[str, list[str]] = field(default_factory=dict)
    front_end: dict[str, Any] = field(default_factory=lambda: {"kind": "spectrogram"})
    network: dict[str, Any] = field(default_factory=lambda: {"name": "compact"})
    init: str = "random"
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    split: dict[str, Any] = field(default_factory=dict)
    explain: dict[str, Any] = field(default_factory=lambda: {"method": "cam", "target": "true"})
    synthetic: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return asdict(self)

    def with_preset(self, preset: str) -> Recipe:
        """Return the recipe with a training preset; ``paper`` also takes the paper's picture and split."""
        if preset not in PRESETS:
            raise ExperimentError(f"preset {preset!r} is not known; choose one of {', '.join(PRESETS)}")
        changed = replace(self, training=PRESETS[preset].changed(seed=self.seed))
        if preset == "paper":
            changed = replace(
                changed,
                front_end={**self.front_end, "rows": 224, "columns": 224},
                split={"by": "token", "folds": 1, "shares": [0.65, 0.05, 0.30]},
            )
        return changed

    def changed(
        self,
        *,
        network: str | None = None,
        init: str | None = None,
        epochs: int | None = None,
        split_by: str | None = None,
        folds: str | None = None,
        sample_rate: int | None = None,
    ) -> Recipe:
        """Return the recipe with what is given here changed; None leaves the recipe's own value."""
        recipe = self
        if network is not None:
            recipe = replace(recipe, network={"name": network})
        if init is not None:
            recipe = replace(recipe, init=init)
        if epochs is not None:
            recipe = replace(recipe, training=recipe.training.changed(epochs=epochs, min_steps=0))
        if split_by is not None:
            recipe = replace(recipe, split={**recipe.split, "by": split_by})
        if folds is not None:
            number = folds if folds in ("auto", "each") else int(folds) if folds.isdigit() else 0
            if number == 0:
                raise ExperimentError(f"folds is {folds!r}; give auto, each, or a number from 1")
            recipe = replace(recipe, split={**recipe.split, "folds": number})
        if sample_rate is not None:
            recipe = replace(recipe, front_end={**recipe.front_end, "sample_rate": sample_rate})
        return recipe

    def seeded(self, seed: int) -> Recipe:
        """Return the recipe with another seed, in the training too."""
        return replace(self, seed=seed, training=self.training.changed(seed=seed))


def packaged_names(folder: str) -> list[str]:
    """Names of the recipes in one of the package's folders of recipes."""
    place = resources.files("phonoscope.tasks") / folder
    return sorted(item.name.removesuffix(".toml") for item in place.iterdir() if item.name.endswith(".toml"))


def packaged_text(folder: str, name: str | Path) -> str:
    """TOML of a recipe that comes with phonoscope."""
    return (resources.files("phonoscope.tasks") / folder / f"{name}.toml").read_text(encoding="utf-8")


def recipe_names() -> list[str]:
    """Names of the recipes that come with phonoscope."""
    return packaged_names("phones/recipes")


def load_recipe(name: str | Path) -> Recipe:
    """Read a recipe: one of ``recipe_names()``, or a TOML file of the user's.

    Raises
    ------
    ExperimentError
        If there is no such recipe, or it holds an entry that is not known.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise ExperimentError(f"there is no recipe file {path}")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ExperimentError(f"the recipe {path} cannot be read as UTF-8 text ({error})") from error
    elif str(name) in recipe_names():
        text = packaged_text("phones/recipes", name)
    else:
        raise ExperimentError(f"recipe {str(name)!r} is not known; choose {', '.join(recipe_names())}, or a TOML file")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"recipe {name} is not valid TOML: {error}") from error
    return recipe_from(values)


def recipe_from(values: dict[str, Any]) -> Recipe:
    """Build a recipe from plain values; ExperimentError names entries that are not known."""
    values = dict(values)
    known = {f.name for f in fields(Recipe)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ExperimentError(f"unknown entries in the recipe: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    if "name" not in values:
        raise ExperimentError("the recipe has no name")
    _check_sections(values)
    training = dict(values.pop("training", {}))
    base = PRESETS["default"]
    values["seed"] = values.get("seed", training.get("seed", base.seed))
    try:
        return Recipe(**values, training=base.changed(**{**training, "seed": values["seed"]}))
    except TypeError as error:
        raise ExperimentError(f"the recipe's [training] holds a value of the wrong kind: {error}") from error


def _check_sections(values: dict[str, Any]) -> None:
    """Refuse what no part of the experiment would understand, before anything is read or trained."""
    for name in ("name", "title", "question", "paper", "init"):
        if not isinstance(values.get(name, ""), str):
            raise ExperimentError(f"{name} in the recipe is {values[name]!r}; expected text")
    seed = values.get("seed", 0)
    if not isinstance(seed, int) or seed < 0:
        raise ExperimentError(f"seed in the recipe is {seed!r}; expected a whole number from 0")
    for section in ("tokens", "classes", "front_end", "network", "training", "split", "explain", "synthetic"):
        if not isinstance(values.get(section, {}), dict):
            raise ExperimentError(f"{section} in the recipe is {values[section]!r}; expected a table: [{section}]")
    for section, known in _known_entries(values.get("front_end", {})).items():
        unknown = sorted(set(values.get(section, {})) - set(known))
        if unknown:
            raise ExperimentError(
                f"unknown entries in the recipe's [{section}]: {', '.join(unknown)}; known: {', '.join(sorted(known))}"
            )
    if "network" in values and not isinstance(values["network"].get("name"), str):
        raise ExperimentError("the recipe's [network] has no name")
    for name, phones in values.get("classes", {}).items():
        if not isinstance(phones, list) or not all(isinstance(phone, str) for phone in phones):
            raise ExperimentError(f"class {name} in the recipe is {phones!r}; expected a list of phones")
    if ":" in str(values.get("tokens", {}).get("layout", "")):
        raise ExperimentError("a recipe cannot import a layout: name it on the command line (--layout)")
    split = values.get("split", {})
    count = split.get("folds", "auto")
    if count not in ("auto", "each") and not (isinstance(count, int) and count >= 1):
        raise ExperimentError(f"folds in the recipe is {count!r}; give auto, each, or a number from 1")


def _known_entries(front_end: dict[str, Any]) -> dict[str, list[str]]:
    """Entries that each section may hold: the keywords of the functions that it is passed to."""
    from phonoscope.corpora import TokenRules
    from phonoscope.frontends import FRONT_ENDS
    from phonoscope.synthesis.corpus import write_corpus

    kind = front_end.get("kind", "spectrogram")
    if kind not in FRONT_ENDS:
        raise ExperimentError(f"front end {kind!r} is not known; choose one of {', '.join(FRONT_ENDS)}")

    def keywords(function: Any, *given: str) -> list[str]:
        return [name for name in signature(function).parameters if name not in given]

    return {
        "tokens": ["layout", *TokenRules.names()],
        "synthetic": keywords(write_corpus, "out", "seed", "progress"),
        "front_end": ["kind", *keywords(FRONT_ENDS[kind])],
        "split": ["by", "folds", "shares"],
        "explain": ["method", "target"],
    }
