"""What the experiments have in common that ask a run's networks, or any model, about sounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from phonoscope.corpora import TokenRules
from phonoscope.errors import ExperimentError
from phonoscope.experiments.loading import SAID, taken_out
from phonoscope.experiments.recipe import Recipe
from phonoscope.experiments.runner import Experiment
from phonoscope.experiments.settings import Settings
from phonoscope.tasks.asked.corpus import Corpus
from phonoscope.tasks.asked.material import Material, is_run, of_model, of_run
from phonoscope.work.executor import Executor, in_this_process


@dataclass
class AskingExperiment(Experiment):
    """An experiment in which nothing is trained: a finished run's networks are asked, or any model.

    Parameters
    ----------
    source
        A finished run of tokens: each token is asked of the networks that never met it. Or any model of
        `phonoscope.load`, which is asked about the recordings of ``corpus``.
    executor
        How the work is spread over processes or machines; the results do not depend on it.
    labels, label_column, map, layout, alignments, alignment_format, rules
        Of the recordings that a model is asked about; see `Corpus`.
    sample_rate, said
        What is said of a model, as `load_model` takes it.
    """

    needs_corpus = False
    command: ClassVar[str] = ""  # what is typed after ``phonoscope``

    source: str | Path | None = None
    executor: Executor = field(default=in_this_process)
    labels: str | None = None
    label_column: str | None = None
    map: str = ""
    layout: str = "auto"
    alignments: Path | None = None
    alignment_format: str | None = None
    rules: dict[str, Any] = field(default_factory=dict)
    sample_rate: int | None = None
    said: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def options(cls) -> set[str]:
        """Names of the options: those of the experiment, every rule of the token table, and what is said of a model."""
        return super().options() - {"rules", "said"} | set(TokenRules.names()) | set(SAID)

    @classmethod
    def of(cls, recipe: Recipe, corpus: Path | None, settings: Settings, **options: Any) -> Self:
        """Make the experiment from options that stand side by side."""
        rules = {name: options.pop(name) for name in TokenRules.names() if name in options}
        said = taken_out(options)
        return cls(recipe, corpus, settings, **options, rules=rules, said=said)

    def material(self) -> Material:
        """The tokens, and who is asked about them.

        Raises
        ------
        ExperimentError
            If there is neither a run nor a model with recordings, or what is said does not fit.
        """
        if self.source is None:
            raise ExperimentError(
                f"this needs a finished run: phonoscope {self.command} RUN --out DIR; or a model and recordings: "
                f"phonoscope {self.command} MODEL --corpus FOLDER --out DIR"
            )
        said = self.said | ({"sample_rate": self.sample_rate} if self.sample_rate else {})
        of_corpus = {name: getattr(self, name) for name in ("labels", "label_column", "map", "alignments",
                     "alignment_format") if getattr(self, name)}  # fmt: skip
        if is_run(self.source):
            if self.corpus is not None or said or of_corpus or self.rules:
                raise ExperimentError(
                    f"{self.source} is a run, which knows its tokens and its networks: give neither recordings nor "
                    f"options of a model; to ask its network about others: phonoscope {self.command} "
                    f"{self.source}/classifier"
                )
            return of_run(self.source, self.recipe, self.settings)
        if self.corpus is None:
            raise ExperimentError(
                f"{self.source} is no finished run; a model is asked about recordings: give --corpus FOLDER"
            )
        self.settings.say(f"reading {self.corpus}")
        corpus = Corpus(self.corpus, layout=self.layout, rules=self.rules, **of_corpus)
        return of_model(self.source, said, corpus, self.recipe, self.settings)
