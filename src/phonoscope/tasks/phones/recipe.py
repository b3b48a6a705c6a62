"""Recipes of experiments on phones: which tokens, front end, network, split, method, and talkers if they are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from phonoscope.errors import AudioError, ExperimentError
from phonoscope.experiments.recipe import Recipe, refuse_unknown
from phonoscope.registry import Registry
from phonoscope.training.recipe import PRESETS, TrainingRecipe

if TYPE_CHECKING:
    from phonoscope.phonetics.ceilings import FormantSettings


@dataclass(frozen=True)
class PhonesRecipe(Recipe):
    """Everything that decides the result of an experiment on phones, apart from the corpus.

    Parameters
    ----------
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
    formants
        ``ceiling``, ``formants``, ``positions``, ``corrections``: see `phonoscope.phonetics.ceilings.FormantSettings`.
    perceive
        ``cues`` and ``tokens`` of the short perception experiment that follows the run; none when empty.
    """

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
    formants: dict[str, Any] = field(default_factory=dict)
    perceive: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """Method of the maps."""
        return self.explain.get("method", "cam")

    @property
    def target(self) -> str:
        """Target of the maps."""
        return self.explain.get("target", "true")

    def explained_by(self, *, method: str | None = None, target: str | None = None) -> Self:
        """Return the recipe with another method or target of the maps; None leaves the recipe's own."""
        chosen = {name: value for name, value in {"method": method, "target": target}.items() if value is not None}
        return replace(self, explain={**self.explain, **chosen})

    @property
    def front_end_kind(self) -> str:
        """Name of the front end."""
        return self.front_end.get("kind", "spectrogram")

    def imports(self) -> Iterator[tuple[Registry[Any], str]]:
        """Yield the names of layout, alignment format, network, front end and methods."""
        from phonoscope.attribution.method_spec import parse_method
        from phonoscope.attribution.registry import METHODS
        from phonoscope.corpora import LAYOUTS, READERS
        from phonoscope.frontends import FRONT_ENDS
        from phonoscope.networks import NETWORKS

        if not isinstance(self.network.get("name"), str):
            raise ExperimentError("the recipe's [network] has no name")
        yield LAYOUTS, str(self.tokens.get("layout", ""))
        yield READERS, str(self.tokens.get("alignment_format", ""))
        yield NETWORKS, self.network["name"]
        yield FRONT_ENDS, self.front_end_kind
        yield from ((METHODS, name) for name in parse_method(self.method).names())

    def check(self) -> None:
        """Refuse sections with entries that no part of the experiment would understand."""
        super().check()
        for section, known in self._known_entries().items():
            refuse_unknown(f"the recipe's [{section}]", getattr(self, section), known)
        for name, phones in self.classes.items():
            if not isinstance(phones, list) or not all(isinstance(phone, str) for phone in phones):
                raise ExperimentError(f"class {name} in the recipe is {phones!r}; expected a list of phones")
        self.formant_settings()
        count = self.split.get("folds", "auto")
        if count not in ("auto", "each") and not (isinstance(count, int) and count >= 1):
            raise ExperimentError(f"folds in the recipe is {count!r}; give auto, each, or a number from 1")

    def formant_settings(self) -> FormantSettings:
        """How formants are measured.

        Raises
        ------
        ExperimentError
            If a setting makes no sense, or the middle of the vowel is not among the positions.
        """
        from phonoscope.phonetics.ceilings import FormantSettings, suffix_of

        try:
            settings = FormantSettings.of(self.formants)
        except AudioError as error:
            raise ExperimentError(f"[formants] of the recipe: {error}") from error
        if "50" not in map(suffix_of, settings.positions):
            listed = ", ".join(map(str, settings.positions))
            raise ExperimentError(
                f"formants are to be measured at {listed} of the vowel; an experiment compares maps with the formants "
                "of its middle: add 0.5"
            )
        return settings

    def _known_entries(self) -> dict[str, list[str]]:
        """Entries that each section may hold: the keyword arguments of the function that receives it."""
        from phonoscope.frontends import FRONT_ENDS
        from phonoscope.synthesis.corpus import write_corpus

        return {
            "tokens": rule_names(),
            "synthetic": sorted(set(signature(write_corpus).parameters) - {"out", "seed", "progress"}),
            "front_end": ["kind", *signature(FRONT_ENDS.find(self.front_end_kind)).parameters],
            "split": ["by", "folds", "shares"],
            "explain": ["method", "target"],
            "perceive": ["cues", "tokens"],
        }

    def with_preset(self, preset: str) -> Self:
        """Return the recipe with a training preset; ``paper`` also takes the paper's picture and split."""
        if preset not in PRESETS:
            raise ExperimentError(f"preset {preset!r} is not known; choose one of {', '.join(PRESETS)}")
        recipe = replace(self, training=PRESETS[preset].changed(seed=self.seed))
        if preset == "paper":
            picture = {**self.front_end, "rows": 224, "columns": 224}
            split = {"by": "token", "folds": 1, "shares": [0.65, 0.05, 0.30]}
            recipe = replace(recipe, front_end=picture, split=split)
        return recipe

    def changed(
        self,
        *,
        seed: int | None = None,
        trainings: int | None = None,
        preset: str | None = None,
        network: str | None = None,
        init: str | None = None,
        epochs: int | None = None,
        split_by: str | None = None,
        folds: str | None = None,
        sample_rate: int | None = None,
        **measured: Any,
    ) -> Self:
        """Return the recipe with what is given here changed; None leaves the recipe's own value.

        Parameters
        ----------
        preset
            Of the training, goes first; see ``with_preset``.
        network, init
            Name of the network, without options; its initial weights.
        epochs
            Passes over the training tokens.
        split_by, folds
            As in ``split``; folds as text.
        sample_rate
            Hz, to resample to.
        measured
            Settings of ``formants``.
        """
        recipe = super().changed(seed=seed, trainings=trainings)
        if preset is not None:
            recipe = recipe.with_preset(preset)
        changes: dict[str, Any] = {}
        if network is not None:
            changes["network"] = {"name": network}
        if init is not None:
            changes["init"] = init
        if epochs is not None:
            changes["training"] = recipe.training.changed(epochs=epochs)
        if split_by is not None:
            changes["split"] = {**recipe.split, "by": split_by}
        if folds is not None:
            number = folds if folds in ("auto", "each") else int(folds) if folds.isdigit() else 0
            if number == 0:
                raise ExperimentError(f"folds is {folds!r}; give auto, each, or a number from 1")
            changes["split"] = {**changes.get("split", recipe.split), "folds": number}
        if sample_rate is not None:
            changes["front_end"] = {**recipe.front_end, "sample_rate": sample_rate}
        if given := {name: value for name, value in measured.items() if value is not None}:
            changes["formants"] = {**recipe.formants, **given}
        return replace(recipe, **changes)

    @classmethod
    def changes(cls) -> set[str]:
        """Names of what ``changed`` changes."""
        from phonoscope.phonetics.ceilings import FormantSettings

        return super().changes() | {each.name for each in fields(FormantSettings)}


def rule_names() -> list[str]:
    """Names of the rules of the token table that a recipe or the command line may set."""
    from phonoscope.corpora import TokenRules

    return ["layout", "alignment_format", *TokenRules.names()]


def load_phones_recipe(name: str | Path, *, trust_imports: bool = False) -> PhonesRecipe:
    """Read a recipe for what works on phones only; see ``phonoscope.tasks.load_recipe``.

    Raises
    ------
    ExperimentError
        If it is of another task.
    """
    from phonoscope.tasks import load_recipe

    recipe = load_recipe(name, trust_imports=trust_imports)
    if not isinstance(recipe, PhonesRecipe):
        raise ExperimentError(f"{name} is a recipe for {recipe.task}; here one for phones is needed, such as vowels-4k")
    return recipe
