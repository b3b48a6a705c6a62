"""The source-filter synthesiser: glottal pulses at exact times, a cascade of moving resonators, noise of any spectrum.

Everything is vectorised over tokens; nothing here knows vowels or talkers, so any cue can be planted with it.
"""

from collections.abc import Sequence

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

POSITIONS = (0.2, 0.5, 0.8)  # of the duration, where F0 and formants are given; constant outside, linear between
JITTER = 0.005  # relative SD of the period from pulse to pulse
SHIMMER = 0.04  # relative SD of the pulses' height
GLOTTAL_POLE_HZ = 100.0
ATTACK_SECONDS, DECAY_SECONDS = 0.012, 0.025
_UPDATE_SAMPLES = 32  # resonators move in steps of this many samples: far below what the ear or a window sees
_SINC_REACH = 16  # samples on each side of a pulse
_MAX_BATCH = 256  # tokens filtered at once


def voice(
    f0: np.ndarray,
    frequencies: np.ndarray,
    bandwidths: np.ndarray,
    durations: np.ndarray,
    sample_rate: int,
    rng: np.random.Generator,
    *,
    tilt_hz: float = 3000.0,
    breath_db: float = -30.0,
) -> list[np.ndarray]:
    """Voiced tokens with known F0 and formants.

    Parameters
    ----------
    f0 : array (token, 3)
        In Hz at 20, 50 and 80 % of the duration.
    frequencies : array (token, 3, formant)
        In Hz at the same positions. Give formants up to half the sample rate: with fewer, the spectrum falls too
        steeply above the last one. Those above 98 % of half the sample rate are left out.
    bandwidths : array (token, 3, formant)
        In Hz.
    durations : array (token,)
        In s.
    sample_rate : int
        In Hz.
    rng : Generator
        For jitter, shimmer, phase and breath.
    tilt_hz, breath_db : float
        See `glottal_source`.

    Returns
    -------
    list of arrays (sample,)
        One a token, root mean square 1.
    """
    sources = glottal_source(f0, durations, sample_rate, rng, tilt_hz=tilt_hz, breath_db=breath_db)
    return [unit_level(token) for token in cascade(sources, frequencies, bandwidths, sample_rate)]


def glottal_source(
    f0: np.ndarray,
    durations: np.ndarray,
    sample_rate: int,
    rng: np.random.Generator,
    *,
    tilt_hz: float = 3000.0,
    breath_db: float = -30.0,
) -> list[np.ndarray]:
    """Radiated glottal source of each token: pulses through a low-pass, with breath noise, differentiated.

    Pulses are band-limited (a windowed sinc at the exact time), so that a high F0 lies where it should and no alias
    appears. Two real poles at 100 Hz and the radiation (+6 dB per octave) make -6 dB per octave; a further pole at
    `tilt_hz` softens the voice. The noise is `breath_db` relative to the source before radiation's +6 dB per octave is
    applied to the pulses, and is strongest while the glottis is open, half a period out of step with the pulses.

    Parameters
    ----------
    f0, durations, sample_rate, rng
        As for `voice`.
    tilt_hz : float
        Pole that softens the voice, in Hz.
    breath_db : float
        Level of the noise.

    Returns
    -------
    list of arrays (sample,)
        One a token.
    """
    from scipy.signal import lfilter  # its import takes longer than the rest of the program's start

    f0, durations = np.asarray(f0, dtype=np.float64), np.asarray(durations, dtype=np.float64)
    lengths = np.round(durations * sample_rate).astype(int)
    poles = np.exp(-2 * np.pi * np.array([GLOTTAL_POLE_HZ, GLOTTAL_POLE_HZ, tilt_hz]) / sample_rate)
    sources = []
    for token, length in enumerate(lengths):
        share = (np.arange(length) + 0.5) / length
        contour = np.exp(np.interp(share, POSITIONS, np.log(f0[token])))
        phase = rng.random() + np.concatenate([[0.0], np.cumsum(contour)]) / sample_rate
        cycles = np.arange(np.ceil(phase[0]), np.floor(phase[-1]) + 1)
        at = np.interp(cycles, phase, np.arange(length + 1))
        at += JITTER * sample_rate / np.interp(at, np.arange(length), contour) * rng.standard_normal(at.size)
        height = 1 + SHIMMER * rng.standard_normal(at.size)
        pulses = _place_pulses(at, height, length)
        voiced = np.diff(lfilter([1.0], np.poly(poles), pulses), prepend=0.0)
        voiced /= np.sqrt(np.mean(voiced**2)) + 1e-12
        open_phase = 0.6 - 0.4 * np.cos(2 * np.pi * phase[:-1])
        breath = 10 ** (breath_db / 20) * open_phase * rng.standard_normal(length)
        sources.append((voiced + breath) * envelope(length, sample_rate, ATTACK_SECONDS, DECAY_SECONDS))
    return sources


def _place_pulses(at: np.ndarray, height: np.ndarray, length: int) -> np.ndarray:
    """Sum of band-limited unit pulses at fractional sample positions, array (length,)."""
    taps = np.arange(-_SINC_REACH + 1, _SINC_REACH + 1)
    whole = np.floor(at).astype(int)
    distance = taps[None, :] - (at - whole)[:, None]
    shape = np.sinc(distance) * np.cos(0.5 * np.pi * distance / (_SINC_REACH + 1)) ** 2
    index = whole[:, None] + taps[None, :]
    inside = (index >= 0) & (index < length)
    return np.bincount(index[inside], weights=(height[:, None] * shape)[inside], minlength=length)[:length]


def cascade(
    sources: Sequence[np.ndarray], frequencies: np.ndarray, bandwidths: np.ndarray, sample_rate: int
) -> list[np.ndarray]:
    """Filter each source through its own series of moving second-order resonators (Klatt 1980, eq. 1-2).

    The loop runs over samples and is vectorised over tokens and resonators: resonator k works on the sample that
    resonator k - 1 finished one step before.

    Parameters
    ----------
    sources : sequence of arrays (sample,)
        One a token.
    frequencies, bandwidths : array (token, 3, formant)
        In Hz at 20, 50 and 80 % of the token; linear between, constant outside.
    sample_rate : int
        In Hz.

    Returns
    -------
    list of arrays (sample,)
        As long as the sources.
    """
    lengths = np.array([source.size for source in sources])
    results: list[np.ndarray] = [np.zeros(0)] * len(sources)
    by_length = np.argsort(lengths, kind="stable")
    for begin in range(0, by_length.size, _MAX_BATCH):
        members = by_length[begin : begin + _MAX_BATCH]
        padded = np.zeros((lengths[members].max(), members.size))
        for column, member in enumerate(members):
            padded[: lengths[member], column] = sources[member]
        filtered = _cascade_batch(padded, lengths[members], frequencies[members], bandwidths[members], sample_rate)
        for column, member in enumerate(members):
            results[member] = filtered[: lengths[member], column].copy()
    return results


def _cascade_batch(
    source: np.ndarray, lengths: np.ndarray, frequencies: np.ndarray, bandwidths: np.ndarray, sample_rate: int
) -> np.ndarray:
    n_samples, n_tokens = source.shape
    n_formants = frequencies.shape[2]
    # (3, formant, token), the order of the state
    frequency_points, bandwidth_points = (np.moveaxis(x, 0, -1).copy() for x in (frequencies, bandwidths))
    delayed = np.concatenate([source, np.zeros((n_formants, n_tokens))])
    output = np.empty((n_samples + n_formants, n_tokens))
    line = np.zeros((n_formants + 1, n_tokens))  # row 0: the source; row k: the newest sample of resonator k
    before = np.zeros((n_formants, n_tokens))  # the resonators' samples before those
    product = np.empty_like(before)
    for begin in range(0, n_samples + n_formants, _UPDATE_SAMPLES):
        share = (begin + 0.5 * _UPDATE_SAMPLES) / lengths
        gain, first, second = _resonators(
            _at_share(frequency_points, share), _at_share(bandwidth_points, share), sample_rate
        )
        for step in range(begin, min(begin + _UPDATE_SAMPLES, n_samples + n_formants)):
            line[0] = delayed[step]
            np.multiply(gain, line[:-1], out=product)
            before *= second
            product += before
            before[:] = line[1:]
            np.multiply(first, before, out=line[1:])
            line[1:] += product
            output[step] = line[-1]
    return output[n_formants - 1 :]


def _at_share(points: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Values (formant, token) at a fraction of each token's duration (token,), from points (3, formant, token)."""
    left, middle, right = POSITIONS
    share = np.clip(share, left, right)
    early = points[0] + (points[1] - points[0]) * (share - left) / (middle - left)
    late = points[1] + (points[2] - points[1]) * (share - middle) / (right - middle)
    return np.where(share < middle, early, late)


def _resonators(frequency: np.ndarray, bandwidth: np.ndarray, sample_rate: int) -> tuple[np.ndarray, ...]:
    """Coefficients of ``y[n] = A x[n] + B y[n-1] + C y[n-2]`` with gain 1 at 0 Hz; a wire where there is no formant."""
    radius = np.exp(-np.pi * bandwidth / sample_rate)
    first = 2 * radius * np.cos(2 * np.pi * frequency / sample_rate)
    second = -(radius**2)
    wire = frequency > 0.98 * sample_rate / 2
    first, second = np.where(wire, 0.0, first), np.where(wire, 0.0, second)
    return 1 - first - second, first, second


def envelope(length: int, sample_rate: int, attack_seconds: float, decay_seconds: float) -> np.ndarray:
    """Raised-cosine rise and fall around 1, array (length,).

    Parameters
    ----------
    length : int
        In samples.
    sample_rate : int
        In Hz.
    attack_seconds, decay_seconds : float
        Of the rise and of the fall; each takes at most 40 % of the length.
    """
    rise, fall = (min(round(x * sample_rate), int(0.4 * length)) for x in (attack_seconds, decay_seconds))
    shape = np.ones(length)
    shape[:rise] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(rise) + 0.5) / rise)
    shape[length - fall :] = 0.5 + 0.5 * np.cos(np.pi * (np.arange(fall) + 0.5) / fall)
    return shape


def shaped_noise(
    length: int, sample_rate: int, hertz: np.ndarray, density_db: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Gaussian noise whose power density follows a curve.

    Parameters
    ----------
    length : int
        In samples.
    sample_rate : int
        In Hz.
    hertz, density_db : array (point,)
        The curve: power per Hz in dB at rising frequencies, linear between the points, constant outside.
    rng : Generator
        Source of the noise.

    Returns
    -------
    array (length,)
        The expected mean square is the integral of the density from 0 Hz to half the sample rate.
    """
    padded = next_fast_len(length + 64, real=True)
    spectrum = rfft(rng.standard_normal(padded))
    density = 10 ** (np.interp(np.fft.rfftfreq(padded, 1 / sample_rate), hertz, density_db) / 10)
    return irfft(spectrum * np.sqrt(density * sample_rate / 2), padded)[:length]


def equalise(waveform: np.ndarray, sample_rate: int, hertz: np.ndarray, gain_db: np.ndarray) -> np.ndarray:
    """Apply a smooth gain curve without delay; same length as the waveform.

    Parameters
    ----------
    waveform : array (sample,)
        The sound.
    sample_rate : int
        In Hz.
    hertz, gain_db : array (point,)
        The curve, at rising frequencies; linear between the points, constant outside.
    """
    padded = next_fast_len(waveform.size + 256, real=True)
    gain = 10 ** (np.interp(np.fft.rfftfreq(padded, 1 / sample_rate), hertz, gain_db) / 20)
    return irfft(rfft(waveform, padded) * gain, padded)[: waveform.size]


def unit_level(waveform: np.ndarray) -> np.ndarray:
    """The waveform scaled to a root mean square of 1; silence stays silence."""
    level = np.sqrt(np.mean(waveform**2)) if waveform.size else 0.0
    return waveform / level if level > 0 else waveform
