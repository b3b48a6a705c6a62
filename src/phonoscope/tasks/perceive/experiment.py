"""A perception experiment, step by step: tokens, stimuli, answers, and what follows from them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.corpora import write_tokens
from phonoscope.errors import ExperimentError, PerceptionError
from phonoscope.experiments.fit import Trained
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import classifier_identity
from phonoscope.experiments.parts import WORK, sources_of
from phonoscope.experiments.runner import Experiment, Results
from phonoscope.files import digest_of, sha256, write_with
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
from phonoscope.perception.reverse import holds_cells
from phonoscope.perception.trials import calibrated
from phonoscope.tasks.perceive.asking import (
    CONTROLS,
    LINEAR,
    NETWORK,
    Asking,
    AskingCues,
    answered,
    folders_of,
    with_probabilities,
)
from phonoscope.tasks.perceive.examples import TABLE as SOUNDS
from phonoscope.tasks.perceive.examples import keep_sounds
from phonoscope.tasks.perceive.image_sentences import image_sentences
from phonoscope.tasks.perceive.images import classification_images
from phonoscope.tasks.perceive.material import asked_tokens, keep_formants
from phonoscope.tasks.perceive.recipe import PerceiveRecipe
from phonoscope.tasks.perceive.sentences import cue_sentences
from phonoscope.tasks.perceive.tables import curves_json, image_json, made_table, records, territory_json
from phonoscope.tasks.perceive.territory import territories
from phonoscope.tasks.perceive.territory_sentences import territory_sentences
from phonoscope.training import choose_device
from phonoscope.work.executor import Executor, in_this_process

STIMULI_NAME = "stimuli.parquet"


@dataclass
class PerceiveExperiment(Experiment):
    """What a network answers when one property of a sound is moved. Nothing is trained.

    Parameters
    ----------
    source
        A finished run of tokens: each token is asked of the networks that never met it.
    listeners
        What people answered to the same stimuli, as of `phonoscope.perception.read_answers`.
    executor
        How the work is spread over processes or machines; the results do not depend on it.
    """

    needs_corpus = False

    recipe: PerceiveRecipe
    source: str | Path | None = None
    executor: Executor = field(default=in_this_process)
    listeners: Path | None = None

    def read(self, folder: Path) -> pd.DataFrame:
        """Choose the tokens, as many of each class."""
        del folder
        if self.source is None:
            raise ExperimentError("a perception experiment needs a finished run: phonoscope perceive RUN --out DIR")
        self._run = run = Run(self.source)
        if "classifier" not in {path.name for path in run.folder.iterdir()}:
            raise ExperimentError(f"{run.folder} holds no classifier that could be asked")
        tokens = asked_tokens(run, self.recipe)
        self._tokens = tokens
        return tokens

    def describe(self) -> str:
        """How many tokens are asked about, and which cues are moved."""
        return f"moving {', '.join(self.recipe.cues)} of {len(self._tokens)} tokens of {self._run.folder}"

    def measure(self, trained: Sequence[Trained], folder: Path) -> Results:
        """Make the stimuli, ask, and draw the conclusions."""
        del trained
        recipe, settings, tokens = self.recipe, self.settings, self._tokens
        labels, work = list(self._run.labels), folder / WORK
        asked = self._asking()
        asking = AskingCues(**vars(asked), continua=recipe.continua, shams=recipe.shams)
        found = answered(
            asking, sources_of(tokens, work / "tokens", ["fold"]), work, len(labels), executor=self.executor,
            progress=lambda done, count: settings.say(f"  {done} of {count} tokens"),
        )  # fmt: skip
        kept = with_probabilities(found.table, found.answers[NETWORK], labels)
        write_tokens(folder / "tokens.parquet", tokens)
        keep_formants(self._run, tokens, folder)
        write_with(folder / STIMULI_NAME, lambda path: kept.to_parquet(path, index=False))
        settings.say(f"{len(kept)} stimuli; what the answers say")
        tables = conclusions(found.table, found.answers, labels)
        rate, context = int(self._run.facts["sample_rate"]), self._run.context_seconds
        tables[SOUNDS] = keep_sounds(kept, tokens, recipe, folder, rate, context)
        of_bubbles = self.listeners if recipe.bubbles and self.listeners and holds_cells(self.listeners) else None
        if self.listeners is not None and of_bubbles is None:
            tables |= people_tables(tables["boundaries"], self.listeners, labels)
        sentences = cue_sentences(tables["slopes"], tables["curves"], recipe.cues)
        absent = dict(found.absent)
        if recipe.grids:
            few = asked_tokens(self._run, replace(recipe, tokens=min(recipe.tokens, recipe.territory_tokens)))
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
        return Results(tokens, tables, self._facts(absent), _results(tables, sentences))

    def _asking(self) -> Asking:
        run, tokens, settings = self._run, self._tokens, self.settings
        folds = sorted({int(fold) for fold in tokens["fold"]})
        return Asking(
            source=str(run.folder.absolute()),
            identity=digest_of(
                sha256(run.folder / "tokens.parquet"), *map(classifier_identity, folders_of(run, folds))
            ),
            ceiling=self.recipe.ceiling,
            seed=self.recipe.seed,
            judged=tuple(tokens["token"].astype(str)),
            trust_imports=settings.trust_imports,
            device=str(choose_device(settings.device)),
            sample_rate=int(run.facts["sample_rate"]),
            context_seconds=run.context_seconds,
        )

    def _facts(self, absent: Mapping[str, str]) -> dict[str, Any]:
        facts = self._run.facts
        kept = ("labels", "sample_rate", "max_hz", "time_seconds", "network", "front_end", "scores")
        return {name: facts[name] for name in kept if name in facts} | {
            "of_run": self._run.folder.as_posix(),
            "of_name": facts.get("name", ""),
            "absent_controls": dict(absent),
            "context_seconds": self._run.context_seconds,
        }

    def summary(self, results: Mapping[str, Any]) -> Sequence[str]:
        """One sentence a cue."""
        return results["sentences"]


def conclusions(
    table: pd.DataFrame, answers: Mapping[str, np.ndarray], labels: Sequence[str]
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
    try:
        weights = cue_weights(network)
    except PerceptionError:  # cues that never move, or always together
        weights = pd.DataFrame()
    counts = network.table.drop_duplicates("token")["class"].value_counts().rename_axis("class").reset_index()
    return {
        "curves": identification_curves(network),
        "slopes": slopes(network, controls, trials[NETWORK].where(shams) if len(shams) else None),
        "boundaries": boundaries(network),
        "weights": weights,
        "made": made_table(table),
        "counts": counts,
    }


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
        "weights": rows("weights", "class", "cue", "weight", "low", "high", "per_jnd", "unit"),
        **territory_json(tables),
        **image_json(tables),
        "sentences": sentences,
        "n_stimuli": int(tables["made"]["n"].sum()),
        "n_missed": int(tables["made"]["missed"].sum()),
    }  # fmt: skip
