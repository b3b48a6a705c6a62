"""Recipes: an experiment as data. What recipes of all tasks share, and reading one from plain values or TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from inspect import signature
from pathlib import Path
from typing import Any, Self, TypeVar, get_origin, get_type_hints

from phonoscope.errors import ExperimentError
from phonoscope.judgement.claims import SMALLEST_EFFECTS
from phonoscope.registry import Registry
from phonoscope.training.recipe import PRESETS, TrainingRecipe

AnyRecipe = TypeVar("AnyRecipe", bound="Recipe")

# Entries of older recipes.
_RENAMED = {"seeds": "trainings"}
# What a value of each type is called in an error.
_KINDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number from 0",
    float: "a number",
    list: "a list",
    dict: "a table: [{name}]",
    TrainingRecipe: "a table: [{name}]",
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides an experiment's result, apart from the corpus.

    A task's recipe is a subclass: its fields are the entries that a TOML file may hold, their types the kinds of
    values. ``changed`` is extended by what the command line may change; it is the list of those options too.

    Parameters
    ----------
    name, title, question
        What it is called, in one line, and what it asks.
    task
        Kind of experiment: ``phones``, ``words``, ``speakers``, ``spoof``, or that of another package.
    seed
        Seed of everything.
    trainings
        How often each network is trained, with seeds from ``seed`` on; the split is the same for all.
    smallest_effects
        Smallest effects that count in verdicts, where they differ from `SMALLEST_EFFECTS`: of a ``share`` (of chance),
        an ``accuracy`` (0 to 1), a ``correlation``.
    """

    name: str
    title: str = ""
    question: str = ""
    task: str = "phones"
    seed: int = 0
    trainings: int = 1
    smallest_effects: dict[str, float] = field(default_factory=dict)

    @property
    def smallest(self) -> dict[str, float]:
        """Smallest effects that count, by what is measured."""
        return SMALLEST_EFFECTS | self.smallest_effects

    @property
    def seeds(self) -> list[int]:
        """Seeds of the trainings."""
        return list(range(self.seed, self.seed + self.trainings))

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return asdict(self)

    def check(self) -> None:
        """Raise ExperimentError for what no part of the experiment would understand, before anything is read."""
        refuse_unknown("the recipe's [smallest_effects]", self.smallest_effects, SMALLEST_EFFECTS)
        for name, size in self.smallest_effects.items():
            if isinstance(size, bool) or not isinstance(size, (int, float)) or not 0 < size < 1:
                raise ExperimentError(f"the smallest {name} that counts is {size!r}; expected a number between 0 and 1")
        if self.trainings < 1:
            raise ExperimentError(f"trainings is {self.trainings}; each network is trained at least once")

    def imports(self) -> Iterator[tuple[Registry[Any], str]]:
        """Yield every name that may be an import path, with the registry that would import it."""
        yield from ()

    def seeded(self, seed: int) -> Self:
        """Return the recipe with another seed, in the training too."""
        training = getattr(self, "training", None)
        changes = {} if training is None else {"training": training.changed(seed=seed)}
        return replace(self, seed=seed, **changes)

    def changed(self, *, seed: int | None = None, trainings: int | None = None) -> Self:
        """Return the recipe with what is given here changed; None leaves the recipe's own value."""
        recipe = self if seed is None else self.seeded(seed)
        if trainings is not None and trainings < 1:
            raise ExperimentError(f"trainings is {trainings}; each network is trained at least once")
        return recipe if trainings is None else replace(recipe, trainings=trainings)

    @classmethod
    def changes(cls) -> set[str]:
        """Names of what ``changed`` changes."""
        parameters = signature(cls.changed).parameters.values()
        return {each.name for each in parameters if each.kind != each.VAR_KEYWORD} - {"self"}


def recipe_from(
    kind: type[AnyRecipe], values: Mapping[str, Any], *, origin: object = "the recipe", trust_imports: bool = True
) -> AnyRecipe:
    """Build a recipe of a kind from plain values.

    Parameters
    ----------
    kind
        Subclass of ``Recipe``: its fields are the entries that may be there.
    values
        Entries; ``training`` as settings of a ``TrainingRecipe``.
    origin
        Where they come from, for errors.
    trust_imports
        Whether names that are import paths may stand among them. Code that writes them agrees; a file does not.

    Raises
    ------
    ExperimentError
        If an entry is not known, of the wrong kind, or an import path that nobody agreed to.
    """
    values = {_RENAMED.get(name, name): value for name, value in values.items()}
    hints, known = get_type_hints(kind), [each.name for each in fields(kind)]
    refuse_unknown(origin, values, known)
    if "name" not in values:
        raise ExperimentError(f"{origin} has no name")
    for name, value in values.items():
        _check_kind(name, value, hints[name], origin)
    settings = dict(values)
    if "training" in known:
        training = dict(settings.get("training", {}))
        seed = settings.setdefault("seed", training.get("seed", 0))
        try:
            settings["training"] = PRESETS["default"].changed(**{**training, "seed": seed})
        except TypeError as error:
            raise ExperimentError(f"[training] in {origin} holds a value of the wrong kind: {error}") from error
    recipe = kind(**settings)
    for registry, name in recipe.imports():
        registry.refuse_import(name, origin, trust_imports=trust_imports)
    recipe.check()
    return recipe


def without_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a training depends on, of a recipe as plain values: not what it is called, explained by, or judged by."""
    others = ("title", "question", "explain", "perceive", "trainings", "seeds", "smallest_effects")
    # An empty section says nothing: older recipes do not have those that came since.
    kept = {key: value for key, value in values.items() if key not in others and value != {}}
    return {"task": Recipe.task, **kept}  # recipes of 0.1 on phones name no task


def read_toml(path: Path) -> dict[str, Any]:
    """Read a recipe file as plain values; ExperimentError if it is not there, not UTF-8 text, or not TOML."""
    if not path.is_file():
        raise ExperimentError(f"there is no recipe file {path}")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"recipe {path} is not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(f"the recipe {path} cannot be read as UTF-8 text ({error})") from error


def refuse_unknown(what: object, names: Any, known: Any) -> None:
    """Raise ExperimentError if a name is not among those known.

    Parameters
    ----------
    what
        Where the names stand, for the message.
    names
        Iterable of names.
    known
        Names that may stand there.
    """
    unknown = sorted({str(name) for name in names} - set(known))
    if unknown:
        raise ExperimentError(f"unknown entries in {what}: {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def _check_kind(name: str, value: Any, hint: Any, origin: object) -> None:
    expected = get_origin(hint) or hint
    accepted = {float: (int, float), TrainingRecipe: dict}.get(expected, expected)
    wrong = not isinstance(value, accepted) or (isinstance(value, bool) and expected is not bool)
    if wrong or (expected is int and value < 0):
        raise ExperimentError(f"{name} in {origin} is {value!r}; expected {_KINDS[expected].format(name=name)}")
    if expected is list and (item := next(iter(hint.__args__), Any)) is not Any:
        for entry in value:
            _check_kind(name, entry, item, origin)
