"""Maps of the tokens of a run, or of any tokens by a saved classifier: made part by part, stored as one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from phonoscope.attribution.explainer import BATCH_SIZE, Explainer
from phonoscope.attribution.targets import Contrast, parse_target, resolve_targets
from phonoscope.classifier import WEIGHTS_NAME
from phonoscope.corpora.sounds import TokenSounds, open_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import CONTEXT_SECONDS, Run
from phonoscope.experiments.held_out import classifier_identity, load_classifier, run_identity
from phonoscope.experiments.loading import load_model
from phonoscope.experiments.map_parts import StoredMaps, as_rows, classes_of, store_parts
from phonoscope.experiments.material import check_rate, rate_of
from phonoscope.experiments.parts import PartTokens, Progress
from phonoscope.frontends import in_batches
from phonoscope.models.loading import describes_itself
from phonoscope.modules import weights_hash
from phonoscope.training import choose_device
from phonoscope.work.executor import Executor, in_this_process


@dataclass(frozen=True)
class _Explaining:
    """Which maps are to be made.

    Parameters
    ----------
    source
        Run, or classifier folder.
    of_run
        Whether the tested tokens of the run are explained, each by the classifier of its fold.
    identity
        Checksums of all that is read beside the part itself.
    said
        What is said of the model, as JSON, see `load_model`.
    """

    source: str
    of_run: bool
    method: str
    target: str | Contrast
    seed: int
    trust_imports: bool
    device: str
    sample_rate: int
    identity: str
    context_seconds: float = CONTEXT_SECONDS
    said: str = "{}"

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        """Yield maps of the part's tokens, a batch at a time."""
        fold = int(part.tokens["fold"].iloc[0]) if self.of_run else None
        explainer = _ready(self, fold, part.context_seconds)
        classes = classes_of(part.tokens)
        names = [str(token) for token in part.tokens["token"]]
        targets = resolve_targets(explainer.classifier, self.target, len(names), classes)
        front_end = explainer.classifier.front_end
        for some in in_batches(front_end, len(names), BATCH_SIZE, lambda i: len(part.sounds[i])):
            maps = explainer(part.sounds[some], targets.of(some), names[some])
            yield as_rows(maps, classes[some])


@lru_cache(maxsize=2)
def _ready(explaining: _Explaining, fold: int | None, context_seconds: float) -> Explainer:
    """Make a classifier and its method ready: once a process and fold."""
    if explaining.of_run:
        classifier = load_classifier(Run(explaining.source), fold, trust_imports=explaining.trust_imports)
    else:
        classifier = load_model(explaining.source, json.loads(explaining.said), trust_imports=explaining.trust_imports)
    classifier.to(choose_device(explaining.device))
    return Explainer(classifier, explaining.method, context_seconds=context_seconds, seed=explaining.seed)


def explain_run(
    source: str | Path,
    out: str | Path,
    *,
    method: str,
    target: str | Contrast,
    seed: int = 0,
    trust_imports: bool = False,
    device: str = "cpu",
    executor: Executor = in_this_process,
    progress: Progress | None = None,
) -> StoredMaps:
    """Make maps of the tested tokens of a run, each by the classifier that never met it, and store them.

    Parameters
    ----------
    source
        A finished run of tokens.
    out
        Folder for the maps and their class means (``means.parquet``).
    method, seed
        As in `explain`.
    target
        ``true``, ``predicted``, a class, or a contrast, also in words: ``i-er``.
    trust_imports
        Allow a saved classifier to import its code.
    device
        ``auto``, ``cpu``, ``cuda`` …
    executor
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
    how = (method, _read_target(target, run.labels), seed, trust_imports, device)
    read = (int(run.facts["sample_rate"]), run_identity(run), run.context_seconds)
    explaining = _Explaining(str(run.folder.absolute()), True, *how, *read)
    out = Path(out)
    return store_parts(explaining, tested, run.labels, out, together=("fold",), executor=executor, progress=progress)


def explain_tokens(
    source: str | Path,
    table: str | Path,
    out: str | Path,
    *,
    method: str,
    target: str | Contrast,
    seed: int = 0,
    device: str = "cpu",
    executor: Executor = in_this_process,
    progress: Progress | None = None,
    **said: Any,
) -> StoredMaps:
    """Make maps of tokens by any model, and store them; see ``explain_run``.

    Parameters
    ----------
    source
        Folder of a classifier, or any model as of `phonoscope.load`.
    table
        Token table, or folder of tokens with their sound.
    said
        ``trust_imports``, and what is said of the model, as of `phonoscope.load`; one of which no rate is known takes
        that of the recordings.
    out, method, target, seed, device, executor, progress
        As in ``explain_run``.

    Raises
    ------
    ExperimentError
        If the tokens were cut at another rate than the classifier's.
    """
    tokens = open_tokens(table)
    trust_imports = said.pop("trust_imports", False)
    known, source = said, str(Path(source).absolute()) if Path(source).exists() else str(source)
    if "sample_rate" not in known and not describes_itself(source):
        known["sample_rate"] = rate_of(tokens)
    classifier = load_model(source, known, trust_imports=trust_imports)
    if isinstance(tokens, TokenSounds):
        check_rate(tokens, classifier.sample_rate)
    how = (method, _read_target(target, classifier.labels), seed, trust_imports, device)
    saved = (Path(source) / WEIGHTS_NAME).is_file()
    identity = classifier_identity(Path(source)) if saved else weights_hash(classifier.network)
    explaining = _Explaining(source, False, *how, classifier.sample_rate, identity, said=json.dumps(known))
    return store_parts(explaining, tokens, classifier.labels, Path(out), executor=executor, progress=progress)


def _read_target(target: str | Contrast, labels: Sequence[str]) -> str | Contrast:
    return parse_target(target, labels) if isinstance(target, str) else target
