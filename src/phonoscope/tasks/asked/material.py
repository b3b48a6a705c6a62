"""The tokens that are asked about: of a run, or of a corpus for any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from phonoscope.audio import SOUND_HASH, cut
from phonoscope.classifier import Classifier, class_position
from phonoscope.corpora import write_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.evidence_run import choose_tokens, drawn_evenly
from phonoscope.experiments.folder import RUN_NAME, Run
from phonoscope.experiments.labels import names_given
from phonoscope.experiments.loading import describe_model
from phonoscope.experiments.material import phone_of
from phonoscope.experiments.settings import Settings
from phonoscope.files import write_with
from phonoscope.left_out import LeftOut
from phonoscope.perception import ask
from phonoscope.perception.trials import are_numbers
from phonoscope.tasks.asked.corpus import Corpus
from phonoscope.tasks.asked.who import Asked, AskedModel, AskedRun, is_of_recordings, model_identity
from phonoscope.tasks.outside.material import choose_classes

ALL = "all"  # class of the tokens of a model that gives numbers
_KEPT = ("labels", "sample_rate", "max_hz", "time_seconds", "network", "front_end", "scores")


class AskingRecipe(Protocol):
    """What decides which tokens are asked about."""

    @property
    def tokens(self) -> int:
        """Most tokens, over all classes."""
        ...

    @property
    def seed(self) -> int:
        """Of their draw."""
        ...


@dataclass(frozen=True)
class Material:
    """Tokens, and who is asked about them.

    Parameters
    ----------
    asked
        The run or the model.
    identity
        What stands for its classifiers.
    tokens
        With ``class`` and ``fold``; only those of one fold are asked of the same classifiers.
    others
        Further labelled tokens, for a linear twin; without rows where there are none, or the run has its own.
    labels
        The answers to choose from.
    sample_rate, context_seconds
        Hz, and s of sound before and after each token.
    facts
        What the experiment says of who was asked.
    """

    asked: Asked
    identity: str
    tokens: pd.DataFrame
    labels: list[str]
    sample_rate: int
    context_seconds: float
    facts: dict[str, Any]
    others: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def numbers(self) -> bool:
        """Whether the model gives numbers, and no answers to choose from."""
        return are_numbers(self.facts.get("scores", "classes"), self.labels)

    def with_others(self, path: Path) -> Material:
        """Write the further tokens to a file that others can read."""
        if self.others.empty or not isinstance(self.asked, AskedModel):
            return self
        write_tokens(path, self.others)
        return replace(self, asked=replace(self.asked, others=str(path.absolute())))


def is_run(source: str | Path) -> bool:
    """Whether a folder holds a finished run."""
    return (Path(source) / RUN_NAME).is_file()


def of_run(source: str | Path, recipe: AskingRecipe, settings: Settings) -> Material:
    """The tested tokens or recordings of a run, each with the classifiers that never met it.

    Of a run of recordings without folds, such as ``speakers``, these are its test recordings.

    Parameters
    ----------
    source
        A finished run.
    recipe
        How many tokens, and the seed of their draw.
    settings
        How the experiment is executed.

    Raises
    ------
    ExperimentError
        If it has no classifier, or none of its classes is an answer of its network.
    """
    run = Run(source)
    if "classifier" not in {path.name for path in run.folder.iterdir()}:
        raise ExperimentError(
            f"{run.folder} holds no classifier that could be asked (runs of {run.facts.get('kind', 'this kind')} "
            "may keep none); ask a model instead: MODEL --corpus FOLDER"
        )
    every = _tested(run)
    names = set(choose_tokens(run, recipe.tokens, recipe.seed, of=every))
    known = np.array([class_position(run.labels, str(name)) is not None for name in every["class"]], dtype=bool)
    tokens = every[every["token"].isin(names) & known].reset_index(drop=True)
    if not len(tokens):
        raise ExperimentError(
            f"none of the classes of {run.folder} is an answer of its network, which are: {', '.join(run.labels)}"
        )
    tokens.attrs = {**every.attrs, "left_out": []}
    context = 0.0 if is_of_recordings(run) else run.context_seconds
    asked = AskedRun(str(run.folder.absolute()), settings.trust_imports)
    said = _facts_of(asked.trainings(0)[0]) if is_of_recordings(run) else run.facts
    facts = {name: said[name] for name in _KEPT if name in said}
    facts |= {"of_run": run.folder.as_posix(), "of_name": run.facts.get("name", "")}
    identity = asked.identity(sorted({int(fold) for fold in tokens["fold"]}))
    rate = int(run.facts["sample_rate"])
    return Material(asked, identity, tokens, list(run.labels), rate, context, facts)


def _tested(run: Run) -> pd.DataFrame:
    """Token table of a run, with the fold of each tested token; a run without folds has one, its test recordings."""
    tokens = run.tokens
    if not is_of_recordings(run):
        return tokens
    tested = tokens.assign(fold=np.where(tokens["split"].eq("test"), 0.0, np.nan))
    tested.attrs = tokens.attrs
    return tested


def of_model(
    source: str | Path, said: Mapping[str, Any], corpus: Corpus, recipe: AskingRecipe, settings: Settings
) -> Material:
    """Tokens of a corpus for a model that was trained elsewhere.

    Parameters
    ----------
    source
        As of `phonoscope.load`.
    said
        What is said of the model, as `phonoscope.load` takes it.
    corpus
        The recordings.
    recipe
        How many tokens, and the seed of their draw.
    settings
        How the experiment is executed.

    Raises
    ------
    ExperimentError
        If the model gives nothing that could be an answer, or no token can be used.
    """
    found, context = corpus.listed(recipe.seed, strict=settings.strict)
    asked = AskedModel.of(
        str(source),
        said,
        trust_imports=settings.trust_imports,
        sample_rate=found.sample_rate,
        labels=found.labels if found.labelled else (),
    )
    classifier = asked.load()
    refuse_embedding(classifier)
    numbers = are_numbers(classifier.scores, classifier.labels)
    if numbers:
        found.without_labels()
    given = corpus.labels is not None or "classes" in corpus.rules
    choose_classes(
        found, classifier.labels, names_given(corpus.map), seed=recipe.seed, by_default=not given, meaning=phone_of
    )
    tokens = found.tokens.assign(fold=0)
    tokens.attrs = found.tokens.attrs | {"settings": found.settings, "left_out": found.left_out.entries()}
    picked = drawn_evenly(tokens["class"].fillna(""), recipe.tokens, recipe.seed)
    drawn = tokens.iloc[np.sort(picked)].reset_index(drop=True)
    drawn.attrs = tokens.attrs
    waveforms, drawn = cut(drawn, classifier.sample_rate, strict=settings.strict)
    audible = drawn[SOUND_HASH].notna().to_numpy()
    left_out = LeftOut(drawn.attrs["left_out"])
    left_out.add("token", "silent: all samples of its recording are the same", int((~audible).sum()),
                 drawn.loc[~audible, "token"])  # fmt: skip
    if not audible.any():
        raise ExperimentError(f"no token of {corpus.root} can be used")
    if not found.labelled:
        drawn["class"] = ALL if numbers else own_answers(classifier, waveforms)
    attrs = drawn.attrs | {"left_out": left_out.entries()}
    drawn = drawn[audible].reset_index(drop=True)
    drawn.attrs = attrs
    facts = {
        "model": describe_model(classifier, str(source)),
        "labels_from": found.settings["labels"],
        "labelled": found.labelled,
        "warnings": found.settings["warnings"],
        **_facts_of(classifier),
    }
    others = tokens if found.labelled else pd.DataFrame()
    return Material(asked, model_identity(classifier), drawn, list(classifier.labels), classifier.sample_rate, context,
                    facts, others)  # fmt: skip


def _facts_of(classifier: Classifier) -> dict[str, Any]:
    """What an experiment says of a classifier that it asks."""
    config = classifier.config()
    return {
        "labels": classifier.labels,
        "sample_rate": classifier.sample_rate,
        "max_hz": classifier.sample_rate / 2,
        "time_seconds": classifier.front_end.time_axis.seconds,
        "network": config["network"],
        "front_end": config["front_end"],
        "scores": classifier.scores,
    }


def own_answers(classifier: Classifier, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    """The label that a model answers to each sound.

    Parameters
    ----------
    classifier
        Gives answers to choose from.
    waveforms
        Without context.
    """
    return np.asarray(classifier.labels, dtype=object)[ask(classifier, waveforms).argmax(axis=1)]


def refuse_embedding(classifier: Classifier) -> None:
    """Refuse a model whose numbers mean nothing one by one.

    Raises
    ------
    ExperimentError
        If it gives an embedding.
    """
    if classifier.scores == "embedding":
        raise ExperimentError(
            "the model gives an embedding, of which no single number means anything: ask for its similarity to "
            "references instead (phonoscope.similarity)"
        )


def refuse_numbers(material: Material) -> None:
    """Refuse a model that gives numbers where people's answers are wanted.

    Raises
    ------
    ExperimentError
        If it does.
    """
    if material.numbers:
        raise ExperimentError(
            f"the model gives numbers ({', '.join(material.labels[:4])}), no answers for people to choose from"
        )


def keep_formants(material: Material, folder: Path) -> None:
    """Write the formants that a run measured in its tokens into the folder of the experiment, if it did.

    Parameters
    ----------
    material
        Tokens of a run, or of a model, of which nothing is known.
    folder
        Of the experiment.
    """
    if not isinstance(material.asked, AskedRun):
        return
    try:
        formants = Run(material.asked.folder).formants
    except ExperimentError:
        return
    kept = formants[formants["token"].isin(material.tokens["token"])].reset_index(drop=True)
    if len(kept):
        write_with(folder / "formants.parquet", lambda path: kept.to_parquet(path, index=False))
