"""Formants and spectrograms of any number of tokens: made part by part, as maps are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from phonoscope.attribution.explainer import BATCH_SIZE
from phonoscope.corpora.select import vowel_tokens
from phonoscope.corpora.sounds import TokenSounds, open_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import CONTEXT_SECONDS
from phonoscope.experiments.map_parts import StoredMaps, as_rows, classes_of, store_parts
from phonoscope.experiments.material import Material, check_rate, measure_formants, rate_of
from phonoscope.experiments.parts import (
    WORK,
    PartTokens,
    Progress,
    count_rows,
    groups_of,
    left_out_of,
    make_parts,
    sources_of,
)
from phonoscope.experiments.pictures import network_pictures
from phonoscope.files import write_with
from phonoscope.frontends import FrontEnd, build_front_end, in_batches
from phonoscope.models.loading import load_weights
from phonoscope.training import choose_device
from phonoscope.work.executor import Executor, in_this_process
from phonoscope.work.folders import locked

_KNOWN = ("token", "label", "speaker", "sex")


@dataclass(frozen=True)
class _Formants:
    """Formants and F0 of the vowels of a part, as the experiments measure them."""

    sample_rate: int | None
    context_seconds: float = CONTEXT_SECONDS

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        context = round(part.context_seconds * part.sample_rate)
        table = measure_formants(Material(part.tokens, part.sounds, context, part.sample_rate))
        if len(table):
            rows = part.tokens[list(_KNOWN)].merge(table, on="token")
            kinds = [(str(name), pa.string() if name in _KNOWN else pa.float64()) for name in rows.columns]
            yield pa.Table.from_pandas(rows, pa.schema(kinds), preserve_index=False).replace_schema_metadata(), {}


def formants_of_tokens(
    table: str | Path,
    out: str | Path,
    *,
    sample_rate: int | None = None,
    executor: Executor = in_this_process,
    progress: Progress | None = None,
) -> tuple[int, list[dict[str, Any]]]:
    """Measure formants and F0 of the vowels of a token table, and write them as one table.

    Parameters
    ----------
    table
        Token table, or folder of tokens with their sound.
    out
        ``.parquet`` or ``.csv``: a row a vowel, ``token, label, speaker, sex``, then Hz as ``token_formants`` names
        them.
    sample_rate
        Rate to resample recordings to, Hz; their own if None.
    executor
        How the work is spread over processes or machines; the table does not depend on it.
    progress
        Called with (tokens done, tokens in all).

    Returns
    -------
    tuple
        Number of rows, and what was left out.

    Raises
    ------
    ExperimentError
        If the suffix is another, or no vowel can be measured.
    """
    out = Path(out)
    if out.suffix not in (".parquet", ".csv"):
        raise ExperimentError(f"cannot write {out}: the suffix of a table of formants must be .parquet or .csv")
    tokens = open_tokens(table)
    if isinstance(tokens, TokenSounds):
        check_rate(tokens, sample_rate)
    elif not vowel_tokens(tokens).any():
        raise ExperimentError(f"{table} has no vowel: formants are measured of vowels only")
    work = out.with_name(out.name + WORK)
    with locked(work):
        ask = _Formants(sample_rate)
        paths = make_parts(ask, sources_of(tokens, work / "tokens"), work, executor=executor, progress=progress)
        write_with(out, lambda path: _write_joined(path, paths))
        found = count_rows(paths), left_out_of(paths)
    shutil.rmtree(work)
    return found


def _write_joined(path: Path, parts: Sequence[Path]) -> None:
    """Write the rows of all parts to one file, a group at a time."""
    groups = (rows for rows, _ in groups_of(parts))
    first = next(groups)
    with (pa.csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter)(path, first.schema) as writer:
        for rows in chain([first], groups):
            writer.write_table(rows)


@dataclass(frozen=True)
class _Spectra:
    """Spectrograms of a part's tokens by a front end, whose settings are JSON here."""

    front_end: str
    sample_rate: int
    device: str
    context_seconds: float = CONTEXT_SECONDS

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        front_end, device = _front_end(self), choose_device(self.device)
        context = round(part.context_seconds * part.sample_rate)
        classes, names = classes_of(part.tokens), [str(token) for token in part.tokens["token"]]
        for some in in_batches(front_end, len(names), BATCH_SIZE, lambda i: len(part.sounds[i])):
            alone = [sound[context : len(sound) - context] for sound in part.sounds[some]]
            yield as_rows(network_pictures(front_end, alone, names[some], device), classes[some])


@lru_cache(maxsize=2)
def _front_end(asked: _Spectra) -> FrontEnd:
    return build_front_end(**json.loads(asked.front_end)).to(choose_device(asked.device))


def spectra_of_tokens(
    table: str | Path,
    out: str | Path,
    *,
    front_end: Mapping[str, Any] | None = None,
    classifier: str | Path | None = None,
    said: Mapping[str, Any] | None = None,
    trust_imports: bool = False,
    device: str = "cpu",
    executor: Executor = in_this_process,
    progress: Progress | None = None,
) -> StoredMaps:
    """Make the spectrograms that a network gets of tokens, and store them with the mean of each class.

    Parameters
    ----------
    table
        Token table, or folder of tokens with their sound.
    out
        Folder: the layout is that of maps (``read_maps`` reads it), values in the front end's unit.
    front_end
        ``kind`` and settings of the front end that makes them, as in a recipe; the sample rate is that of the tokens.
    classifier
        A model, as of `phonoscope.load`, whose front end makes them instead.
    said, trust_imports
        As of `load_model`.
    device
        ``auto``, ``cpu``, ``cuda`` …
    executor
        How the work is spread over processes or machines; the spectrograms do not depend on it.
    progress
        Called with (tokens done, tokens in all).

    Raises
    ------
    ExperimentError
        If the front end hands waveforms on, or the tokens were cut at another rate.
    """
    tokens = open_tokens(table)
    rate = rate_of(tokens)
    if classifier is not None:
        maker = load_weights(classifier, trust_imports=trust_imports, rate=rate, **(said or {})).front_end
    else:
        settings: dict[str, Any] = {"kind": "spectrogram", **(front_end or {}), "sample_rate": rate}
        maker = build_front_end(**settings)
    if maker.frequency_axis is None:
        raise ExperimentError("this front end hands waveforms on; there is no spectrogram to store")
    if not maker.alone:
        raise ExperimentError("the picture of this classifier arises inside its model, and is not stored without it")
    if isinstance(tokens, TokenSounds):
        check_rate(tokens, maker.sample_rate)
    written = json.dumps({"kind": maker.kind, **maker.config()}, sort_keys=True)
    ask = _Spectra(written, maker.sample_rate, device)
    return store_parts(ask, tokens, (), Path(out), kind="spectrogram", executor=executor, progress=progress)
