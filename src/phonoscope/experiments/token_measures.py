"""Formants and spectrograms of any number of tokens: made part by part, as maps are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from phonoscope.attribution.explainer import BATCH_SIZE
from phonoscope.audio import NATIVE_RATE
from phonoscope.corpora.select import vowel_tokens
from phonoscope.corpora.sounds import TokenSounds, open_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import CONTEXT_SECONDS
from phonoscope.experiments.map_parts import StoredMaps, as_rows, classes_of, store_parts
from phonoscope.experiments.material import check_rate, rate_of, vowel_candidates
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
from phonoscope.files import sha256, write_with
from phonoscope.frontends import FrontEnd, build_front_end, in_batches
from phonoscope.left_out import LeftOut
from phonoscope.models.loading import load_weights
from phonoscope.phonetics.candidates import settled
from phonoscope.phonetics.ceilings import FormantSettings
from phonoscope.phonetics.corrections import read_corrections
from phonoscope.training import choose_device
from phonoscope.work.executor import Executor, in_this_process
from phonoscope.work.folders import locked

_KNOWN = ("token", "label", "speaker", "sex")
_TEXTS = (*_KNOWN, "ceiling_from", "corrected")
_COUNTS = ("candidate", "formants_below")


@dataclass(frozen=True)
class _Formants:
    """Formants and F0 of the vowels of a part, as the experiments measure them; with a ladder, all candidates."""

    sample_rate: int | None
    settings: FormantSettings
    corrections: str  # what stands in the file
    context_seconds: float = CONTEXT_SECONDS

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        tokens, path = part.tokens, self.settings.corrections
        corrected = None if path is None else read_corrections(path)
        cut_elsewhere = isinstance(part.sounds, TokenSounds) or self.sample_rate is not None
        rates = np.full(len(tokens), float(part.sample_rate))
        if not cut_elsewhere:
            rates = tokens[NATIVE_RATE].astype(float).to_numpy()
        rows = vowel_candidates(tokens, part.sounds, rates, part.context_seconds, self.settings, corrected)
        if not self.settings.on_a_ladder:
            rows, _ = settled(rows, self.settings, corrected)
        if len(rows):
            rows = tokens[list(_KNOWN)].merge(rows, on="token")
            yield pa.Table.from_pandas(rows, _schema(rows), preserve_index=False).replace_schema_metadata(), {}


def _schema(rows: pd.DataFrame) -> pa.Schema:
    """One schema for all parts, also where a column is empty."""
    kinds = {**dict.fromkeys(_TEXTS, pa.string()), **dict.fromkeys(_COUNTS, pa.int32())}
    return pa.schema([(str(name), kinds.get(str(name), pa.float64())) for name in rows.columns])


def formants_of_tokens(
    table: str | Path,
    out: str | Path,
    *,
    sample_rate: int | None = None,
    settings: FormantSettings | None = None,
    candidates: str | Path | None = None,
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
        them, and the ceiling used.
    sample_rate
        Rate to resample recordings to, Hz; each its own if None.
    settings
        Ceiling, number of formants, positions and corrections.
    candidates
        CSV of what each ceiling of the ladder gives, if there is a ladder; ``OUT_candidates.csv`` if None.
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
    out, settings = Path(out), settings or FormantSettings()
    if out.suffix not in (".parquet", ".csv"):
        raise ExperimentError(f"cannot write {out}: the suffix of a table of formants must be .parquet or .csv")
    tokens = open_tokens(table)
    if isinstance(tokens, TokenSounds):
        check_rate(tokens, sample_rate)
    elif not (vowels := vowel_tokens(tokens)).any():
        raise ExperimentError(f"{table} has no vowel: formants are measured of vowels only")
    else:
        attrs, tokens = tokens.attrs, tokens[vowels].reset_index(drop=True)
        tokens.attrs = attrs
    beside = Path(candidates or candidates_beside(out))
    unused, content, path = LeftOut(), "", settings.corrections
    if path is not None:
        if settings.on_a_ladder and beside.absolute() == Path(path).absolute():
            raise ExperimentError(
                f"{beside} holds your corrections and would be written over; choose another file with --candidates or "
                "--out"
            )
        names = tokens.tokens["token"] if isinstance(tokens, TokenSounds) else tokens["token"]
        unused, content = _without_token(read_corrections(path), names), sha256(Path(path))
        settings = replace(settings, corrections=str(Path(path).absolute()))  # workers may be in another folder
    work = out.with_name(out.name + WORK)
    with locked(work):
        ask = _Formants(sample_rate, settings, content)
        sources = sources_of(tokens, work / "tokens", as_recorded=True)
        paths = make_parts(ask, sources, work, executor=executor, progress=progress)
        if settings.on_a_ladder:
            rows = pd.concat([group.to_pandas() for group, _ in groups_of(paths)], ignore_index=True)
            corrected = None if settings.corrections is None else read_corrections(settings.corrections)
            found, every = settled(rows, settings, corrected)
            count = len(found)
            if every is not None:
                write_with(beside, partial(every.to_csv, index=False))
            joined = pa.Table.from_pandas(found, _schema(found), preserve_index=False).replace_schema_metadata()
            write_with(out, lambda path: _write_joined(path, [joined]))
        else:
            count = count_rows(paths)
            write_with(out, lambda path: _write_joined(path, (rows for rows, _ in groups_of(paths))))
        left_out = left_out_of(paths) + unused.entries()
    shutil.rmtree(work)
    return count, left_out


def candidates_beside(out: str | Path) -> Path:
    """Where the candidates of a table of formants go if nothing is said: ``OUT_candidates.csv``.

    Parameters
    ----------
    out
        The table.
    """
    return Path(out).with_name(Path(out).stem + "_candidates.csv")


def _without_token(corrected: pd.DataFrame, tokens: Iterable[str]) -> LeftOut:
    """Corrections of tokens that are not there."""
    left_out, lost = LeftOut(), sorted(set(corrected.index) - set(tokens))
    left_out.add("correction", "there is no such token", len(lost), lost[:5])
    return left_out


def _write_joined(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write the rows of all tables to one file, one after the other."""
    groups = iter(tables)
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
