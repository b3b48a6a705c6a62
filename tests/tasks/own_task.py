"""A task of somebody else, in one file: how loud recordings are, and whether the loudest is a claim's loudest."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from phonoscope.audio import read_audio
from phonoscope.errors import ExperimentError
from phonoscope.experiments.recipe import Recipe
from phonoscope.experiments.runner import Experiment, Results
from phonoscope.judgement.claims import Claim, Finding, by_test, claims_table
from phonoscope.report.page import Page, Section, Summary
from phonoscope.tasks import Task

HERE = Path(__file__).parent


@dataclass(frozen=True)
class LoudnessRecipe(Recipe):
    task: str = "own_task:TASK"
    loudest: str = ""
    gain: float = 1.0

    def changed(self, *, seed=None, trainings=None):
        return super().changed(seed=seed, trainings=trainings)


@dataclass
class LoudnessExperiment(Experiment):
    scale: int = 1

    def read(self, folder):
        paths = sorted(self.corpus.rglob("*.wav"))
        if not paths:
            raise ExperimentError(f"no recordings in {self.corpus}")
        self.waveforms = [read_audio(path)[0] for path in paths]
        rows = [
            {"token": path.stem, "recording": path.name, "start": 0.0, "end": 1.0, "label": "x", "speaker": "one",
             "corpus": "own"}
            for path in paths
        ]  # fmt: skip
        self.tokens = pd.DataFrame(rows)
        return self.tokens

    def sounds(self):
        return self.waveforms

    def describe(self):
        return f"{len(self.waveforms)} recordings, scale {self.scale}"

    def measure(self, trained, folder):
        levels = [float(self.recipe.gain * self.scale * (wave**2).mean() ** 0.5) for wave in self.waveforms]
        table = self.tokens[["token"]].assign(level=levels)
        loudest = table.loc[table["level"].idxmax(), "token"]
        claim = Claim(
            "1", "It is the loudest.", lambda name: Finding(loudest, by_test(0.0, positive=name == loudest), "")
        )
        tables = {"levels": table, "claims": claims_table([claim], self.recipe.loudest)}
        return Results(self.tokens, tables, {"labels": ["x"]}, {"loudest": loudest})

    def summary(self, results):
        return [f"loudest: {results['loudest']}"]


def page(run):
    text = f"The loudest recording is {run.results['loudest']}."
    summary = Summary("Loudness", "Which is loudest?", [], [text], [], run.facts["provenance"]["created"])
    return Page(summary, [Section("levels", "Levels", [text])])


TASK = Task(
    "loudness",
    recipe="own_task:LoudnessRecipe",
    experiment="own_task:LoudnessExperiment",
    page="own_task:page",
    recipes=HERE,
)
