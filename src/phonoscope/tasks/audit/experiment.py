"""An audit, step by step: recordings, exchanges, answers, findings."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.audit.reactions import REACTIONS, reactions_table
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.classifier import SCORES
from phonoscope.corpora import write_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.fit import Trained
from phonoscope.experiments.folder import Run
from phonoscope.experiments.parts import WORK
from phonoscope.experiments.runner import Results, execute
from phonoscope.files import digest_of, sha256, write_text
from phonoscope.tasks.asked.experiment import AskingExperiment
from phonoscope.tasks.asked.material import is_run
from phonoscope.tasks.audit import asking
from phonoscope.tasks.audit.asking import FACT, FORMAT, ORDER, REACTION, SHORTCUT, Auditing, Unit
from phonoscope.tasks.audit.card import APPENDIX_NAME, CARD_NAME, appendix_of, card_of
from phonoscope.tasks.audit.findings import findings_json, findings_of, in_words, not_tested
from phonoscope.tasks.audit.heard import write_examples
from phonoscope.tasks.audit.mending import to_mend, write_mended
from phonoscope.tasks.audit.recipe import AuditRecipe
from phonoscope.tasks.reporting import write_report
from phonoscope.training import choose_device
from phonoscope.work.units import complete


@dataclass
class AuditExperiment(AskingExperiment):
    """Whether a model answers by speech or by a shortcut. Nothing is trained.

    Parameters
    ----------
    mend
        Folder for a copy of the recordings in which the shortcuts that were found are balanced over the classes.
    """

    command = "audit"

    recipe: AuditRecipe
    mend: Path | None = None

    def read(self, folder: Path) -> pd.DataFrame:
        """Choose the recordings, as many of each class."""
        del folder
        self._material = material = self.material()
        if not SCORES[material.facts.get("scores", "classes")].probability:
            raise ExperimentError("the model gives no classes: an audit needs a model that decides")
        tokens = material.tokens
        if unknown := [name for name in self.recipe.by if name not in tokens]:
            known = ", ".join(str(name) for name in tokens if name not in {"token", "recording", "start", "end"})
            raise ExperimentError(f"--by {', '.join(unknown)}: there is no such column; the recordings have: {known}")
        counts = tokens["class"].astype(str).value_counts()
        if len(counts) < 2:
            raise ExperimentError(
                f"all recordings are of one class ({counts.index[0]}): there is nothing that a shortcut could tell. "
                "Give recordings of several classes, or say which are which: --labels"
            )
        return tokens

    def describe(self) -> str:
        """How many recordings of which classes are audited."""
        tokens = self._material.tokens
        counts = ", ".join(f"{name} {count}" for name, count in tokens["class"].value_counts().items())
        warned = "".join(f". {warning.rstrip('.')}" for warning in self._material.facts.get("warnings", ()))
        return f"auditing {len(tokens)} recordings: {counts}{warned}"

    def measure(self, trained: Sequence[Trained], folder: Path) -> Results:
        """Exchange, change, ask, and draw the conclusions."""
        del trained
        recipe, settings, material = self.recipe, self.settings, self._material
        path = folder / "tokens.parquet"
        write_tokens(path, material.tokens)
        auditing = Auditing(
            material.asked,
            digest_of(material.identity, sha256(path)),
            str(path.absolute()),
            str(choose_device(settings.device)),
            material.sample_rate,
            recipe.seed,
            recipe.pairs,
            recipe.changed_alike,
        )
        names = {
            SHORTCUT: recipe.shortcuts or list(SHORTCUTS),
            REACTION: recipe.reactions or list(REACTIONS),
            FACT: [FORMAT, ORDER, *recipe.by],
        }
        work = folder / WORK
        units = [
            Unit(auditing, kind, name, str((work / f"{kind}-{name}").absolute()))
            for kind in names
            for name in names[kind]
        ]
        for number, unit in enumerate(complete(units, asking.is_made, asking.make, self.executor), start=1):
            settings.say(f"  {number} of {len(units)}: {unit.name}")
        here = asking.ready(auditing)
        shortcuts, reactions, facts = ([unit for unit in units if unit.kind == kind] for kind in names)
        items = [asking.found_item(unit, here) for unit in shortcuts]
        told = {unit.name: asking.found_fact(unit) for unit in facts}
        findings = findings_of(items, told, here.recordings)
        correct = _correct(here) if material.facts.get("labelled", True) else None
        alike = here.changed_alike
        reacted = reactions_table(
            [(REACTIONS[unit.name], *asking.found_reaction(unit)) for unit in reactions],
            here.before[:, alike],
            None if correct is None else correct[alike],
            here.recordings.clusters.iloc[alike],
        )
        measured = _measured(shortcuts, here)
        examples = write_examples(folder, shortcuts, findings, here)
        shutil.rmtree(work)
        lacking = not_tested(recipe, here, findings)
        self._mend(findings, here)
        tables = {"findings": findings, "reactions": reacted, "measured": measured, "sounds": examples}
        clusters = here.recordings.clusters
        results = {
            "findings": findings_json(findings),
            "reactions": reacted.astype(object).where(reacted.notna(), None).to_dict("records"),
            "not_tested": lacking,
            "n": len(here.tokens),
            "groups": int(pd.Series(here.recordings.groups).nunique()),
            "speakers": int(clusters["speaker"].nunique()),
            "accuracy": None if correct is None else float(np.mean(here.before.argmax(axis=-1) == correct)),
            "sentences": in_words(findings),
        }
        told = results | {"corpus": str(here.tokens["corpus"].iloc[0]), "model": str(self.source)}
        write_text(folder / CARD_NAME, card_of(findings, lacking, told))
        write_text(folder / APPENDIX_NAME, appendix_of(findings, reacted, lacking, told))
        return Results(here.tokens, tables, material.facts | {"context_seconds": 0.0}, results)

    def _mend(self, findings: pd.DataFrame, here: asking.Ready) -> None:
        """Write the mended recordings, where that was asked for."""
        self._mended = None
        if self.mend is None:
            return
        names = to_mend(findings)
        if not names:
            self.settings.say("the classes differ in nothing that could be mended")
            return
        self.settings.say(f"balancing {', '.join(names)}")
        self._mended = write_mended(self.mend, names, here)

    def follow(self, run: Run) -> None:
        """Audit the mended recordings in turn, in the folder ``mended`` of the run."""
        if self._mended is None:
            return
        self.settings.say("auditing the mended recordings")
        again = replace(
            self,
            source=self.source if not is_run(str(self.source)) else Path(str(self.source)) / "classifier",
            corpus=self.mend, labels=str(self._mended), label_column="label", layout="auto", mend=None,
            rules={},
            settings=replace(self.settings, resume=False), recipe=replace(self.recipe, by=[]),
        )  # fmt: skip
        execute(again, run.folder / "mended", "audit")
        write_report(run.folder / "mended")

    def summary(self, results: Mapping[str, Any]) -> Sequence[str]:
        """What was found, the worst first."""
        return results["sentences"]


def _correct(here: asking.Ready) -> np.ndarray:
    """Position of each recording's class among the model's answers; −1 of one that it cannot answer."""
    return np.array([asking.position_of(here.labels, name) for name in here.recordings.classes])


def _measured(units: Sequence[Unit], here: asking.Ready) -> pd.DataFrame:
    """What is measured of each recording, one row a recording and measure."""
    rows = []
    for unit in units:
        _, values = asking.found_pairs(unit)
        names = list(SHORTCUTS[unit.name].measure(here.anatomies[0]))
        table = pd.DataFrame(values, columns=names).assign(token=here.tokens["token"].to_numpy())
        rows.append(table.melt("token", var_name="measure", value_name="value").assign(shortcut=unit.name))
    columns = ["token", "shortcut", "measure", "value"]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)
