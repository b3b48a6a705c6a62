"""The phones of recordings that have an alignment, and the share of the evidence that each carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.corpora.collect import Collected, collect
from phonoscope.corpora.formats import chosen_readers
from phonoscope.corpora.pairing import alignment_root, with_alignments
from phonoscope.corpora.recording import Recording
from phonoscope.corpora.rules import TokenRules
from phonoscope.errors import CorpusError
from phonoscope.left_out import LeftOut
from phonoscope.phones import detect_phone_set, is_silence, load_mapping, map_phones
from phonoscope.phonetics.stretches import COLUMNS, stretch_shares, with_silence

RULES = ("phone_tier", "word_tier", "phone_set", "mapping")  # of the token table, that say where the phones are


def read_phones(
    entries: Sequence[Recording],
    root: Path,
    left_out: LeftOut,
    *,
    alignments: Path | None = None,
    alignment_format: str | None = None,
    strict: bool = False,
    rules: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Read the phones of recordings, as far as they have an alignment.

    Parameters
    ----------
    entries
        Recordings of a corpus.
    root
        Its folder.
    left_out
        Takes the alignments that cannot be read, with the reason.
    alignments
        Their folder; found by their names otherwise.
    alignment_format
        As of ``read_corpus``.
    strict
        Stop at the first alignment that cannot be read.
    rules
        Of the token table: those of `RULES`.

    Returns
    -------
    DataFrame
        ``recording, start, end`` (s), ``phone``: missing for silence and noise; without rows where there is no
        alignment.

    Raises
    ------
    CorpusError
        If a folder of alignments was named that is not there, or that fits no recording.
    """
    readers = chosen_readers(alignment_format)
    folder = alignment_root(root, alignments)
    paired = [each for each in with_alignments(entries, root, folder, readers) if each.alignment is not None]
    if not paired:
        if alignments is not None:
            raise CorpusError(f"no recording of {root} has an alignment in {folder}; they are paired by their names")
        return pd.DataFrame(columns=["recording", "start", "end", "phone"])
    wanted, faulty = TokenRules.of(**(rules or {})), LeftOut()
    collected = collect(paired, root, wanted, faulty, readers=readers, check_audio=False, strict=strict)
    for entry in faulty.entries():
        left_out.add("alignment", entry["reason"], entry["count"], entry["examples"])
    return _table(collected, wanted)


def _table(collected: Collected, rules: TokenRules) -> pd.DataFrame:
    """Intervals of all tiers, phones written in IPA where they are known."""
    written = list(dict.fromkeys(collected.phone))
    mapping = load_mapping(rules.mapping) if isinstance(rules.mapping, str | Path) else (rules.mapping or {})
    spoken = [name for name in written if name in mapping or not is_silence(name)]
    phone_set = rules.phone_set
    if phone_set == "auto" and spoken:
        try:
            phone_set = collected.phone_set_of_format() or detect_phone_set(spoken)
        except CorpusError:  # no set that is known: the phones are called as they are written
            phone_set = ""
    named = map_phones(spoken, phone_set, mapping)[0] if phone_set else spoken
    meaning = {name: label or name for name, label in zip(spoken, named, strict=True)}
    tier_of = np.repeat(np.arange(len(collected.first)), np.diff([*collected.first, len(collected.phone)]))
    phones = pd.Series([meaning.get(name) for name in collected.phone], dtype=object)
    return pd.DataFrame(
        {
            "recording": np.asarray(collected.recording, dtype=object)[tier_of],
            "start": np.frombuffer(collected.start),
            "end": np.frombuffer(collected.end),
            "phone": phones,
        }
    )


def phone_table(
    maps: xr.DataArray,
    energy: np.ndarray,
    phones: pd.DataFrame,
    tokens: pd.DataFrame,
    units: Sequence[str],
    *,
    smallest: float,
    seed: int,
) -> pd.DataFrame:
    """Share of the evidence within each phone and within silence, by class; see `stretch_shares`.

    Parameters
    ----------
    maps
        Of the recordings, dims (token, frequency, time), time as share of the recording; read a few at a time.
    energy
        Of the recordings in the cells of time of their maps, (token, cell).
    phones
        From `read_phones`.
    tokens
        Rows of the token table in the order of the maps, with ``class``.
    units
        Columns that intervals are over, from the highest level down.
    smallest
        Smallest part of a share that counts as a difference.
    seed
        Of the shifted alignments.
    """
    known = np.flatnonzero(tokens["recording"].isin(set(phones["recording"])).to_numpy())
    if len(known) == 0:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = tokens.iloc[known].reset_index(drop=True)
    of_recording = dict(tuple(phones.groupby("recording", sort=False)))
    seconds = (rows["end"] - rows["start"]).to_numpy(dtype=float)
    evidence = np.stack([np.maximum(maps[i].values, 0.0).sum(axis=0) for i in known])
    return stretch_shares(
        evidence,
        energy[known],
        seconds,
        [with_silence(of_recording[name], each) for name, each in zip(rows["recording"], seconds, strict=True)],
        rows["class"].tolist(),
        rows[list(units)],
        smallest=smallest,
        seed=seed,
    )


def energy_in_cells(waveforms: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Energy of each sound in so many equally long cells of time, (sound, cell)."""
    rows = []
    for waveform in waveforms:
        summed = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
        rows.append(np.diff(np.interp(np.linspace(0, len(waveform), count + 1), np.arange(len(summed)), summed)))
    return np.stack(rows)
