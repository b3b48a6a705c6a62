"""Spectrograms to look at: the wide-band picture that phoneticians read, beside the picture a network was given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from phonoscope.errors import AudioError
from phonoscope.report import style
from phonoscope.report.bands import FORMANTS
from phonoscope.report.numbers import is_known

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOW_SECONDS = 0.005
TIME_STEP_SECONDS = 0.002
FREQUENCY_STEP_HZ = 20.0
RANGE_DB = 70.0
PREEMPHASIS_DB_PER_OCTAVE = 6.0
_MEASURED_AT = (20, 50, 80)  # percent of the token


def wideband_spectrogram(
    waveform: np.ndarray, sample_rate: float, *, max_hz: float = 5000.0, window_seconds: float = WINDOW_SECONDS
) -> xr.DataArray:
    """Wide-band spectrogram as Praat draws it: Gaussian window, 2 ms steps, +6 dB an octave re 1000 Hz.

    The window's physical length is twice `window_seconds` (Boersma & Weenink, "Sound: To Spectrogram..."): 5 ms give
    an effective bandwidth of 260 Hz, so that formants show as bars and glottal pulses as striations.

    Parameters
    ----------
    waveform : ndarray (sample,)
    sample_rate, max_hz : float
        Hz; `max_hz` is cut to half the sample rate.
    window_seconds : float
        Effective length of the window, s.

    Returns
    -------
    DataArray, dims (frequency, time)
        dB re the loudest point, at most 0; ``frequency`` in Hz, ``time`` (centres of the frames) in s.

    Raises
    ------
    AudioError
        If the sound is shorter than one window.
    """
    samples = np.asarray(waveform, dtype=np.float64)
    width = max(4, round(2 * window_seconds * sample_rate))
    if samples.ndim != 1 or samples.size < width:
        raise AudioError(
            f"a spectrogram needs a mono sound of at least {width / sample_rate * 1000:.0f} ms, "
            f"found an array of shape {samples.shape} at {sample_rate:g} Hz"
        )
    phase = np.arange(width) - (width - 1) / 2
    edge = math.exp(-12.0)
    window = (np.exp(-48.0 * (phase / (width + 1)) ** 2) - edge) / (1.0 - edge)
    step = max(1, round(TIME_STEP_SECONDS * sample_rate))
    starts = np.arange(0, samples.size - width + 1, step)
    points = max(width, 2 ** math.ceil(math.log2(sample_rate / FREQUENCY_STEP_HZ)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, width)[starts]
    power = np.abs(np.fft.rfft(frames * window, points, axis=1)) ** 2
    frequency = np.fft.rfftfreq(points, 1.0 / sample_rate)
    shown = (frequency > 0) & (frequency <= min(max_hz, sample_rate / 2))
    frequency, power = frequency[shown], power[:, shown]
    level = 10 * np.log10(np.maximum(power, np.finfo(float).tiny))
    level += PREEMPHASIS_DB_PER_OCTAVE * np.log2(frequency / 1000.0)
    return xr.DataArray(
        (level - level.max()).T,
        dims=("frequency", "time"),
        coords={"frequency": frequency, "time": (starts + width / 2) / sample_rate},
        attrs={"units": "dB re the loudest point", "window_seconds": window_seconds, "range_db": RANGE_DB},
    )


def draw_spectrogram(
    axes: Axes,
    spectrogram: xr.DataArray,
    *,
    token: tuple[float, float] | None = None,
    formants: Mapping[str, Any] | None = None,
    title: str = "",
) -> None:
    """Draw a wide-band spectrogram in grey, 70 dB deep, with the token's limits and its formants at 20, 50 and 80 %.

    Parameters
    ----------
    axes : Axes
    spectrogram : DataArray, dims (frequency, time)
        From `wideband_spectrogram`.
    token : (start, end), optional
        Limits of the token, s.
    formants : mapping, optional
        One row of the formant table (``f1_20`` ... in Hz); missing formants get no dot. Needs `token`.
    title : str
    """
    level = spectrogram.transpose("frequency", "time")
    time, frequency = level["time"].values, level["frequency"].values
    decibel = np.clip(level.values, -RANGE_DB, 0.0)
    palette: dict[str, Any] = {"cmap": style.DISPLAY_PALETTE, "vmin": -RANGE_DB, "vmax": 0.0}
    axes.pcolormesh(time, frequency, decibel, shading="nearest", rasterized=True, **palette)
    axes.set_ylim(0, frequency[-1])
    style.dress(axes, title=title, x="Time (s)", y="Frequency (Hz)")
    if token is None:
        return
    start, end = token
    for limit in token:
        axes.axvline(limit, color=style.ACCENT, linewidth=0.9, linestyle=(0, (4, 2)))
    for percent in _MEASURED_AT:
        for k in FORMANTS:
            hz = (formants or {}).get(f"f{k}_{percent}", math.nan)
            if is_known(hz) and float(hz) <= frequency[-1]:
                at = start + (end - start) * percent / 100
                colours: dict[str, Any] = {"color": style.FORMANT_COLOUR, "markeredgecolor": "white"}
                axes.plot(at, float(hz), "o", markersize=4.2, zorder=3, **colours)


def draw_input(
    axes: Axes,
    values: np.ndarray,
    frequency_edges: np.ndarray,
    time_edges: np.ndarray,
    *,
    title: str = "",
    x: str = "Share of the token",
    y: str = "Frequency (Hz)",
) -> None:
    """Draw a network's input cell by cell: nothing is smoothed, so its coarseness is seen as it is.

    Parameters
    ----------
    axes : Axes
    values : ndarray (row, column), dB
    frequency_edges : ndarray (row + 1,), Hz
    time_edges : ndarray (column + 1,), share of the token or s
    title, x, y : str
        Labels; nothing where empty.
    """
    axes.pcolormesh(time_edges, frequency_edges, values, cmap=style.INPUT_PALETTE, shading="flat", rasterized=True)
    axes.set_ylim(frequency_edges[0], frequency_edges[-1])
    axes.set_xlim(time_edges[0], time_edges[-1])
    style.dress(axes, title=title, x=x, y=y, title_colour=style.ACCENT)
    style.frame(axes, style.ACCENT, 1.4)


def example_figure(
    waveform: np.ndarray,
    sample_rate: float,
    token: tuple[float, float],
    *,
    max_hz: float,
    title: str,
    formants: Mapping[str, Any] | None = None,
    seen: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    time_label: str = "Share of the token",
) -> Figure:
    """One token as a phonetician sees it and, in a frame, as the network got it.

    Parameters
    ----------
    waveform : ndarray (sample,)
        The token with its context.
    sample_rate, max_hz : float
        Hz; `max_hz` is the upper border, cut to half the sample rate.
    token : (start, end)
        s in the waveform.
    title : str
    formants : mapping, optional
        As of `draw_spectrogram`.
    seen : (values, frequency edges, time edges), optional
        The network's input, see `draw_input`.
    time_label : str
        Label of the time axis of the network's input.
    """
    widths = [3] if seen is None else [3, 2]
    figure = style.new_figure(3.0 if seen is None else 4.6, 2.5)
    columns = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    # one more frequency step than the axis keeps the picture closed at its upper edge
    picture = wideband_spectrogram(waveform, sample_rate, max_hz=max_hz + 2 * FREQUENCY_STEP_HZ)
    draw_spectrogram(columns[0], picture, token=token, formants=formants, title=title)
    columns[0].set_ylim(0, min(max_hz, sample_rate / 2))
    if seen is not None:
        draw_input(columns[1], *seen, title="what the network got", x=time_label, y="")
        columns[1].set_ylim(0, min(max_hz, sample_rate / 2))
        columns[1].tick_params(labelleft=False, colors=style.ACCENT, labelcolor=style.INK)
    return figure
