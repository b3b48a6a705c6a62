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
from phonoscope.experiments.fit import Trained
from phonoscope.experiments.parts import WORK, groups_of, make_parts, sources_of
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
from phonoscope.perception.slopes import number_slopes
from phonoscope.perception.trials import calibrated
from phonoscope.tasks.asked.experiment import AskingExperiment
from phonoscope.tasks.asked.material import refuse_numbers
from phonoscope.tasks.perceive.asking import CONTROLS, LINEAR, NETWORK, Asking, answers_in, followed
from phonoscope.tasks.perceive.recipe import PerceiveRecipe
from phonoscope.tasks.perceive.sentences import cue_sentences, number_sentences
from phonoscope.tasks.perceive.tables import curves_json, made_table
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
        if self.listeners is not None:
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
        tokens, labels = material.tokens, material.labels
        asking = Asking(
            material.asked,
            material.identity,
            recipe.continua,
            recipe.shams,
            recipe.ceiling,
            recipe.seed,
            tuple(tokens["token"].astype(str)),
            str(choose_device(settings.device)),
            material.sample_rate,
            material.context_seconds,
        )
        paths = make_parts(
            asking, sources_of(tokens, work / "tokens", ["fold"]), work, executor=self.executor,
            progress=lambda done, count: settings.say(f"  {done} of {count} tokens"),
        )  # fmt: skip
        stimuli, absent = [], {}
        for rows, facts in groups_of(paths):
            stimuli.append(rows.to_pandas())
            absent |= facts["absent"]
        table = pd.concat(stimuli, ignore_index=True)
        names = [NETWORK, *(name for name in CONTROLS if name in table)]
        answers = {name: answers_in(table, name, len(labels)) for name in names}
        numbers = material.numbers
        kept = with_answers(table.drop(columns=names), answers[NETWORK], labels, numbers=numbers)
        write_tokens(folder / "tokens.parquet", tokens)
        write_with(folder / STIMULI_NAME, lambda path: kept.to_parquet(path, index=False))
        shutil.rmtree(work)
        settings.say(f"{len(table)} stimuli; what the answers say")
        answers, labels = followed(answers, labels, tokens["class"].tolist())
        tables = conclusions(table.drop(columns=names), answers, labels, numbers=numbers)
        if self.listeners is not None:
            tables |= people_tables(tables["boundaries"], self.listeners, labels)
        sentences = said_of_cues(tables, recipe.cues, numbers=numbers)
        facts = material.facts | {"labels": labels, "labels_in_all": len(material.labels)}
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


def with_answers(
    table: pd.DataFrame, log_p: np.ndarray, labels: Sequence[str], *, numbers: bool = False
) -> pd.DataFrame:
    """Stimuli with the most probable label (``answer``) and each one's mean probability over trainings (``p_<label>``).

    Of a model that gives numbers, with these (``value_<label>``).

    Parameters
    ----------
    table
        Stimuli.
    log_p
        Log probabilities (training, stimulus, label).
    labels
        Their names.
    numbers
        Whether the model gives numbers.
    """
    if numbers:
        values = pd.DataFrame(log_p.mean(axis=0), columns=[f"value_{label}" for label in labels], index=table.index)
        return pd.concat([table, values], axis=1)
    p = np.exp(log_p).mean(axis=0)
    answers = np.asarray(labels, dtype=object)[p.argmax(axis=1)]
    named = pd.DataFrame(p, columns=[f"p_{label}" for label in labels], index=table.index)
    return pd.concat([table.assign(answer=answers), named], axis=1)


def _results(tables: Mapping[str, pd.DataFrame], sentences: list[str]) -> dict[str, Any]:
    def records(name: str, *columns: str) -> list[dict[str, Any]]:
        table = tables[name]
        kept = table[[column for column in columns if column in table]]
        rows = kept.to_dict("records")
        return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows]

    return {
        "curves": curves_json(tables["curves"]),
        "slopes": records("slopes", "class", "cue", "against", "slope", "low", "high", "unit", "random", "linear",
                          "sham", "verdict", "p_holm"),
        "boundaries": records("boundaries", "class", "cue", "against", "measure", "boundary", "low", "high", "unit",
                              "logits_per_unit", "why_not"),
        "weights": records("weights", "class", "cue", "weight", "low", "high", "random", "linear", "per_jnd", "unit"),
        "sentences": sentences,
        "n_stimuli": int(tables["made"]["n"].sum()),
        "n_missed": int(tables["made"]["missed"].sum()),
    }  # fmt: skip
