"""Formant frequencies and bandwidths by Burg's method, placed, windowed and filtered as Praat's "To Formant (burg)".

Whole recordings give tracks; token lists give three frames a token, analysed in one batch.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pandas as pd
import xarray as xr
from scipy.fft import next_fast_len

from phonoscope.errors import AudioError
from phonoscope.phonetics.ceilings import POSITIONS, UNKNOWN_CEILING_HZ, suffix_of, widest_bandwidth
from phonoscope.phonetics.pitch import token_pitch

PRE_EMPHASIS_HZ = 50.0
SAFETY_MARGIN_HZ = 50.0
TABLE_FORMANTS = 4  # the formant table has F1 to F4
_BLOCK_FRAMES = 128  # Burg's two error arrays for this many frames stay in the processor's cache
_ZERO_PAD_SECONDS = 0.05  # silence appended before the circular filter, so that the end does not ring into the start
_CUT_MARGIN_SECONDS = 0.01  # sound kept on each side of a cut frame, tapered, so that the filter sees no edge


def formants(
    waveform: np.ndarray,
    sample_rate: float,
    *,
    ceiling: float = 5500.0,
    n_formants: int = 5,
    time_step: float | None = None,
    window_seconds: float = 0.025,
    times: np.ndarray | Sequence[float] | None = None,
) -> xr.Dataset:
    """Formant tracks of one recording.

    The sound is resampled to twice the ceiling, pre-emphasised from 50 Hz, cut by a Gaussian window of physical length
    ``2 * window_seconds`` and modelled by linear prediction of order ``2 * n_formants`` (Burg 1975; Childers 1978,
    pp. 252-255). Roots outside the unit circle are reflected; a root of angle θ and radius r is a formant of
    frequency ``θ·fs/2π`` and bandwidth ``-ln(r)·fs/π``, kept from 50 Hz to 50 Hz below the ceiling.

    Parameters
    ----------
    waveform : array (sample,)
        Mono sound.
    sample_rate : float
        In Hz; at least twice the ceiling.
    ceiling : float
        Highest frequency looked at, in Hz: about 5000 for men, 5500 for women (see `ceiling_for`).
    n_formants : int
        Number of formants expected below the ceiling.
    time_step : float, optional
        Distance of the frames in s; a quarter of `window_seconds` if not given.
    window_seconds : float
        Effective length of the window; its physical length is twice that.
    times : array (time,), optional
        Analyse at these times (s) instead of a regular grid. A frame too near the edge is moved inwards until its
        window fits; the coordinate stays what was asked for.

    Returns
    -------
    Dataset
        `frequency` and `bandwidth`, dims (time, formant), in Hz, NaN where there is no such formant; `time` in s,
        `formant` counts from 1.

    Raises
    ------
    AudioError
        If the waveform is not mono, is empty or not finite, or the ceiling lies above half the sample rate.
    """
    samples = mono(waveform)
    _check_settings(sample_rate, ceiling, n_formants, window_seconds)
    rate = 2.0 * ceiling
    resampled, first = _resample(samples, sample_rate, rate)
    emphasised = resampled.copy()
    emphasised[1:] -= np.exp(-2 * np.pi * PRE_EMPHASIS_HZ / rate) * resampled[:-1]

    duration = resampled.size / rate
    physical = 2.0 * window_seconds
    step = window_seconds / 4 if time_step is None else time_step
    if times is not None:
        time = np.asarray(times, dtype=np.float64)
    elif physical >= duration:
        time = np.array([first + 0.5 * (duration - 1 / rate)])
    else:
        n_frames = 1 + int(np.floor((duration - physical) / step))
        time = first + 0.5 * (duration - 1 / rate - (n_frames - 1) * step) + step * np.arange(n_frames)

    half = int(min(physical, duration) * rate + 1e-9) // 2
    left = np.floor((time - first) / (1 / rate)).astype(int)  # last sample at or before the middle of the frame
    start = np.clip(left + 1 - half, 0, emphasised.size - 2 * half)
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, 2 * half)[start]
    frequency, bandwidth = _analyse(frames, int(min(physical, duration) * rate + 1e-9), rate, n_formants)
    return xr.Dataset(
        {
            "frequency": (("time", "formant"), frequency, {"units": "Hz"}),
            "bandwidth": (("time", "formant"), bandwidth, {"units": "Hz"}),
        },
        coords={"time": ("time", time, {"units": "s"}), "formant": np.arange(1, n_formants + 1)},
        attrs={
            "method": "Burg linear prediction",
            "ceiling": float(ceiling),
            "n_formants": n_formants,
            "window_seconds": window_seconds,
            "pre_emphasis_hz": PRE_EMPHASIS_HZ,
        },
    )


def token_formants(
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    *,
    ceiling: float | Sequence[float] | np.ndarray = UNKNOWN_CEILING_HZ,
    positions: Sequence[float] = POSITIONS,
    context: float = 0.0,
    n_formants: int = 5,
    window_seconds: float = 0.025,
    max_bandwidth: float | None = None,
) -> pd.DataFrame:
    """F0, F1 to F4 and their bandwidths at a few positions of each token.

    Only the frames asked for are cut, resampled and analysed, all tokens of one ceiling in one batch. The frame is
    centred exactly on the position. Where the window would reach beyond the sound given, it is moved inwards; a token
    shorter than the window is analysed as a whole. So give short tokens at least `window_seconds` of `context`.

    Parameters
    ----------
    waveforms : sequence of arrays (sample,)
        One a token, with `context` seconds of the recording on each side.
    sample_rate : float
        In Hz.
    ceiling : float or array (token,)
        In Hz, one for all or one a token.
    positions : sequence of float
        Fractions of the token's duration; 0.2 gives columns that end in ``_20``.
    context : float
        Seconds of sound before and after each token in its waveform.
    n_formants : int
        Number of formants expected below the ceiling.
    window_seconds : float
        Effective length of the window, s; its physical length is twice that.
    max_bandwidth : float, optional
        In Hz. A wider pole is no formant: it is passed over and the next one takes its number. By default
        `widest_bandwidth` of its frequency. ``np.inf`` keeps all, as Praat does; then a voice with only four formants
        below the ceiling gets a spurious one, often as its F2.

    Returns
    -------
    DataFrame
        One row a token, in order: ``f0_20, f1_20 … f4_20, b1_20 … b4_20``, the same for the other positions, and
        `ceiling`; Hz, NaN where there is none.

    Raises
    ------
    AudioError
        If a waveform is empty, not mono, not finite or not longer than its context, or a ceiling lies above half the
        sample rate.
    """
    sounds = [mono(waveform, f"waveform {index}") for index, waveform in enumerate(waveforms)]
    middles = positions_in_seconds(sounds, sample_rate, positions, context)
    frequency, bandwidth = formants_at(
        sounds,
        sample_rate,
        middles,
        ceiling=ceiling,
        n_formants=n_formants,
        window_seconds=window_seconds,
        max_bandwidth=max_bandwidth,
    )
    f0 = token_pitch(sounds, sample_rate, middles)
    table = formant_columns(frequency, bandwidth, f0, positions)
    return table.assign(ceiling=np.broadcast_to(np.asarray(ceiling, dtype=np.float64), (len(sounds),)))


def formant_columns(
    frequency: np.ndarray, bandwidth: np.ndarray, f0: np.ndarray, positions: Sequence[float]
) -> pd.DataFrame:
    """Values at some positions as the columns ``f0_20, f1_20 … f4_20, b1_20 … b4_20`` and so on.

    Parameters
    ----------
    frequency, bandwidth : array (token, position, formant)
        In Hz.
    f0 : array (token, position)
        In Hz.
    positions : sequence of float
        Fractions of the token's duration.
    """
    columns: dict[str, np.ndarray] = {}
    for column, position in enumerate(positions):
        suffix = suffix_of(position)
        columns[f"f0_{suffix}"] = f0[:, column]
        columns |= {f"f{k + 1}_{suffix}": frequency[:, column, k] for k in range(TABLE_FORMANTS)}
        columns |= {f"b{k + 1}_{suffix}": bandwidth[:, column, k] for k in range(TABLE_FORMANTS)}
    return pd.DataFrame(columns)


def formants_at(
    sounds: Sequence[np.ndarray],
    sample_rate: float,
    times: np.ndarray,
    *,
    ceiling: float | Sequence[float] | np.ndarray = UNKNOWN_CEILING_HZ,
    n_formants: int = 5,
    window_seconds: float = 0.025,
    max_bandwidth: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Formants of many short sounds at given times, all frames of one ceiling in one batch.

    Parameters
    ----------
    sounds : sequence of arrays (sample,)
        Mono and finite.
    sample_rate : float
        In Hz.
    times : array (sound, time)
        In s from the start of each sound. A frame too near an edge is moved inwards.
    ceiling : float or array (sound,)
        In Hz, one for all or one a sound.
    n_formants : int
        Number of formants expected below the ceiling.
    window_seconds : float
        Effective length of the window, s; its physical length is twice that.
    max_bandwidth : float, optional
        In Hz. A wider pole is passed over, see `token_formants`.

    Returns
    -------
    frequency, bandwidth : array (sound, time, formant)
        In Hz, NaN where there is none; at least `TABLE_FORMANTS` formants.

    Raises
    ------
    AudioError
        If a ceiling lies above half the sample rate.
    """
    ceilings = np.broadcast_to(np.asarray(ceiling, dtype=np.float64), (len(sounds),))
    for value in np.unique(ceilings):
        _check_settings(sample_rate, float(value), n_formants, window_seconds)
    n_times = times.shape[1]
    frequency = np.full((len(sounds), n_times, max(n_formants, TABLE_FORMANTS)), np.nan)
    bandwidth = frequency.copy()
    durations = np.array([sound.size / sample_rate for sound in sounds])
    physical = np.minimum(2.0 * window_seconds, durations)
    # One batch for each pair of ceiling and window length; only sounds shorter than the window have their own lengths.
    window_samples = np.floor(physical * 2 * ceilings + 1e-9).astype(int)
    for rate, length in sorted(set(zip((2 * ceilings).tolist(), window_samples.tolist(), strict=True))):
        members = np.flatnonzero((2 * ceilings == rate) & (window_samples == length))
        half_window = physical[members, None] / 2
        centres = np.clip(times[members], half_window, durations[members, None] - half_window)
        for some in np.array_split(np.arange(members.size), -(-members.size * n_times // _BLOCK_FRAMES)):
            batch = [sounds[member] for member in members[some]]
            frames = _cut_resampled(batch, sample_rate, centres[some], rate, length // 2 * 2)
            poles = _analyse(frames, length, rate, n_formants, max_bandwidth)
            frequency[members[some], :, :n_formants] = poles[0].reshape(some.size, n_times, n_formants)
            bandwidth[members[some], :, :n_formants] = poles[1].reshape(some.size, n_times, n_formants)
    return frequency, bandwidth


def mono(waveform: np.ndarray, name: str = "the waveform") -> np.ndarray:
    """Samples (sample,) as float64; AudioError, with the sound's ``name``, if they are no sound of one channel."""
    samples = np.asarray(waveform, dtype=np.float64)
    if samples.ndim != 1 or samples.size < 2:
        raise AudioError(
            f"{name} has shape {samples.shape}; expected one channel of at least two samples. Average the channels "
            f"first, or read the file with phonoscope.read_audio."
        )
    if not np.isfinite(samples).all():
        raise AudioError(f"{name} contains values that are not finite; expected sound pressure. Check the recording.")
    return samples


def _check_settings(sample_rate: float, ceiling: float, n_formants: int, window_seconds: float) -> None:
    if ceiling * 2 > sample_rate * (1 + 1e-9):
        raise AudioError(
            f"the formant ceiling of {ceiling:g} Hz lies above half the sample rate ({sample_rate / 2:g} Hz): there is "
            f"nothing to see there. Use ceiling={sample_rate / 2:g} with about one formant per 1000 Hz (men) or "
            f"1100 Hz (women)."
        )
    if ceiling <= 2 * SAFETY_MARGIN_HZ or n_formants < 1 or window_seconds <= 0:
        raise AudioError(
            f"found ceiling={ceiling:g} Hz, n_formants={n_formants}, window_seconds={window_seconds:g}; expected a "
            f"ceiling above {2 * SAFETY_MARGIN_HZ:g} Hz, at least one formant and a window longer than 0 s."
        )


def positions_in_seconds(
    sounds: Sequence[np.ndarray], sample_rate: float, positions: Sequence[float], context: float
) -> np.ndarray:
    """Times (token, position) in s, counted from the start of each waveform, of fractions of the token inside it.

    Parameters
    ----------
    sounds : sequence of arrays (sample,)
        One a token.
    sample_rate : float
        In Hz.
    positions : sequence of float
        Fractions of the token's duration.
    context : float
        Seconds of sound before and after each token in its sound.

    Raises AudioError if a sound is no longer than its context.
    """
    lengths = np.array([sound.size / sample_rate for sound in sounds])
    inner = lengths - 2 * context
    if len(sounds) and inner.min() <= 0:
        worst = int(inner.argmin())
        raise AudioError(
            f"waveform {worst} lasts {lengths[worst]:.3f} s, not more than its context of 2 x {context:g} s. Cut the "
            f"token with that context, or pass the context that it has."
        )
    return context + inner[:, None] * np.asarray(positions, dtype=np.float64)


def _ratio(new_rate: float, sample_rate: float) -> Fraction:
    return Fraction(new_rate / sample_rate).limit_denominator(2000)


def _resample(samples: np.ndarray, sample_rate: float, new_rate: float) -> tuple[np.ndarray, float]:
    """Band-limited resampling of a whole recording; returns the samples and the time (s) of the first one.

    The ideal low-pass (zero above the new Nyquist frequency) is applied to the spectrum; the new samples lie centred
    in the recording, as Praat places them.
    """
    duration = samples.size / sample_rate
    if abs(new_rate / sample_rate - 1) < 1e-9:
        return samples, 0.5 / sample_rate
    ratio = _ratio(new_rate, sample_rate)
    blocks = -(-(samples.size + int(_ZERO_PAD_SECONDS * sample_rate)) // ratio.denominator)
    n_in, n_out = next_fast_len(blocks, real=True) * np.array([ratio.denominator, ratio.numerator])
    n_new = round(duration * new_rate)
    first = 0.5 * (duration - (n_new - 1) / new_rate)
    spectrum = np.fft.rfft(samples, n_in)[: (n_out + 1) // 2]
    shift = first * sample_rate - 0.5  # of the new first sample behind the old first sample, in old samples
    spectrum = spectrum * np.exp(2j * np.pi * shift / n_in * np.arange(spectrum.size))
    return np.fft.irfft(spectrum, n_out)[:n_new] * (n_out / n_in), first


def _cut_resampled(
    sounds: Sequence[np.ndarray], sample_rate: float, centres: np.ndarray, new_rate: float, length: int
) -> np.ndarray:
    """Pre-emphasised frames (token x position, length) at `new_rate`, centred on `centres` (token, position) in s."""
    ratio = _ratio(new_rate, sample_rate)
    reach = (length + 2) / new_rate + 2 * _CUT_MARGIN_SECONDS
    n_in, n_out = -(-int(reach * sample_rate) // ratio.denominator) * np.array([ratio.denominator, ratio.numerator])
    middle = centres * sample_rate - 0.5  # sample i lies at (i + 1/2) / rate
    begin = np.round(middle).astype(int) - n_in // 2

    cuts = np.zeros((*centres.shape, n_in))
    for token, sound in enumerate(sounds):
        for column, start in enumerate(begin[token]):
            low, high = max(0, start), min(sound.size, start + n_in)
            cuts[token, column, low - start : high - start] = sound[low:high]
    cuts = cuts.reshape(-1, n_in)
    n_taper = int(0.6 * _CUT_MARGIN_SECONDS * sample_rate)
    taper = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_taper) + 0.5) / n_taper)
    cuts[:, :n_taper] *= taper
    cuts[:, -n_taper:] *= taper[::-1]

    # One sample more at the front, for the pre-emphasis of the first.
    old_per_new = sample_rate / new_rate
    offset = round((n_in / 2) / old_per_new - length / 2) - 1
    shift = (middle - begin).ravel() - (offset + 1 + (length - 1) / 2) * old_per_new
    spectrum = np.fft.rfft(cuts)[:, : (n_out + 1) // 2]
    spectrum *= np.exp(2j * np.pi / n_in * shift[:, None] * np.arange(spectrum.shape[1]))
    frames = np.fft.irfft(spectrum, n_out)[:, offset : offset + length + 1]
    return frames[:, 1:] - np.exp(-2 * np.pi * PRE_EMPHASIS_HZ / new_rate) * frames[:, :-1]


def _gaussian(n_window: int, length: int) -> np.ndarray:
    """First `length` samples of the Gaussian window over `n_window` samples, lowered to reach 0 at the edges."""
    away = (np.arange(1, length + 1) - 0.5 * (n_window + 1)) / (n_window + 1)
    edge = np.exp(-12.0)
    return (np.exp(-48.0 * away**2) - edge) / (1 - edge)


def _analyse(
    frames: np.ndarray, n_window: int, rate: float, n_formants: int, max_bandwidth: float | None = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and bandwidths, both (frame, formant) in Hz, of pre-emphasised frames (frame, sample)."""
    window = _gaussian(n_window, frames.shape[1])
    order = 2 * n_formants
    coefficients = np.zeros((frames.shape[0], order))
    if frames.shape[1] > order:  # fewer samples than unknowns have no model: every formant stays missing
        for start in range(0, frames.shape[0], _BLOCK_FRAMES):
            block = slice(start, start + _BLOCK_FRAMES)
            coefficients[block] = burg(frames[block] * window, order)
    return _formants_of(coefficients, rate, n_formants, max_bandwidth)


def burg(frames: np.ndarray, order: int) -> np.ndarray:
    """Linear prediction by Burg's method, many frames at once.

    Each stage takes the reflection coefficient ``k = 2 Σ f·b / Σ (f² + b²)`` that minimises the summed energy of the
    forward and backward prediction errors f and b (Burg 1975; Childers 1978).

    Parameters
    ----------
    frames : array (frame, sample)
        Windowed sound, more samples than `order`.
    order : int
        Number of coefficients.

    Returns
    -------
    array (frame, order)
        ``a`` with ``x[n] ≈ Σ a[j] x[n - 1 - j]``; zeros for a silent frame.
    """
    forward, backward = frames[:, 1:].copy(), frames[:, :-1].copy()
    coefficients = np.zeros((frames.shape[0], order))
    for stage in range(order):
        energy = np.einsum("ij,ij->i", forward, forward) + np.einsum("ij,ij->i", backward, backward)
        product = 2 * np.einsum("ij,ij->i", forward, backward)
        reflection = np.divide(product, energy, out=np.zeros_like(product), where=energy > 0)
        earlier = coefficients[:, :stage].copy()
        coefficients[:, stage] = reflection
        coefficients[:, :stage] = earlier - reflection[:, None] * earlier[:, ::-1]
        if stage + 1 < order:
            behind = backward[:, :-1] - reflection[:, None] * forward[:, :-1]
            forward = forward[:, 1:] - reflection[:, None] * backward[:, 1:]
            backward = behind
    return coefficients


def _formants_of(
    coefficients: np.ndarray, rate: float, n_formants: int, max_bandwidth: float | None
) -> tuple[np.ndarray, np.ndarray]:
    order = coefficients.shape[1]
    companion = np.zeros((coefficients.shape[0], order, order))
    companion[:, 0, :] = coefficients
    companion[:, np.arange(1, order), np.arange(order - 1)] = 1.0
    roots = np.linalg.eigvals(companion)
    radius = np.abs(roots)
    frequency = np.angle(roots) * rate / (2 * np.pi)
    usable = (roots.imag > 0) & (frequency >= SAFETY_MARGIN_HZ) & (frequency <= rate / 2 - SAFETY_MARGIN_HZ)
    # |ln r| is -ln r of the root reflected into the unit circle.
    bandwidth = np.abs(np.log(radius, out=np.zeros_like(radius), where=radius > 0)) * rate / np.pi
    usable &= bandwidth <= (widest_bandwidth(frequency) if max_bandwidth is None else max_bandwidth)
    frequency = np.where(usable, frequency, np.nan)
    rank = np.argsort(frequency, axis=1)[:, :n_formants]  # NaN sorts last
    rows = np.arange(rank.shape[0])[:, None]
    return frequency[rows, rank], np.where(usable, bandwidth, np.nan)[rows, rank]
