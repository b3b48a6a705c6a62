"""What is measured of a recording for each shortcut: named numbers, none of which needs to know what is said."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.ndimage import uniform_filter1d

from phonoscope.audit.anatomy import MAINS, SILENCE, Anatomy

BANDS = 12  # of the background's spectrum
FEW_VALUES = 1024  # different sample values: fewer make a grid of their own
_FINEST_BITS = 20
_LOWEST_BAND = 60.0  # Hz
_LOWEST_EDGE = 1500.0  # Hz: below it, speech itself falls off steeply
_CLIFF_HZ = (125.0, 500.0)  # near and far end of what is compared on both sides of an edge
_LEAST_DROP = 15.0  # dB
_TOP = 1e-4  # of the largest sample: so near to it a sample is at the top
_FALL_SECONDS = 0.1
_FALL_BELOW_PEAK = 25.0  # dB: what lies deeper may be background


def level(own: Anatomy) -> dict[str, float]:
    """Level of the speech, dB re full scale."""
    return {"level": float(20 * np.log10(own.level))}


def offset(own: Anatomy) -> dict[str, float]:
    """Offset in percent of the speech's root mean square."""
    return {"offset": 100 * own.offset / own.level}


def duration(own: Anatomy) -> dict[str, float]:
    """From the first to the last speech, ms."""
    return {"speech": 1e3 * (own.span[1] - own.span[0]) / own.rate}


def edge_silence(own: Anatomy) -> dict[str, float]:
    """Silence before and after the speech, ms."""
    return {"before": 1e3 * own.span[0] / own.rate, "after": 1e3 * (len(own.samples) - own.span[1]) / own.rate}


def inner_silence(own: Anatomy) -> dict[str, float]:
    """Share of pauses in the time from the first to the last speech, %, and the longest, ms."""
    lengths = [end - first for first, end in own.pauses]
    spoken = max(own.span[1] - own.span[0], 1)
    return {"pauses": 100 * sum(lengths) / spoken, "longest": 1e3 * max(lengths, default=0) / own.rate}


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
    inside = max(int(np.searchsorted(edges[1:], bandwidth(own)["edge"], "right")), 1)
    db[inside:] = db[inside - 1]  # beyond the edge of the band there is nothing to measure
    return {f"{low:.0f}–{high:.0f} Hz": float(value) for low, high, value in
            zip(edges[:-1], edges[1:], db - db.mean(), strict=True)}  # fmt: skip


def noise_floor(own: Anatomy) -> dict[str, float]:
    """Level of the background, dB re the speech."""
    return {"floor": float(20 * np.log10(own.floor / own.level))}


def hum(own: Anatomy) -> dict[str, float]:
    """Level of the mains hum re the speech, and re the background around it, dB, by mains frequency."""
    its = own.hum
    size = np.sqrt(np.sum(np.abs(its.amplitude) ** 2) / 2)
    near = own.hertz <= MAINS[-1] * (len(its.amplitude) + 1)
    total = own.background_power.sum()
    low = own.floor * np.sqrt(own.background_power[near].sum() / total) if total > 0 else 0.0
    above = 20 * np.log10((size + SILENCE) / (low + SILENCE))
    found = {f"{mains:.0f} Hz": float(np.clip(above, 0, 60)) if its.mains == mains else 0.0 for mains in MAINS}
    return found | {"hum": float(20 * np.log10((size + SILENCE) / own.level))}


def bandwidth(own: Anatomy) -> dict[str, float]:
    """Where the spectrum of the whole recording breaks off, Hz, and by how much, dB; the highest frequency if nowhere.

    A break is a fall within less than a kilohertz that is steeper than any of speech.
    """
    near, far = _CLIFF_HZ
    width = own.hertz[1]
    db = 10 * np.log10(np.maximum(np.mean(np.abs(own.spectrum) ** 2, axis=1), SILENCE**2))
    reach, gap = max(1, round((far - near) / width)), max(1, round(near / width))
    top = own.rate / 2
    best, edge = 0.0, top
    for i in range(np.searchsorted(own.hertz, _LOWEST_EDGE), len(db) - gap - reach + 1):
        below, above = db[max(0, i - gap - reach) : i - gap], db[i + gap : i + gap + reach]
        drop = float(below.mean() - above.mean())
        if drop > best:
            best, edge = drop, float(own.hertz[i])
    return {"edge": edge, "drop": best} if best >= _LEAST_DROP else {"edge": top, "drop": 0.0}


def clipping(own: Anatomy) -> dict[str, float]:
    """Share of samples that are cut off, ‰, as its logarithm."""
    return {"clipped": float(np.log10(1e3 * clipped(own.samples).mean() + 0.01))}


def clipped(samples: np.ndarray) -> np.ndarray:
    """Which samples lie at the top with at least one neighbour, on the same side: a peak that was cut off.

    Parameters
    ----------
    samples : array (sample,)
    """
    size = np.abs(samples)
    top = size >= (1 - _TOP) * size.max(initial=0.0)
    if not len(samples) or size.max() < 16 * SILENCE:
        return np.zeros(len(samples), dtype=bool)
    side = np.where(top, np.sign(samples), 0)
    beside = np.zeros(len(samples), dtype=bool)
    same = (side[1:] == side[:-1]) & (side[1:] != 0)
    beside[1:] |= same
    beside[:-1] |= same
    return beside


def quantisation(own: Anatomy) -> dict[str, float]:
    """Bits of the grid on which all samples lie, and how many of its steps are used, as a logarithm."""
    step = step_of(own.samples)
    span = np.ptp(own.samples) if len(own.samples) else 0.0
    places = min(len(own.samples), span / step + 1) if step > 0 else len(own.samples)
    used = np.log10(len(np.unique(own.samples)) / max(places, 1))
    return {"bits": float(_FINEST_BITS if step <= 0 else 1 - np.log2(step)), "used": float(used)}


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
    """How fast the speech falls where it falls fastest, dB in 100 ms: the slower, the more reverberant."""
    return {"fall": fastest_fall(own.loudness, own.hop / own.rate)}


def fastest_fall(loudness: np.ndarray, hop: float) -> float:
    """Fall of the level in 100 ms where it falls fastest, dB, from the loudest 25 dB alone.

    Parameters
    ----------
    loudness : array (frame,)
        dB.
    hop : float
        From frame to frame, s.
    """
    smooth = uniform_filter1d(np.maximum(loudness, loudness.max() - _FALL_BELOW_PEAK), 3)
    lag = round(_FALL_SECONDS / hop)
    return float(np.quantile(smooth[:-lag] - smooth[lag:], 0.9)) if len(smooth) > lag else 0.0


def smoothed_db(own: Anatomy) -> np.ndarray:
    """The background's spectrum in its bands, drawn out over all frequencies, dB, shape (frequency,)."""
    edges = _mel_edges(own.rate)
    return np.interp(own.hertz, (edges[:-1] + edges[1:]) / 2, list(background(own).values()))


def _mel_edges(rate: float) -> np.ndarray:
    """Edges of the bands, Hz."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST_BAND, rate / 2))
    return 700 * (10 ** (np.linspace(low, high, BANDS + 1) / 2595) - 1)
