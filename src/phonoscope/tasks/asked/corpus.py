"""Recordings that a model from elsewhere is asked about: whole, stretches of them, or their phones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phonoscope.corpora import read_corpus
from phonoscope.corpora.shards import first_rate
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import CONTEXT_SECONDS
from phonoscope.left_out import LeftOut
from phonoscope.tasks.outside.material import NONE, Recordings, is_of_stretches, list_recordings, with_stretches

PHONES = "phones"
_WHOLE = ("speakers", "classes")  # rules of the token table that mean something for whole recordings too


@dataclass(frozen=True)
class Corpus:
    """Recordings that a model is asked about.

    Parameters
    ----------
    root
        Folder of the corpus.
    labels
        As of `phonoscope.tasks.outside.material.list_recordings`; or ``phones``, the phones of the alignments, each a
        token; or a CSV file with ``recording, start, end`` (s) and perhaps ``label``, whose stretches are the tokens.
    label_column, layout
        As of `list_recordings`.
    map
        Which class of the model a label means: ``label=class, …``.
    alignments, alignment_format
        As of `read_corpus`; where they are given, phones are asked about.
    rules
        Of the token table; of whole recordings ``speakers`` and ``classes``, their labels.
    """

    root: Path
    labels: str | None = None
    label_column: str | None = None
    map: str = ""
    layout: str = "auto"
    alignments: Path | None = None
    alignment_format: str | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)

    def listed(self, seed: int, *, strict: bool) -> tuple[Recordings, float]:
        """All tokens there are, with labels where they have some, and how much sound around them is theirs, s.

        Raises
        ------
        ExperimentError
            If something was said of phones, and whole recordings are asked about.
        """
        of_phones = [name for name in self.rules if name not in _WHOLE]
        of_phones += ["alignments"] * bool(self.alignments) + ["alignment_format"] * bool(self.alignment_format)
        if self.labels == PHONES or (self.labels is None and of_phones):
            return self._phones(seed, strict=strict), CONTEXT_SECONDS
        if of_phones:
            named = ", ".join(f"--{name.replace('_', '-')}" for name in of_phones)
            raise ExperimentError(f"{named} says something of phones; for these, give --labels phones")
        stretches = self.labels is not None and is_of_stretches(self.labels)
        classes = self.rules.get("classes", ())
        found = list_recordings(
            str(self.root),
            labels=NONE if stretches else self.labels,
            label_column=None if stretches else self.label_column,
            layout=self.layout,
            speakers=self.rules.get("speakers"),
            only=classes.split(",") if isinstance(classes, str) else classes,
            strict=strict,
        )
        if not stretches:
            return found, 0.0
        root = Path(next(iter(found.tokens.attrs["roots"].values())))
        return with_stretches(found, Path(str(self.labels)), self.label_column, root), CONTEXT_SECONDS

    def _phones(self, seed: int, *, strict: bool) -> Recordings:
        rules: dict[str, Any] = {"classes": "all", **self.rules}
        tokens = read_corpus(
            self.root,
            self.alignments,
            layout=self.layout,
            alignment_format=self.alignment_format,
            seed=seed,
            strict=strict,
            **rules,
        )
        tokens["label"] = tokens["label"].astype(object)
        tokens["native_rate"] = first_rate(tokens)
        left_out = LeftOut(tokens.attrs["left_out"])
        settings = {"warnings": [], **tokens.attrs["settings"], "labels": PHONES}
        return Recordings(tokens, [], PHONES, left_out, settings, "token")
