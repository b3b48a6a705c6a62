"""Which stretches of recordings carry the evidence: phones, pauses, and what lies before and after the speech.

A stretch that is long holds much evidence by chance. Chance is therefore its share of the time (which is also what
alignments shifted around within their recordings give on average) and, beside it, its share of the energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.judgement.claims import OPEN, above, below, between
from phonoscope.judgement.intervals import mean_interval
from phonoscope.judgement.permutation import holm
from phonoscope.judgement.units import MIN_UNITS, PerToken, cluster_rows

BEFORE, PAUSE, AFTER = "before the speech", "pause", "after the speech"
SILENT = "all non-speech"
NOT_SPEECH = (BEFORE, PAUSE, AFTER)
ALL = "all"
MORE, LESS, SAME = "more than its share of time", "less than its share of time", "about its share of time"
_SHIFTS = 1000
_ALPHA = 0.05
COLUMNS = (
    "label", "phone", "speech", "share", "low", "high", "time", "energy", "ratio", "ratio_low", "ratio_high",
    "energy_ratio", "p_shift", "p_holm", "verdict", "n", "n_units", "unit",
)  # fmt: skip


def with_silence(stretches: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """Phones of one recording, and beside them all that is no phone.

    Parameters
    ----------
    stretches : DataFrame
        ``start, end`` (s), ``phone``; missing where the alignment itself says that nothing is spoken.
    seconds : float
        Duration of the recording.

    Returns
    -------
    DataFrame
        ``start, end, phone, speech``: in order of time; what is not covered by a phone is `BEFORE` the first phone,
        `AFTER` the last one, or a `PAUSE`.
    """
    phones = stretches[stretches["phone"].notna()].sort_values("start")
    rows: list[tuple[float, float, str, bool]] = []
    done = 0.0
    last = float(phones["end"].max()) if len(phones) else 0.0
    for begin, stop, phone in phones[["start", "end", "phone"]].to_numpy():
        start, end = max(begin, 0.0), min(stop, seconds)
        if start > done:
            rows.append((done, start, PAUSE if done > 0 else BEFORE, False))
        if end > start:
            rows.append((start, end, str(phone), True))
        done = max(done, end)
    if done < seconds:
        rows.append((done, seconds, AFTER if last > 0 else BEFORE, False))
    return pd.DataFrame(rows, columns=["start", "end", "phone", "speech"])


def stretch_shares(
    evidence: np.ndarray,
    energy: np.ndarray,
    seconds: np.ndarray,
    stretches: Sequence[pd.DataFrame],
    labels: PerToken,
    clusters: pd.DataFrame | None = None,
    *,
    smallest: float = 0.05,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of the evidence within each phone, by class, over what chance gives.

    Parameters
    ----------
    evidence : ndarray (recording, cell), not negative
        What speaks for the class, summed over frequency; cells are equally long and fill the recording.
    energy : ndarray (recording, cell), not negative
        Of the sound in the same cells.
    seconds : ndarray (recording,)
        Durations.
    stretches : sequence of DataFrame
        Of each recording, from `with_silence`.
    labels : sequence of n recordings
        Class of each.
    clusters : DataFrame, optional
        Levels from the highest down; see `phonoscope.judgement.units.resampling_unit`.
    smallest : float
        Smallest part of the share of time that counts as a difference.
    seed : int
        Of the shifts.

    Returns
    -------
    DataFrame
        A row a class ("all" first) and phone (those of no speech first, and together): ``share, low, high`` of the
        evidence (95 %, mean over the recordings that have the phone), ``time, energy`` (shares), ``ratio, ratio_low,
        ratio_high`` (share over time), ``energy_ratio``, ``p_shift`` (of alignments shifted around in their
        recordings), ``p_holm`` and ``verdict`` (of the ratio, corrected over all rows of a class), ``n`` recordings,
        ``n_units, unit``.
    """
    counts = evidence.shape[1]
    phones = sorted({phone for each in stretches for phone in each.loc[each["speech"], "phone"]})
    names = [SILENT, *NOT_SPEECH, *phones]
    place = {name: number for number, name in enumerate(names)}
    cover = np.zeros((len(stretches), len(names), counts))
    for number, table in enumerate(stretches):
        for start, end, phone, speech in table[["start", "end", "phone", "speech"]].to_numpy():
            covered = _covered(start, end, float(seconds[number]), counts)
            cover[number, place[phone]] += covered
            if not speech:
                cover[number, place[SILENT]] += covered
    total = evidence.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        e, s = evidence / total[:, None], energy / energy.sum(axis=1)[:, None]
    # Every way to shift the alignment around, by whole cells: (recording, phone, shift).
    spectrum = np.fft.rfft(e, axis=1)[:, None] * np.conj(np.fft.rfft(cover, axis=2))
    shifted = np.fft.irfft(spectrum, n=counts, axis=2)
    share, time, loud = shifted[:, :, 0], cover.mean(axis=2), np.einsum("rpc,rc->rp", cover, s)
    classes = np.asarray(list(labels), dtype=object)
    drawn = np.random.default_rng(seed).integers(0, counts, size=(_SHIFTS, len(stretches)))
    rows = []
    for label in [ALL, *sorted({str(name) for name in classes if name is not None})]:
        of_class = np.isfinite(total) & (total > 0) & ((classes == label) | (label == ALL))
        of_rows: list[dict[str, Any]] = []
        for number, name in enumerate(names):
            chosen = np.flatnonzero(of_class & (time[:, number] > 0))
            if len(chosen) == 0 or (name in NOT_SPEECH and not _differs(time[chosen, number], time[chosen, 0])):
                continue
            by_shift = shifted[chosen, number][np.arange(len(chosen)), drawn[:, chosen]].mean(axis=1)
            row = _row(share[chosen, number], time[chosen, number], cluster_rows(clusters, chosen), smallest)
            row |= {"energy": loud[chosen, number].mean()}
            row |= {"energy_ratio": row["share"] / row["energy"] if row["energy"] > 0 else np.nan}
            away = np.abs(by_shift - by_shift.mean()) >= abs(row["share"] - by_shift.mean())
            row |= {"p_shift": (away.sum() + 1) / (_SHIFTS + 1), "n": len(chosen)}
            of_rows.append({"label": label, "phone": name, "speech": number > len(NOT_SPEECH)} | row)
        for row, p in zip(of_rows, holm([row.pop("p") for row in of_rows]), strict=True):
            row |= {"p_holm": p, "verdict": row.pop("way") if p < _ALPHA else OPEN}
        rows += of_rows
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _differs(part: np.ndarray, whole: np.ndarray) -> bool:
    """Whether one kind of non-speech is not all there is of it: the same numbers twice would say nothing."""
    return not np.allclose(part, whole)


def _covered(start: float, end: float, seconds: float, count: int) -> np.ndarray:
    """Part of each cell of a recording that a stretch covers, 0 to 1, (cell,)."""
    edges = np.arange(count + 1) * (seconds / count)
    inside = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0.0, None)
    return inside / (seconds / count)


def _row(
    share: np.ndarray, time: np.ndarray, clusters: pd.DataFrame | pd.Series | None, smallest: float
) -> dict[str, Any]:
    mean = mean_interval(share, clusters, scale="proportion")
    ratio = mean_interval(share, clusters, over=time, scale="ratio")
    ways = {
        MORE: above(ratio, 1 + smallest).p_for,
        LESS: below(ratio, 1 - smallest).p_for,
        SAME: between(ratio, 1 - smallest, 1 + smallest).p_for,
    }
    way = min(ways, key=lambda name: np.nan_to_num(ways[name], nan=1.0))
    return {
        "share": mean.estimate,
        "low": mean.low,
        "high": mean.high,
        "time": float(time.mean()),
        "ratio": ratio.estimate,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "n_units": ratio.n_units,
        "unit": ratio.unit,
        "way": way,
        "p": ways[way] if ratio.n_units >= MIN_UNITS else np.nan,
    }
