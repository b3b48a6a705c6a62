"""Fundamental frequency by the autocorrelation method of Boersma (1993), of recordings and of lone frames of tokens."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.fft import irfft, next_fast_len, rfft

from phonoscope.errors import AudioError

FLOOR_HZ, CEILING_HZ = 75.0, 600.0
SILENCE_THRESHOLD = 0.03
VOICING_THRESHOLD = 0.45
OCTAVE_COST = 0.01  # per octave: prefers the higher of two equally strong candidates
# Single frames have no neighbours to keep them from falling an octave; this cost does it (gross errors on synthetic
# vowels 7 -> 1.5 %, on read speech 2.0 -> 1.6 %).
LONE_FRAME_OCTAVE_COST = 0.05
OCTAVE_JUMP_COST = 0.35  # per octave between neighbouring frames 10 ms apart
VOICING_CHANGE_COST = 0.14  # per change between voiced and unvoiced, frames 10 ms apart
PERIODS_IN_WINDOW = 3.0
N_CANDIDATES = 14
_OVERSAMPLING = 4  # of the autocorrelation, by zero-padding its spectrum; a parabola does the rest
_BLOCK_FRAMES = 256


def pitch(
    waveform: np.ndarray,
    sample_rate: float,
    *,
    floor: float = FLOOR_HZ,
    ceiling: float = CEILING_HZ,
    time_step: float | None = None,
) -> xr.DataArray:
    """F0 contour of one recording.

    Each frame of three periods of the floor is windowed (Hann); its autocorrelation, divided by that of the window
    (Boersma 1993, eq. 9), has peaks at the period and its multiples. The path of least cost through the candidates of
    all frames is found by dynamic programming (eq. 23-25).

    Parameters
    ----------
    waveform : array (sample,)
        Mono sound.
    sample_rate : float
        In Hz.
    floor, ceiling : float
        Range of F0 in Hz.
    time_step : float, optional
        In s; 0.75 / floor if not given.

    Returns
    -------
    DataArray (time,)
        F0 in Hz, NaN where unvoiced; `time` in s. Empty if the sound is shorter than one window.

    Raises
    ------
    AudioError
        If the waveform is not mono, or the range of F0 is empty or above half the sample rate.
    """
    samples = np.asarray(waveform, dtype=np.float64)
    if samples.ndim != 1:
        raise AudioError(f"the waveform has shape {samples.shape}; expected one channel. Average the channels first.")
    _check_range(floor, ceiling, sample_rate)
    step = 0.75 / floor if time_step is None else time_step
    duration = samples.size / sample_rate
    n_window = _window_samples(floor, sample_rate)
    room = (duration - PERIODS_IN_WINDOW / floor) / step
    n_frames = 1 + int(np.floor(room + 1e-9)) if samples.size >= n_window and room > -1e-9 else 0
    time = 0.5 * duration - 0.5 * (n_frames - 1) * step + step * np.arange(n_frames)
    attrs = {"units": "Hz", "method": "autocorrelation", "floor": floor, "ceiling": ceiling}
    coords = {"time": ("time", time, {"units": "s"})}
    if n_frames == 0:
        return xr.DataArray(np.zeros(0), coords, ("time",), attrs=attrs)

    start = np.clip(np.round(time * sample_rate - n_window / 2).astype(int), 0, samples.size - n_window)
    view = np.lib.stride_tricks.sliding_window_view(samples, n_window)
    global_peak = float(np.abs(samples - samples.mean()).max())
    frequency = np.zeros((n_frames, N_CANDIDATES))
    strength = np.full((n_frames, N_CANDIDATES), -np.inf)
    unvoiced = np.zeros(n_frames)
    for begin in range(0, n_frames, _BLOCK_FRAMES):
        block = slice(begin, begin + _BLOCK_FRAMES)
        frames = view[start[block]]
        frequency[block], strength[block] = _candidates(frames, sample_rate, floor, ceiling)
        unvoiced[block] = _unvoiced_strength(frames, sample_rate, floor, global_peak)
    f0 = _best_path(frequency, strength, unvoiced, step)
    return xr.DataArray(f0, coords, ("time",), attrs=attrs)


def token_pitch(
    sounds: Sequence[np.ndarray],
    sample_rate: float,
    times: np.ndarray,
) -> np.ndarray:
    """F0 at given times of many short sounds, each frame decided by itself.

    Parameters
    ----------
    sounds : sequence of arrays (sample,)
        Mono, one a token.
    sample_rate : float
        In Hz.
    times : array (token, position)
        In s from the start of each sound. A frame too near an edge is moved inwards; a sound shorter than three
        periods of 75 Hz is analysed as a whole. F0 is sought from there to 600 Hz.

    Returns
    -------
    array (token, position)
        In Hz, NaN where unvoiced.
    """
    return token_voice(sounds, sample_rate, times)[0]


def token_voice(sounds: Sequence[np.ndarray], sample_rate: float, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F0 and harmonics-to-noise ratio at given times of many short sounds, each frame decided by itself.

    The autocorrelation at the period is the share r of the energy that is periodic; the ratio is
    ``10 log10(r / (1 - r))`` (Boersma 1993, eq. 4).

    Parameters
    ----------
    sounds, sample_rate, times
        As in `token_pitch`.

    Returns
    -------
    f0, ratio : array (token, position)
        In Hz and dB, NaN where unvoiced.
    """
    _check_range(FLOOR_HZ, CEILING_HZ, sample_rate)
    f0 = np.full(times.shape, np.nan)
    ratio = f0.copy()
    lengths = np.minimum(_window_samples(FLOOR_HZ, sample_rate), [sound.size for sound in sounds]).astype(int)
    for length in np.unique(lengths):
        members = np.flatnonzero(lengths == length)
        per_block = max(1, _BLOCK_FRAMES // times.shape[1])
        for begin in range(0, members.size, per_block):
            some = members[begin : begin + per_block]
            frames = np.empty((some.size, times.shape[1], length))
            peaks = np.empty(some.size)
            for row, member in enumerate(some):
                sound = np.asarray(sounds[member], dtype=np.float64)
                start = np.clip(np.round(times[member] * sample_rate - length / 2).astype(int), 0, sound.size - length)
                frames[row] = sound[start[:, None] + np.arange(length)]
                peaks[row] = np.abs(sound - sound.mean()).max()
            flat = frames.reshape(-1, length)
            frequency, strength = _candidates(flat, sample_rate, FLOOR_HZ, CEILING_HZ, LONE_FRAME_OCTAVE_COST)
            silent = _unvoiced_strength(flat, sample_rate, FLOOR_HZ, np.repeat(peaks, times.shape[1]))
            best = strength.argmax(axis=1)
            rows = np.arange(best.size)
            voiced = strength[rows, best] > silent
            hertz = np.where(voiced, frequency[rows, best], np.nan)
            peak = strength[rows, best] + LONE_FRAME_OCTAVE_COST * np.log2(CEILING_HZ / hertz)
            share = np.clip(peak, 1e-6, 1 - 1e-6)
            f0[some] = hertz.reshape(some.size, -1)
            ratio[some] = 10 * np.log10(share / (1 - share)).reshape(some.size, -1)
    return f0, ratio


def _check_range(floor: float, ceiling: float, sample_rate: float) -> None:
    if not 0 < floor < ceiling <= sample_rate / 2:
        raise AudioError(
            f"found an F0 range of {floor:g} to {ceiling:g} Hz at a sample rate of {sample_rate:g} Hz; expected "
            f"0 < floor < ceiling <= half the sample rate. The usual range is 75 to 600 Hz."
        )


def _window_samples(floor: float, sample_rate: float) -> int:
    return int(PERIODS_IN_WINDOW / floor * sample_rate) // 2 * 2


def _candidates(
    frames: np.ndarray, sample_rate: float, floor: float, ceiling: float, octave_cost: float = OCTAVE_COST
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (Hz) and strengths of the best peaks of each frame, both (frame, N_CANDIDATES), padded with -inf."""
    n = frames.shape[1]
    n_fft = next_fast_len(int(1.5 * n) + 1, real=True)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, n + 1) / (n + 1))

    def autocorrelation(x: np.ndarray) -> np.ndarray:
        power = np.abs(rfft(x, n_fft)) ** 2
        r = irfft(power, n_fft * _OVERSAMPLING)[..., : n // 2 * _OVERSAMPLING + 2]
        scale = r[..., :1]
        return np.divide(r, scale, out=np.zeros_like(r), where=scale > 0)

    r = autocorrelation((frames - frames.mean(axis=1, keepdims=True)) * window) / autocorrelation(window)
    rate = sample_rate * _OVERSAMPLING
    shortest, longest = max(2, int(rate / ceiling)), min(int(np.ceil(rate / floor)), r.shape[1] - 2)
    frequency = np.zeros((frames.shape[0], N_CANDIDATES))
    strength = np.full(frequency.shape, -np.inf)
    if longest <= shortest:
        return frequency, strength
    middle, before, after = (r[:, shortest + k : longest + 1 + k] for k in (0, -1, 1))
    peak = (middle > before) & (middle >= after) & (middle > 0.5 * VOICING_THRESHOLD)
    slope, curvature = 0.5 * (after - before), 2 * middle - before - after
    shift = np.divide(slope, curvature, out=np.zeros_like(slope), where=peak & (curvature > 0))
    hertz = rate / (np.arange(shortest, longest + 1) + shift)
    height = middle + 0.5 * slope * shift
    height = np.where(height > 1, 1 / np.maximum(height, 1e-9), height)  # above 1 only by interpolation: reflected
    inside = peak & (hertz >= floor) & (hertz <= ceiling)
    score = np.where(inside, height - octave_cost * np.log2(ceiling / hertz), -np.inf)
    keep = min(N_CANDIDATES, score.shape[1])
    order = np.argpartition(-score, keep - 1, axis=1)[:, :keep]
    rows = np.arange(frames.shape[0])[:, None]
    frequency[:, :keep], strength[:, :keep] = hertz[rows, order], score[rows, order]
    return frequency, strength


def _unvoiced_strength(
    frames: np.ndarray, sample_rate: float, floor: float, global_peak: float | np.ndarray
) -> np.ndarray:
    """Strength of the unvoiced candidate of each frame (Boersma 1993, eq. 23): high where the frame is silent."""
    period = min(int(sample_rate / floor), frames.shape[1])
    begin = (frames.shape[1] - period) // 2
    centred = frames - frames.mean(axis=1, keepdims=True)
    local_peak = np.abs(centred[:, begin : begin + period]).max(axis=1)
    intensity = np.divide(local_peak, global_peak, out=np.zeros_like(local_peak), where=np.asarray(global_peak) > 0)
    return VOICING_THRESHOLD + np.maximum(0, 2 - intensity * (1 + VOICING_THRESHOLD) / SILENCE_THRESHOLD)


def _best_path(frequency: np.ndarray, strength: np.ndarray, unvoiced: np.ndarray, step: float) -> np.ndarray:
    """F0 (frame,) along the path of greatest strength less costs of octave jumps and of changes in voicing."""
    correction = 0.01 / step
    scores = np.concatenate([unvoiced[:, None], strength], axis=1)
    octave = np.zeros_like(scores)
    octave[:, 1:] = np.log2(np.where(np.isfinite(strength), frequency, 1.0))
    is_voiced = np.arange(scores.shape[1]) > 0
    change = VOICING_CHANGE_COST * correction * (is_voiced[:, None] != is_voiced[None, :])
    both = is_voiced[:, None] & is_voiced[None, :]
    back = np.zeros(scores.shape, dtype=int)
    total = scores[0]
    for frame in range(1, scores.shape[0]):
        jump = np.abs(octave[frame - 1][:, None] - octave[frame][None, :])
        cost = np.where(both, OCTAVE_JUMP_COST * correction * jump, change)
        arriving = total[:, None] - cost
        back[frame] = arriving.argmax(axis=0)
        total = arriving.max(axis=0) + scores[frame]
    candidate = int(total.argmax())
    f0 = np.full(scores.shape[0], np.nan)
    for frame in range(scores.shape[0] - 1, -1, -1):
        if candidate:
            f0[frame] = frequency[frame, candidate - 1]
        candidate = back[frame, candidate]
    return f0
