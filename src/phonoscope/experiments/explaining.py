"""Maps of the tokens of a run, or of any tokens by a saved classifier: made part by part, stored as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from phonoscope.attribution.explain import BATCH_SIZE, PREPARED_ON_TOKENS, Explainer
from phonoscope.attribution.reference import even_places
from phonoscope.attribution.targets import Contrast, resolve_targets
from phonoscope.audio import cut
from phonoscope.classifier import WEIGHTS_NAME, Classifier, local_folder
from phonoscope.corpora import read_tokens
from phonoscope.corpora.shards import MANIFEST_NAME
from phonoscope.corpora.sounds import GROUPS_IN_ORDER, TokenSounds, open_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import classifier_folder, reference_tokens, run_identity
from phonoscope.experiments.map_parts import StoredMaps, as_rows, classes_of, store_parts
from phonoscope.experiments.material import CONTEXT_SECONDS, check_rate
from phonoscope.experiments.parts import PartTokens, Progress
from phonoscope.files import sha256
from phonoscope.training import choose_device
from phonoscope.work.executor import Each, in_this_process


@dataclass(frozen=True)
class _Explaining:
    """Which maps are to be made.

    Parameters
    ----------
    source
        Run, or classifier folder.
    tokens
        What the classifier explains; None for the tested tokens of the run.
    weights
        Checksums of all that is read beside the part itself.
    """

    source: str
    tokens: str | None
    method: str
    target: str | Contrast
    layer: str | None
    seed: int
    trust_imports: bool
    device: str
    sample_rate: int
    weights: str

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        """Yield maps of the part's tokens, a batch at a time."""
        fold = None if self.tokens is not None else int(part.tokens["fold"].iloc[0])
        explainer = _ready(self, fold)
        classes = classes_of(part.tokens)
        names = [str(token) for token in part.tokens["token"]]
        targets = resolve_targets(explainer.classifier, self.target, len(names), classes)
        for first in range(0, len(names), BATCH_SIZE):
            some = slice(first, first + BATCH_SIZE)
            maps = explainer(part.sounds[some], targets.of(some), names[some])
            yield as_rows(maps, classes[some])


@lru_cache(maxsize=2)
def _ready(asked: _Explaining, fold: int | None) -> Explainer:
    """Make a classifier and its method ready: once a process and fold, on the same tokens whatever the part."""
    if fold is None:
        folder = asked.source
        context, first, first_classes, reference = _first_and_reference(asked)
    else:
        run, context = Run(asked.source), CONTEXT_SECONDS
        folder = classifier_folder(run, fold)
        rows = run.tokens[run.tokens["fold"] == fold]
        first, first_classes = _cut_first(rows, asked.sample_rate)
        reference = reference_tokens(run.tokens, fold, asked.sample_rate)
    classifier = Classifier.from_pretrained(folder, trust_imports=asked.trust_imports)
    classifier.to(choose_device(asked.device))
    return Explainer(
        classifier,
        asked.method,
        first=first,
        first_targets=resolve_targets(classifier, asked.target, len(first), first_classes),
        reference=reference,
        layer=asked.layer,
        context_seconds=context,
        seed=asked.seed,
    )


def _first_and_reference(asked: _Explaining) -> tuple[float, list[np.ndarray], list[str], list[np.ndarray]]:
    """Sound around each token (s), the first ones with their classes, and some that stand for all."""
    path = Path(str(asked.tokens))
    tokens = TokenSounds(path, GROUPS_IN_ORDER) if path.is_dir() else read_tokens(path)
    picked = even_places(len(tokens))
    if isinstance(tokens, TokenSounds):
        first = tokens.first(PREPARED_ON_TOKENS)
        reference = list(tokens.without_context().chosen(picked))
        return tokens.context_seconds, list(first), classes_of(first.tokens), reference
    rows = tokens.iloc[picked].reset_index(drop=True)
    rows.attrs = tokens.attrs
    return CONTEXT_SECONDS, *_cut_first(tokens, asked.sample_rate), cut(rows, asked.sample_rate)[0]


def _cut_first(tokens: pd.DataFrame, rate: int) -> tuple[list[np.ndarray], list[str]]:
    """First tokens that can be cut, with context, and their classes."""
    for first in range(0, len(tokens), PREPARED_ON_TOKENS):
        rows = tokens.iloc[first : first + PREPARED_ON_TOKENS].reset_index(drop=True)
        rows.attrs = tokens.attrs
        waveforms, kept = cut(rows, rate, context_seconds=CONTEXT_SECONDS)
        if waveforms:
            return waveforms, classes_of(kept)
    raise ExperimentError(
        f"none of the {len(tokens)} tokens can be cut: their recordings are looked for in "
        f"{', '.join(map(str, tokens.attrs.get('roots', {}).values()))}"
    )


def explain_run(
    source: str | Path,
    out: str | Path,
    *,
    method: str,
    target: str | Contrast,
    layer: str | None = None,
    seed: int = 0,
    trust_imports: bool = False,
    device: str = "cpu",
    each: Each = in_this_process,
    progress: Progress | None = None,
) -> StoredMaps:
    """Make maps of the tested tokens of a run, each by the classifier that never met it, and store them.

    Parameters
    ----------
    out
        Folder for the maps and their class means (``means.parquet``).
    device
        ``auto``, ``cpu``, ``cuda`` …
    each
        How the work is spread over processes or machines; the maps do not depend on it.
    progress
        Called with (tokens done, tokens in all).

    Raises
    ------
    ExperimentError
        If nothing was tested, the recordings are gone, or the folder holds something else.
    """
    run = Run(source)
    tested = run.tokens[run.tokens["fold"].notna()]
    if len(tested) == 0:
        raise ExperimentError(f"{run.folder} holds no tested token to explain")
    asked = _Explaining(
        str(run.folder.absolute()),
        None,
        method,
        target,
        layer,
        seed,
        trust_imports,
        device,
        int(run.facts["sample_rate"]),
        run_identity(run),
    )
    return store_parts(asked, tested, run.labels, Path(out), together=("fold",), each=each, progress=progress)


def explain_tokens(
    source: str | Path,
    table: str | Path,
    out: str | Path,
    *,
    method: str,
    target: str | Contrast,
    layer: str | None = None,
    seed: int = 0,
    trust_imports: bool = False,
    device: str = "cpu",
    each: Each = in_this_process,
    progress: Progress | None = None,
) -> StoredMaps:
    """Make maps of tokens by a saved classifier, and store them; see ``explain_run``.

    Parameters
    ----------
    table
        Token table, or folder of tokens with their sound.

    Raises
    ------
    ExperimentError
        If the tokens were cut at another rate than the classifier's.
    """
    folder = local_folder(source)
    classifier = Classifier.from_pretrained(folder, trust_imports=trust_imports)
    tokens = open_tokens(table)
    if isinstance(tokens, TokenSounds):
        check_rate(tokens, classifier.sample_rate)
    asked = _Explaining(
        str(folder.absolute()),
        str(Path(table).absolute()),
        method,
        target,
        layer,
        seed,
        trust_imports,
        device,
        classifier.sample_rate,
        f"{sha256(folder / WEIGHTS_NAME)} {_table_identity(Path(table))}",
    )
    return store_parts(asked, tokens, classifier.labels, Path(out), each=each, progress=progress)


def _table_identity(table: Path) -> str:
    """What stands for a token table or a folder of cut tokens as a whole: the reference tokens come from there."""
    return sha256(table / MANIFEST_NAME if table.is_dir() else table)
