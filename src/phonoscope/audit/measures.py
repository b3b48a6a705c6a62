"""What is measured of a recording for each shortcut: named numbers, none of which needs to know what is said."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.ndimage import uniform_filter1d

from phonoscope.audit.anatomy import MAINS, SILENCE, Anatomy

BANDS = 12  # of the background's spectrum
FEW_VALUES = 1024  # different sample values: fewer make a grid of their own
_FINEST_BITS = 20
_ALIKE_SAMPLES = 64
_LOWEST_BAND = 60.0  # Hz
_LOWEST_EDGE = 1500.0  # Hz: below it, speech itself falls off steeply
_WHOLE = 0.93  # of the edge of the band: up to there the background is untouched
_CLIFF_HZ = (125.0, 500.0)  # near and far end of what is compared on both sides of an edge
_HUM_BELOW = 80.0  # dB
_LEAST_DROP = 10.0  # dB
_SPEECH_DROP = 30.0  # dB: where no background shows the edge, a fall must be steeper than any of a vowel's
_ALIKE = 2.0  # dB: places that fall so much less are in the middle of the same edge
_RECORDED = 1e-4  # full scale: of a quieter background the sample values leave no spectrum
_OFFSET_SECONDS, _OFFSET_ERRORS = 0.05, 2.0  # blocks whose means tell how sure an offset is
_TOP = 1e-4  # of the largest sample: so near to it a sample is at the top
_PILED_UP = 2  # times as many samples at the top as at the value below it
_FALL_SECONDS, _USUAL = 0.05, 0.8
_FALL_FLOOR = 1.5  # of the background's power
_FALL_BELOW_PEAK = 35.0  # dB: what lies deeper may be background


def level(own: Anatomy) -> dict[str, float]:
    """Level of the speech, dB re full scale."""
    return {"level": float(20 * np.log10(own.level))}


def offset(own: Anatomy) -> dict[str, float]:
    """Offset in percent of the speech's root mean square; none where slow noise alone may make as much."""
    block = max(1, round(_OFFSET_SECONDS * own.rate))
    count = len(own.samples) // block
    if count < 2:
        return {"offset": 0.0}
    means = own.samples[: count * block].reshape(count, block).mean(axis=1)
    doubt = _OFFSET_ERRORS * means.std(ddof=1) / np.sqrt(count)
    return {"offset": float(100 * np.sign(own.offset) * max(abs(own.offset) - doubt, 0) / own.level)}


def duration(own: Anatomy) -> dict[str, float]:
    """From the first to the last speech, without the pauses, ms."""
    return {"speech": 1e3 * own.spoken / own.rate}


def edge_silence(own: Anatomy) -> dict[str, float]:
    """Silence before and after the speech, ms."""
    return {"before": 1e3 * own.span[0] / own.rate, "after": 1e3 * (len(own.samples) - own.span[1]) / own.rate}


def inner_silence(own: Anatomy) -> dict[str, float]:
    """Pauses between the first and the last speech, ms: all, and the longest."""
    lengths = [end - first for first, end in own.pauses]
    return {"pauses": 1e3 * sum(lengths) / own.rate, "longest": 1e3 * max(lengths, default=0) / own.rate}


def background(own: Anatomy) -> dict[str, float]:
    """Spectrum of the background in bands on the mel scale, up to the edge of the band, dB re their mean."""
    edges = _mel_edges(own.rate)
    power = own.background_power
    total = np.array([
        power[(own.hertz >= low) & (own.hertz < high)].mean() if ((own.hertz >= low) & (own.hertz < high)).any() else
        np.interp((low + high) / 2, own.hertz, power)
        for low, high in itertools.pairwise(edges)
    ])  # fmt: skip
    db = 10 * np.log10(np.maximum(total, SILENCE**2))
    inside = max(int(np.searchsorted(edges[1:], _WHOLE * bandwidth(own)["edge"], "right")), 1)
    db[inside:] = db[inside - 1]  # beyond the edge of the band there is nothing to measure
    return {f"{low:.0f}–{high:.0f} Hz": float(value) for low, high, value in
            zip(edges[:-1], edges[1:], db - db.mean(), strict=True)}  # fmt: skip


def noise_floor(own: Anatomy) -> dict[str, float]:
    """Level of the background, dB re the speech."""
    return {"floor": float(20 * np.log10(own.floor / own.level))}


def hum(own: Anatomy) -> dict[str, float]:
    """Level of the mains hum re 80 dB below the speech, dB, by mains frequency; 0 for none."""
    its = own.hum
    size = np.sqrt(np.sum(np.abs(its.amplitude) ** 2) / 2)
    heard = float(max(20 * np.log10((size + SILENCE) / own.level) + _HUM_BELOW, 0)) if size > 0 else 0.0
    return {f"{mains:.0f} Hz": heard if its.mains == mains else 0.0 for mains in MAINS}


def bandwidth(own: Anatomy) -> dict[str, float]:
    """Where the spectrum of the whole recording breaks off, Hz, and by how much, dB; the highest frequency if nowhere.

    A break is a fall within less than a kilohertz that is steeper than any of speech.
    """
    near, far = _CLIFF_HZ
    width = own.hertz[1]
    reach, gap = max(1, round((far - near) / width)), max(1, round(near / width))
    away = gap + reach // 2
    places = np.arange(max(int(np.searchsorted(own.hertz, _LOWEST_EDGE)), away), len(own.hertz) - away)

    def falls(power: np.ndarray) -> np.ndarray:
        db = 10 * np.log10(np.maximum(uniform_filter1d(power, reach), SILENCE**2))
        above = np.maximum.accumulate(db[::-1])[::-1][places + away]  # the loudest of all that lies higher
        return db[places - away] - above

    drops, least = falls(np.mean(np.abs(own.spectrum) ** 2, axis=1)), _SPEECH_DROP
    if own.floor > _RECORDED:  # a vowel ends somewhere too, but the background does so only where the band ends
        drops, least = np.minimum(drops, falls(own.background_power)), _LEAST_DROP
    if not len(drops) or drops.max() < least:
        return {"edge": own.rate / 2, "drop": 0.0}
    best = places[drops >= drops.max() - _ALIKE]
    return {"edge": float(own.hertz[best].mean()), "drop": float(drops.max())}


def clipping(own: Anatomy) -> dict[str, float]:
    """Share of samples that are cut off, ‰, as its logarithm."""
    return {"clipped": float(np.log10(1e3 * clipped(own.samples).mean() + 0.01))}


def clipped(samples: np.ndarray) -> np.ndarray:
    """Which samples lie at the top of a side where at least two are neighbours: peaks that were cut off.

    Parameters
    ----------
    samples : array (sample,)
    """
    if not len(samples) or np.abs(samples).max() < 16 * SILENCE:
        return np.zeros(len(samples), dtype=bool)
    cut = np.zeros(len(samples), dtype=bool)
    for sign in (1, -1):  # each side by itself: an offset that was taken out later has moved both
        highest = (sign * samples).max()
        if highest <= 0:
            continue
        top = sign * samples >= highest * (1 - _TOP)
        # Whether any are neighbours, and not which, counts: a slow vowel has more of them than one with much treble.
        if not (top[1:] & top[:-1]).any() or top.all():
            continue
        next_lower = (sign * samples[~top]).max()
        just_below = np.count_nonzero(np.abs(sign * samples[~top] - next_lower) <= highest * _TOP)
        if np.count_nonzero(top) >= _PILED_UP * just_below:  # on a coarse grid peaks meet at the top by chance
            cut |= top
    return cut


def quantisation(own: Anatomy) -> dict[str, float]:
    """Bits of the grid on which all samples lie, and how many of its steps are used, as a logarithm."""
    step = step_of(own.samples)
    used = np.log10(_values_used(own.samples[~clipped(own.samples)], step))
    return {"bits": float(_FINEST_BITS if step <= 0 else 1 - np.log2(step)), "used": float(np.round(used, 1))}


def _values_used(samples: np.ndarray, step: float) -> float:
    """Different values, re what as many samples spread over the grid would have, neighbours in size compared.

    How samples are spread over the whole range depends on the vowel; within a few of like size they lie evenly.
    """
    ordered = np.sort(samples)
    if step <= 0 or len(ordered) < _ALIKE_SAMPLES:
        return 1.0
    parts = ordered[: len(ordered) // _ALIKE_SAMPLES * _ALIKE_SAMPLES].reshape(-1, _ALIKE_SAMPLES)
    places = np.round(np.ptp(parts, axis=1) / step) + 1
    expected = places * (1 - (1 - 1 / places) ** _ALIKE_SAMPLES)
    found = 1 + np.count_nonzero(np.diff(parts, axis=1) > step / 2, axis=1)
    return float(found.sum() / expected.sum())


def step_of(samples: np.ndarray) -> float:
    """Step of the coarsest grid of whole bits on which all samples lie, full scale; 0 where there is none.

    Parameters
    ----------
    samples : array (sample,)
    """
    if not len(samples) or not np.any(samples):
        return 0.0
    scaled = samples * 2.0 ** (_FINEST_BITS - 1)
    whole = np.round(scaled)
    if np.abs(scaled - whole).max() > 1e-2:
        return 0.0
    lowest = np.bitwise_or.reduce(np.abs(whole).astype(np.int64))
    return float((lowest & -lowest) / 2.0 ** (_FINEST_BITS - 1))


def room(own: Anatomy) -> dict[str, float]:
    """How fast the speech falls where it falls fastest, dB in 50 ms: the slower, the more reverberant; and usually."""
    given = (own.loudness, own.hop / own.rate, own.floor)
    return {"fall": fastest_fall(*given), "usual fall": fastest_fall(*given, share=_USUAL)}


def fastest_fall(loudness: np.ndarray, hop: float, floor: float, share: float = 0.97) -> float:
    """Fall of the level in 50 ms where it falls fastest, dB, from the loudest 35 dB alone.

    Parameters
    ----------
    loudness : array (frame,)
        dB.
    hop : float
        From frame to frame, s.
    floor : float
        Root mean square of the background, whose power is subtracted.
    share : float
        Of the frames that fall more slowly.
    """
    power = np.maximum(10 ** (loudness / 10) - _FALL_FLOOR * floor**2, SILENCE**2)
    loudness = 10 * np.log10(power)
    smooth = uniform_filter1d(np.maximum(loudness, loudness.max() - _FALL_BELOW_PEAK), 3)
    lag = round(_FALL_SECONDS / hop)
    return float(np.quantile(smooth[:-lag] - smooth[lag:], share)) if len(smooth) > lag else 0.0


def smoothed_db(own: Anatomy) -> np.ndarray:
    """The background's spectrum in its bands, drawn out over all frequencies, dB, shape (frequency,)."""
    edges = _mel_edges(own.rate)
    return np.interp(own.hertz, (edges[:-1] + edges[1:]) / 2, list(background(own).values()))


def _mel_edges(rate: float) -> np.ndarray:
    """Edges of the bands, Hz."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST_BAND, rate / 2))
    return 700 * (10 ** (np.linspace(low, high, BANDS + 1) / 2595) - 1)
