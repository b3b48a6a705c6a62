"""A map made audible: a token with only what the network used, and with that taken away."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from phonoscope.attribution.layers import linear_weights
from phonoscope.errors import AttributionError

WINDOW_SECONDS = 0.02
RAMP_SECONDS = 0.005
DEPTH_DB = -80.0
# A whisper of a masked token is made louder by no more than this: beyond it one would hear noise of the recording.
MOST_GAIN_DB = 40.0
_OVERLAP = 4  # Hann windows a quarter of their length apart: their squares sum to 3/2


class Masked(NamedTuple):
    """Sounds of one token, float32, shape (samples,), and the share of its power that lies under the mask, 0 to 1."""

    only: np.ndarray
    without: np.ndarray
    power_share: float


def masked_sounds(
    waveform: np.ndarray,
    sample_rate: int,
    token_map: xr.DataArray,
    *,
    context_seconds: float = 0.0,
    threshold: float | None = None,
    keep_context: bool = False,
    match: bool = True,
    depth_db: float = DEPTH_DB,
) -> Masked:
    """Let only that part of a token through which a map speaks for, or everything else.

    The short-time spectrum (Hann windows of 20 ms, exactly inverted) is multiplied by a gain g(f, t) or by 1 − g. The
    gain is the positive part of the map over its maximum, on straight lines between the centres of the cells and
    constant beyond the outermost; above the network's frequency axis it is 0, for the network heard nothing there.

    Parameters
    ----------
    waveform
        The token with its context, shape (samples,).
    sample_rate
        Hz.
    token_map
        Map of this token as `explain` makes it, dims (frequency, time) in any order, with ``frequency`` in Hz and the
        coordinate ``seconds`` (time) in s from the token's start; ``attrs["max_hz"]`` is the top of the axis.
    context_seconds
        Sound before and after the token in `waveform`.
    threshold
        Share of the maximum, above 0 and at most 1. The gain is then 1 where the map reaches it and 0 elsewhere.
    keep_context
        Return the token within its context, which stays as it is, instead of the token alone.
    match
        Bring the token to its own loudness (mean square), raised by 40 dB at most.
    depth_db
        Level of what is taken away.

    Returns
    -------
    Masked
        Without context as long as the token, with raised-cosine ramps of 5 ms at both ends; a map without positive
        part leaves silence and everything.

    Raises
    ------
    AttributionError
        If the map is not that of one token, or the sound is shorter than its context.
    """
    samples = np.asarray(waveform, dtype=np.float64)
    context = round(context_seconds * sample_rate)
    if samples.ndim != 1 or len(samples) <= 2 * context or context < 0:
        raise AttributionError(
            f"expected one token with {context_seconds:g} s of context on both sides, found a sound of shape "
            f"{samples.shape} at {sample_rate:g} Hz"
        )
    if threshold is not None and not 0 < threshold <= 1:
        raise AttributionError(f"threshold is {threshold}; it is a share of the map's maximum, above 0 and at most 1")
    if not depth_db <= 0:
        raise AttributionError(f"depth_db is {depth_db}; what is taken away needs a level of 0 dB or below, e.g. -80")
    hop = max(1, round(WINDOW_SECONDS * sample_rate / _OVERLAP))
    spectra, window = _short_time_spectra(samples, hop)
    frequency = np.arange(spectra.shape[1]) * sample_rate / len(window)
    # The first frame is centred one hop before the first sample, see _short_time_spectra.
    seconds = ((np.arange(len(spectra)) + 1 - _OVERLAP / 2) * hop - context) / sample_rate
    gain = _gain(token_map, frequency, seconds, threshold)
    floor = 10 ** (depth_db / 20)
    token = slice(context, len(samples) - context)
    whole = float(np.square(samples[token]).mean())
    unmatched = [_rebuilt(spectra * (floor + (1 - floor) * g), window, hop, len(samples)) for g in (gain, 1 - gain)]
    share = 0.0
    if gain.max() > 0 and whole > 0:
        share = min(1.0, float(np.square(unmatched[0][token]).mean()) / whole)
    else:  # what is left at the depth must not be matched to the loudness of speech
        unmatched[0] = np.zeros_like(samples)
    sounds = []
    for sound in unmatched:
        level = float(np.square(sound[token]).mean())
        if match and level > 0:
            sound = sound * min(np.sqrt(whole / level), 10 ** (MOST_GAIN_DB / 20))
        sounds.append(_ramped(sound, samples, token, sample_rate, keep_context).astype(np.float32))
    return Masked(*sounds, share)


def _gain(token_map: xr.DataArray, frequency: np.ndarray, seconds: np.ndarray, threshold: float | None) -> np.ndarray:
    """Gain of a map at bins (Hz) and frames (s from the token's start), 0 to 1, shape (frame, bin)."""
    if set(token_map.dims) != {"frequency", "time"} or "seconds" not in token_map.coords:
        raise AttributionError(
            f"expected the map of one token, dims (frequency, time) with the coordinate 'seconds'; found "
            f"{token_map.dims}. Pick one: maps[0], or maps.sel(token=...)"
        )
    values = np.maximum(token_map.transpose("time", "frequency").values.astype(np.float64), 0.0)
    if not np.isfinite(values).all():
        raise AttributionError("the map holds values that are not finite; make it again")
    largest = values.max(initial=0.0)
    if largest <= 0:
        return np.zeros((len(seconds), len(frequency)))
    in_time = linear_weights(token_map["seconds"].values.astype(float), seconds).numpy()
    in_frequency = linear_weights(token_map["frequency"].values.astype(float), frequency).numpy()
    gain = np.clip(in_time @ (values / largest) @ in_frequency.T, 0.0, 1.0)
    if threshold is not None:
        gain = (gain >= threshold - 1e-9).astype(float)  # rounding must not open holes where the map is at its top
    top = float(token_map.attrs.get("max_hz", np.inf))
    return np.where(frequency > top, 0.0, gain)


def _short_time_spectra(samples: np.ndarray, hop: int) -> tuple[np.ndarray, np.ndarray]:
    """Spectra (frame, bin) of the padded sound and the window: every sample lies under four whole windows."""
    width = _OVERLAP * hop
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
    padded = np.pad(samples, (width, width + (-len(samples)) % hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[hop::hop]
    return np.fft.rfft(frames * window, axis=1), window


def _rebuilt(spectra: np.ndarray, window: np.ndarray, hop: int, samples: int) -> np.ndarray:
    """Sound of short-time spectra by weighted overlap-add, shape (samples,)."""
    width = len(window)
    frames = np.fft.irfft(spectra, n=width, axis=1) * window
    summed = np.zeros((len(frames) + 1) * hop + width)
    for number, frame in enumerate(frames, 1):
        summed[number * hop : number * hop + width] += frame
    return summed[width : width + samples] / 1.5


def _ramped(sound: np.ndarray, original: np.ndarray, token: slice, sample_rate: int, keep_context: bool) -> np.ndarray:
    """Fade the token in and out within 5 ms, into its context where that is kept."""
    length = token.stop - token.start
    ramp = min(round(RAMP_SECONDS * sample_rate), length // 2)
    weight = np.ones(length)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / max(ramp, 1))
    weight[:ramp], weight[length - ramp :] = rise, rise[::-1]
    faded = sound[token] * weight
    if not keep_context:
        return faded
    whole = original.copy()
    whole[token] = faded + original[token] * (1 - weight)
    return whole
