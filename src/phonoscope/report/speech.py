"""A stretch of speech as phoneticians draw it: spectrogram, formant speckles, and the tiers of its alignment below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.report.spectrograms import draw_spectrogram, wideband_spectrogram
from phonoscope.report.style import ACCENT, FORMANT_COLOUR, INK, MUTED, POINTS, RULE, dress, frame, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOWS_SECONDS = {"wide": 0.005, "narrow": 0.03}
SPECKLES_DOWN_TO_DB = 30.0  # Praat's dynamic range of formant speckles
_TIER_HEIGHT, _TIER_GAP = 0.11, 0.02
_NARROWEST_LABEL = 0.012  # of the width: an interval narrower than this has no room for its name


def draw_speech(
    axes: Axes,
    waveform: np.ndarray,
    sample_rate: float,
    *,
    window: str = "wide",
    max_hz: float = 5000.0,
    tracks: xr.Dataset | None = None,
    tiers: Mapping[str, pd.DataFrame] | None = None,
    token: tuple[float, float] | None = None,
    title: str = "",
) -> None:
    """Draw a wide- or narrow-band spectrogram with formant speckles, and tiers below on the same time axis.

    Conventions are Praat's: Gaussian window of 5 ms (bandwidth 260 Hz) or 30 ms (43 Hz), 6 dB an octave of pre-emphasis
    for display, 70 dB deep. Speckles are shown where the sound is within 30 dB of its loudest frame.

    Parameters
    ----------
    axes : Axes
        Tiers take room below it.
    waveform : ndarray (sample,)
    sample_rate : float
        Hz.
    window : {"wide", "narrow"}
    max_hz : float
        Upper border, Hz.
    tracks : Dataset, optional
        From `phonoscope.formants`.
    tiers : mapping, optional
        Name of each tier → ``start, end`` (s), ``label``.
    token : (start, end), optional
        s; marked.
    title : str
    """
    picture = wideband_spectrogram(waveform, sample_rate, max_hz=max_hz + 40.0, window_seconds=WINDOWS_SECONDS[window])
    draw_spectrogram(axes, picture, token=token, title=title)
    duration = len(waveform) / sample_rate
    axes.set_xlim(0, duration)
    axes.set_ylim(0, min(max_hz, sample_rate / 2))
    if tracks is not None:
        draw_speckles(axes, tracks, waveform, sample_rate)
    if tiers:
        draw_tiers(axes, tiers, duration)


def draw_speckles(axes: Axes, tracks: xr.Dataset, waveform: np.ndarray, sample_rate: float) -> None:
    """Draw formant tracks as dots, where the sound around them (10 ms) is within 30 dB of its loudest.

    Parameters
    ----------
    axes : Axes
        Time in s, frequency in Hz.
    tracks : Dataset
        From `phonoscope.formants`.
    waveform : ndarray (sample,)
    sample_rate : float
        Hz.
    """
    half = max(1, round(0.005 * sample_rate))
    squared = np.concatenate([[0.0], np.cumsum(np.square(np.asarray(waveform, dtype=np.float64)))])
    middle = np.round(tracks["time"].values * sample_rate).astype(int)
    low, high = np.clip(middle - half, 0, len(waveform)), np.clip(middle + half, 0, len(waveform))
    power = (squared[high] - squared[low]) / np.maximum(high - low, 1)
    loud = power > power.max(initial=0.0) * 10 ** (-SPECKLES_DOWN_TO_DB / 10)
    for number in tracks["formant"].values:
        track = tracks["frequency"].sel(formant=number).values
        shown = loud & np.isfinite(track)
        dots: dict[str, Any] = {"markersize": 1.6, "color": FORMANT_COLOUR, "markeredgewidth": 0}
        axes.plot(tracks["time"].values[shown], track[shown], "o", **dots)


def draw_tiers(axes: Axes, tiers: Mapping[str, pd.DataFrame], duration: float) -> None:
    """Draw tiers as strips below axes that show time in s from 0 to `duration`; the lowest carries the time axis.

    Parameters
    ----------
    axes : Axes
    tiers : mapping
        Name → ``start, end`` (s), ``label``.
    duration : float
        s.
    """
    axes.set_xlabel("")
    axes.tick_params(labelbottom=False)
    for position, (name, intervals) in enumerate(tiers.items(), start=1):
        foot = -position * (_TIER_HEIGHT + _TIER_GAP)
        strip = axes.inset_axes((0.0, foot, 1.0, _TIER_HEIGHT))
        strip.set_xlim(axes.get_xlim())
        strip.set_ylim(0, 1)
        for row in intervals.to_dict("records"):
            start, end = max(float(row["start"]), 0.0), min(float(row["end"]), duration)
            if end <= start:
                continue
            for limit in (start, end):
                strip.axvline(limit, color=ACCENT, linewidth=0.7)
                axes.axvline(limit, color=RULE, linewidth=0.4, alpha=0.6)
            label = row["label"]
            if isinstance(label, str) and (end - start) / duration >= _NARROWEST_LABEL * max(1, len(label)):
                strip.text(
                    (start + end) / 2, 0.46, plain(label), ha="center", va="center", fontsize=POINTS, color=INK,
                    clip_on=True,
                )  # fmt: skip
        last = position == len(tiers)
        dress(strip, x="Time (s)" if last else "")
        strip.set_yticks([0.5], [plain(name)])
        strip.tick_params(axis="y", length=0, labelcolor=MUTED, labelsize=POINTS - 1)
        strip.tick_params(axis="x", labelbottom=last, length=3 if last else 0)
        frame(strip)


def nearby_tiers(tokens: pd.DataFrame, start: float, end: float) -> dict[str, pd.DataFrame]:
    """Tiers of phones and words of one recording between two times, starting at 0, from rows of a token table.

    A token's neighbours are not in the table, so that a tier has gaps where no token was kept.

    Parameters
    ----------
    tokens : DataFrame
        Of one recording: ``start, end`` (s), ``label`` and, if it is known, ``word``.
    start, end : float
        s in the recording.
    """
    rows = tokens[(tokens["end"] > start) & (tokens["start"] < end)]
    moved = rows.assign(start=rows["start"] - start, end=rows["end"] - start)
    tiers = {"phone": moved[["start", "end", "label"]]}
    if "word" in moved and moved["word"].notna().any():
        known = moved[moved["word"].notna()]
        tiers["in word"] = known.rename(columns={"label": "class", "word": "label"})[["start", "end", "label"]]
    return tiers
