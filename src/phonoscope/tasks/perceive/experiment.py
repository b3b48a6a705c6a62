"""A perception experiment, step by step: tokens, stimuli, answers, and what follows from them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.corpora import write_tokens
from phonoscope.errors import PerceptionError
from phonoscope.experiments.evidence_run import drawn_evenly
from phonoscope.experiments.fit import Trained
from phonoscope.experiments.parts import WORK, sources_of
from phonoscope.experiments.runner import Results
from phonoscope.files import write_with
from phonoscope.perception import (
    Trials,
    beside_listeners,
    boundaries,
    cue_weights,
    identification_curves,
    listener_curves,
    read_answers,
    slopes,
)
from phonoscope.perception.curves import number_curves
from phonoscope.perception.reverse import holds_cells
from phonoscope.perception.slopes import number_slopes
from phonoscope.perception.trials import calibrated
from phonoscope.tasks.asked.experiment import AskingExperiment
from phonoscope.tasks.asked.material import keep_formants, refuse_numbers
from phonoscope.tasks.perceive.asking import (
    CONTROLS,
    LINEAR,
    NETWORK,
    Asking,
    AskingCues,
    answered,
    followed,
    with_answers,
)
from phonoscope.tasks.perceive.examples import TABLE as SOUNDS
from phonoscope.tasks.perceive.examples import keep_sounds
from phonoscope.tasks.perceive.image_sentences import image_sentences
from phonoscope.tasks.perceive.images import classification_images
from phonoscope.tasks.perceive.recipe import PerceiveRecipe
from phonoscope.tasks.perceive.sentences import cue_sentences, number_sentences
from phonoscope.tasks.perceive.tables import curves_json, image_json, made_table, records, territory_json
from phonoscope.tasks.perceive.territory import territories
from phonoscope.tasks.perceive.territory_sentences import territory_sentences
from phonoscope.training import choose_device

STIMULI_NAME = "stimuli.parquet"


@dataclass
class PerceiveExperiment(AskingExperiment):
    """What a network answers when one property of a sound is moved. Nothing is trained.

    Parameters
    ----------
    listeners
        What people answered to the same stimuli, as of `phonoscope.perception.read_answers`.
    """

    command = "perceive"

    recipe: PerceiveRecipe
    listeners: Path | None = None

    def read(self, folder: Path) -> pd.DataFrame:
        """Choose the tokens, as many of each class."""
        del folder
        self._material = self.material()
        if self.listeners is not None or self.recipe.grids or self.recipe.bubbles:
            refuse_numbers(self._material)
        return self._material.tokens

    def describe(self) -> str:
        """How many tokens are asked about, and which cues are moved."""
        warned = "".join(f". {warning.rstrip('.')}" for warning in self._material.facts.get("warnings", ()))
        tokens = self._material.tokens
        return f"moving {', '.join(self.recipe.cues)} of {len(tokens)} tokens of {self.corpus or self.source}{warned}"

    def measure(self, trained: Sequence[Trained], folder: Path) -> Results:
        """Make the stimuli, ask, and draw the conclusions."""
        del trained
        recipe, settings, work = self.recipe, self.settings, folder / WORK
        material = self._material.with_others(work / "others.parquet")
        tokens, labels, numbers = material.tokens, material.labels, material.numbers
        asked = Asking(
            material.asked,
            material.identity,
            recipe.ceiling,
            recipe.seed,
            tuple(tokens["token"].astype(str)),
            str(choose_device(settings.device)),
            material.sample_rate,
            material.context_seconds,
        )
        asking = AskingCues(**vars(asked), continua=recipe.continua, shams=recipe.shams)
        found = answered(
            asking, sources_of(tokens, work / "tokens", ["fold"]), work, len(labels), executor=self.executor,
            progress=lambda done, count: settings.say(f"  {done} of {count} tokens"),
        )  # fmt: skip
        kept = with_answers(found.table, found.answers[NETWORK], labels, numbers=numbers)
        write_tokens(folder / "tokens.parquet", tokens)
        keep_formants(material, folder)
        write_with(folder / STIMULI_NAME, lambda path: kept.to_parquet(path, index=False))
        settings.say(f"{len(kept)} stimuli; what the answers say")
        answers, some = followed(found.answers, labels, tokens["class"].tolist())
        tables = conclusions(found.table, answers, some, numbers=numbers)
        if not numbers:
            tables[SOUNDS] = keep_sounds(kept, tokens, recipe, folder, material.sample_rate, material.context_seconds)
        of_bubbles = self.listeners if recipe.bubbles and self.listeners and holds_cells(self.listeners) else None
        if self.listeners is not None and of_bubbles is None:
            tables |= people_tables(tables["boundaries"], self.listeners, some)
        sentences = said_of_cues(tables, recipe.cues, numbers=numbers)
        absent = dict(found.absent)
        if recipe.grids:
            count = min(recipe.tokens, recipe.territory_tokens)
            few = tokens.iloc[np.sort(drawn_evenly(tokens["class"], count, recipe.seed))].reset_index(drop=True)
            few.attrs = tokens.attrs
            more, lacking = territories(
                asked, few, recipe.grids, labels, folder, executor=self.executor, say=settings.say
            )
            tables, absent = tables | more, absent | lacking
            sentences += territory_sentences(more, few)
        if recipe.bubbles:
            more, lacking = classification_images(
                asked, tokens, recipe.bubbles, labels, folder, executor=self.executor, say=settings.say,
                people=of_bubbles,
            )  # fmt: skip
            tables, absent = tables | more, absent | lacking
            sentences += image_sentences(more)
        shutil.rmtree(work)
        facts = material.facts | {"labels": some, "labels_in_all": len(labels)}
        facts |= {"absent_controls": absent, "context_seconds": material.context_seconds}
        return Results(tokens, tables, facts, _results(tables, sentences))

    def summary(self, results: Mapping[str, Any]) -> Sequence[str]:
        """One sentence a cue."""
        return results["sentences"]


def conclusions(
    table: pd.DataFrame, answers: Mapping[str, np.ndarray], labels: Sequence[str], *, numbers: bool = False
) -> dict[str, pd.DataFrame]:
    """Result tables of the answers.

    Parameters
    ----------
    table
        Stimuli and shams; see `phonoscope.perception.presenting.Presented`.
    answers
        By who answered: log probabilities (training, stimulus, label).
    labels
        The answers to choose from.
    numbers
        Whether the model gives numbers, and no answers to choose from: there are no boundaries and no weights then.

    Returns
    -------
    dict of DataFrame
        ``curves, slopes, boundaries, weights, made`` (what was intended and achieved, by class and cue), ``counts``.
    """
    own, shams = (np.flatnonzero(table["sham"].to_numpy(dtype=bool) == sham) for sham in (False, True))
    trials = {name: Trials(table, labels, values) for name, values in answers.items()}
    network = trials[NETWORK].where(own)
    controls = {name: trials[name].where(own) for name in CONTROLS if name in trials}
    if LINEAR in controls:
        controls[LINEAR] = calibrated(controls[LINEAR])
    ripples = trials[NETWORK].where(shams) if len(shams) else None
    counts = network.table.drop_duplicates("token")["class"].value_counts().rename_axis("class").reset_index()
    both = {"made": made_table(table), "counts": counts}
    if numbers:
        found = {"curves": number_curves(network), "slopes": number_slopes(network, controls, ripples)}
        return found | both | {"boundaries": pd.DataFrame(), "weights": pd.DataFrame()}
    try:
        weights = cue_weights(network, controls)
    except PerceptionError:  # cues that never move, or always together
        weights = pd.DataFrame()
    return {
        "curves": identification_curves(network),
        "slopes": slopes(network, controls, ripples),
        "boundaries": boundaries(network),
        "weights": weights,
        **both,
    }


def said_of_cues(tables: Mapping[str, pd.DataFrame], cues: Sequence[str], *, numbers: bool) -> list[str]:
    """One sentence a cue.

    Parameters
    ----------
    tables
        From `conclusions`.
    cues
        That were moved.
    numbers
        Whether the model gives numbers.
    """
    if numbers:
        return number_sentences(tables["slopes"], cues)
    return cue_sentences(tables["slopes"], tables["curves"], cues)


def people_tables(network: pd.DataFrame, answers: Path, labels: Sequence[str]) -> dict[str, pd.DataFrame]:
    """What people answered, fitted alike, and the network's boundaries beside theirs.

    Parameters
    ----------
    network
        From `phonoscope.perception.boundaries`.
    answers
        A file, or a folder of files, of people's answers.
    labels
        The answers to choose from.
    """
    people = listener_curves(read_answers(answers, labels=labels), labels)
    return {"listeners": people, "beside_listeners": beside_listeners(network, people)}


def _results(tables: Mapping[str, pd.DataFrame], sentences: list[str]) -> dict[str, Any]:
    def rows(name: str, *columns: str) -> list[dict[str, Any]]:
        return records(tables[name], *columns)

    return {
        "curves": curves_json(tables["curves"]),
        "slopes": rows("slopes", "class", "cue", "against", "slope", "low", "high", "unit", "random", "linear",
                          "sham", "verdict", "p_holm"),
        "boundaries": rows("boundaries", "class", "cue", "against", "measure", "boundary", "low", "high", "unit",
                              "logits_per_unit", "why_not"),
        "weights": rows("weights", "class", "cue", "weight", "low", "high", "random", "linear", "per_jnd", "unit"),
        **territory_json(tables),
        **image_json(tables),
        "sentences": sentences,
        "n_stimuli": int(tables["made"]["n"].sum()),
        "n_missed": int(tables["made"]["missed"].sum()),
    }  # fmt: skip
