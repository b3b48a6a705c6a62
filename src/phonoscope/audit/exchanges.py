"""Exchanges: one property of a recording made that of another, the donor's, and nothing else.

Each takes the `Anatomy` of the recording, that of the donor and a seed, and returns the changed recording. All are
relative to the level of the speech, so that a loud donor makes nothing louder.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve

from phonoscope.audit import measures
from phonoscope.audit.anatomy import Anatomy, frame_levels, shaped_noise

_MOST_STRETCH = 2.0  # times longer or shorter, of the speech
_MOST_EQUALISED_DB = 20.0
_MOST_FILLED_DB = 60.0
_GRAIN_SECONDS = 0.03
_SEARCH_SECONDS = 0.008
_TAIL_DB = np.arange(-30.0, 13.0, 3.0)  # of the reverberation, re the direct sound
_DECAY_SECONDS = 0.4
_DAMPING = (0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 0.8)
_DAMPED_AFTER, _LEAST_DAMPED = 0.04, 0.1  # s, and least gain


def level(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """As loud as the donor's speech.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    del seed
    return own.samples * (donor.level / own.level)


def offset(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """The donor's constant offset.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    del seed
    return own.samples - own.offset + donor.offset * (own.level / donor.level)


def hum(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """The donor's mains hum in place of the own.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    del seed
    return own.rest + own.offset + donor.hum.wave(len(own.rest), own.rate) * (own.level / donor.level)


def edge_silence(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """As much silence before and after the speech as the donor has, made of the own background.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    first, end = own.span
    before, after = donor.span[0], len(donor.samples) - donor.span[1]
    rest = own.rest
    lead = _resized(rest[:first][::-1], before, own, seed)[::-1]
    trail = _resized(rest[end:], after, own, seed + 1)
    return _finished(np.concatenate([lead, rest[first:end], trail]), own)


def inner_silence(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """Pauses inside the speech as long, in all, as the donor's.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    pauses, rest = own.pauses, own.rest
    paused = sum(end - first for first, end in pauses)
    wanted = sum(end - first for first, end in donor.pauses)
    if not pauses:
        inside = own.loudness[own.span[0] // own.hop : max(own.span[1] // own.hop, own.span[0] // own.hop + 1)]
        middle = own.span[0] + int(np.argmin(inside)) * own.hop
        pauses, paused = [(middle, middle)], 1
    parts, at = [], 0
    for number, (first, end) in enumerate(pauses):
        length = round((end - first) * wanted / paused) if paused > 1 else round(wanted)
        half = min(length, end - first) // 2
        more = own.texture(max(0, length - 2 * half), seed + number)
        parts += [rest[at : first + half], more, rest[end - half : end]]
        at = end
    return _finished(np.concatenate([*parts, rest[at:]]), own)


def duration(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """Speech as long as the donor's, at its own pitch; pauses stay as they are.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    del seed
    ratio = np.clip(donor.spoken / own.spoken, 1 / _MOST_STRETCH, _MOST_STRETCH)
    rest, at = own.rest, own.span[0]
    parts = [rest[:at]]
    for first, end in [*own.pauses, (own.span[1], len(rest))]:
        parts += [stretched(rest[at:first], ratio, own.rate), rest[first:end]]
        at = end
    return _finished(np.concatenate(parts), own)


def background(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """The donor's background in place of the own, as loud as that was.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    noise = shaped_noise(len(own.rest), donor.hertz, donor.background_power, own.floor, own.rate, seed)
    return _finished(own.speech + noise, own)


def noise_floor(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """The own background, as loud as the donor's.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    factor = (donor.floor / donor.level) / (own.floor / own.level)
    if factor <= 1:
        return _finished(own.speech + factor * own.background, own)
    more = np.sqrt(factor**2 - 1) * own.floor
    return _finished(own.rest + shaped_noise(len(own.rest), *_colour(own, donor), more, own.rate, seed), own)


def channel(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """Speech coloured as the donor's background is beside the own: another microphone, the background left alone.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    del seed
    ratio = measures.smoothed_db(donor) - measures.smoothed_db(own)
    gain = np.clip(ratio - ratio.mean(), -_MOST_EQUALISED_DB, _MOST_EQUALISED_DB)
    coloured = _as_loud(_filtered(own.speech, own, own.hertz, gain), own.speech, own)
    return _finished(coloured + own.background, own)


def bandwidth(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """The band that the donor has: cut off where it is, or filled up to there with what is left of the own.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    del seed
    mine, wanted = measures.bandwidth(own), measures.bandwidth(donor)
    hertz = own.hertz
    gain = np.where(hertz > mine["edge"], min(mine["drop"], _MOST_FILLED_DB), 0.0)
    gain = gain - np.where(hertz > wanted["edge"], min(wanted["drop"], _MOST_FILLED_DB), 0.0)
    return _finished(_filtered(own.rest, own, hertz, gain), own)


def clipping(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """As many samples cut off as in the donor: more are clipped, or those that were are drawn anew.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    del seed
    mine, wanted = measures.clipped(own.samples), measures.clipped(donor.samples)
    changed = own.samples
    if mine.mean() > wanted.mean():
        kept = np.flatnonzero(~mine)
        if len(kept) > 1:
            drawn = CubicSpline(kept, changed[kept])(np.flatnonzero(mine))
            top = np.abs(changed).max()
            changed = changed.copy()
            changed[mine] = np.sign(changed[mine]) * np.clip(np.abs(drawn), top, 2 * top)
    share = wanted.mean()
    if share > 0 and len(changed):
        top = np.quantile(np.abs(changed), 1 - share)
        changed = np.clip(changed, -top, top) if top > 0 else changed
    return _as_loud(changed, own.samples, own)


def quantisation(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """Sample values as coarse as the donor's.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    step, wanted = measures.step_of(own.samples), measures.step_of(donor.samples)
    values = np.unique(donor.samples)
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, len(own.samples)) * step if step > wanted else 0.0
    changed = own.samples + noise
    if len(values) <= measures.FEW_VALUES:  # a grid of its own, such as that of the mu-law
        middle = (values[1:] + values[:-1]) / 2
        inside = np.clip(changed, values[0], values[-1])
        beyond = np.round(changed / wanted) * wanted if wanted > 0 else changed
        return np.where(inside == changed, values[np.searchsorted(middle, inside)], beyond)
    return np.round(changed / wanted) * wanted if wanted > 0 else changed


def room(own: Anatomy, donor: Anatomy, seed: int) -> np.ndarray:
    """As reverberant as the donor: a tail is added, or what goes on from what sounded before is damped.

    Parameters
    ----------
    own, donor, seed
        See the head of the module.
    """
    wanted = measures.room(donor)["fall"]
    mine = measures.room(own)["fall"]
    if mine == wanted:
        return own.samples
    make = _reverberated(own, seed) if mine > wanted else _damped(own)
    tried = [own.rest, *(make(strength) for strength in (_TAIL_DB if mine > wanted else _DAMPING))]
    falls = [
        measures.fastest_fall(frame_levels(each, own.frame, own.hop), own.hop / own.rate, own.floor) for each in tried
    ]
    best = tried[int(np.argmin(np.abs(np.array(falls) - wanted)))]
    return _finished(_as_loud(best, own.rest, own), own)


def _reverberated(own: Anatomy, seed: int) -> Callable[[float], np.ndarray]:
    """The rest with a tail of so many dB re the direct sound."""
    t = np.arange(round(_DECAY_SECONDS * own.rate)) / own.rate
    tail = np.random.default_rng(seed).standard_normal(len(t)) * 10 ** (-3 * t / _DECAY_SECONDS)
    tail[: round(0.002 * own.rate)] = 0
    wet = fftconvolve(own.speech, tail / np.sqrt((tail**2).sum()))[: len(own.rest)]
    return lambda tail_db: own.rest + 10 ** (tail_db / 20) * wet


def _damped(own: Anatomy) -> Callable[[float], np.ndarray]:
    """The rest without a share of what sounded 40 ms before (Lebart et al. 2001); the background is left."""
    lag = round(_DAMPED_AFTER * own.rate / own.hop)
    spectrum = own.transform.forth(np.pad(own.speech, (0, max(0, own.frame - len(own.speech)))))
    power = uniform_filter1d(np.abs(spectrum) ** 2, 3, axis=1)
    before = np.pad(power, ((0, 0), (lag, 0)))[:, : power.shape[1]] / np.maximum(power, 1e-30)

    def damped(share: float) -> np.ndarray:
        gain = np.clip(1 - share * before, _LEAST_DAMPED, 1.0)
        speech = own.transform.back(spectrum * gain, max(len(own.rest), own.frame))[: len(own.rest)]
        return speech + own.background

    return damped


def stretched(samples: np.ndarray, ratio: float, rate: float) -> np.ndarray:
    """Speech made longer or shorter at its own pitch, by overlapping similar grains (WSOLA; Verhelst & Roelands 1993).

    Parameters
    ----------
    samples : array (sample,)
    ratio : float
        New length over old.
    rate : float
        Sample rate, Hz.
    """
    half = round(_GRAIN_SECONDS * rate / 2)
    search = round(_SEARCH_SECONDS * rate)
    length = round(len(samples) * ratio)
    if len(samples) < 4 * half or abs(ratio - 1) < 1e-3:
        return samples if abs(ratio - 1) < 1e-3 else np.interp(
            np.linspace(0, len(samples) - 1, max(length, 0)), np.arange(len(samples)), samples)  # fmt: skip
    window = np.hanning(2 * half + 1)[:-1]
    padded = np.pad(samples, (half, 2 * half + search))
    made = np.zeros(length + 3 * half)
    at = 0  # where the grain before was taken, in the padded sound
    for out in range(0, length + half, half):
        wanted = min(round(out / ratio), len(samples))
        if out:
            following = padded[at + half : at + 3 * half]  # what would follow on the grain before
            low = max(0, wanted - search)
            region = padded[low : wanted + search + 2 * half]
            alike = np.correlate(region, following, "valid")
            power = np.cumsum(np.concatenate([[0.0], region**2]))
            size = np.sqrt(np.maximum(power[2 * half :] - power[: -2 * half], 1e-20))
            at = low + int(np.argmax(alike / size)) if len(alike) else wanted
        grain = padded[at : at + 2 * half]
        made[out : out + len(grain)] += grain * window[: len(grain)]
    return made[half : half + length]


def _resized(silence: np.ndarray, length: int, own: Anatomy, seed: int) -> np.ndarray:
    """Silence next to speech cut to a length, or lengthened by more of the background."""
    if length <= len(silence):
        return silence[:length]
    return np.concatenate([silence, own.texture(length - len(silence), seed)])


def _finished(rest: np.ndarray, own: Anatomy) -> np.ndarray:
    """The recording of a changed rest: hum and offset as they were."""
    same = len(rest) == len(own.samples)
    return rest + (own.hum_wave if same else own.hum.wave(len(rest), own.rate)) + own.offset


def _as_loud(changed: np.ndarray, before: np.ndarray, own: Anatomy) -> np.ndarray:
    """A changed sound as loud, from the first to the last speech, as it was before."""
    first, end = own.span
    now, then = (np.sqrt(np.mean(each[first:end] ** 2)) for each in (changed, before))
    return changed * (then / now) if now > 0 else changed


def _colour(own: Anatomy, donor: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """Spectrum of the own background; the donor's where the own is digital silence."""
    of = own if own.background_power.sum() > 0 else donor
    return of.hertz, of.background_power


def _filtered(samples: np.ndarray, own: Anatomy, hertz: np.ndarray, gain_db: np.ndarray) -> np.ndarray:
    """Sound filtered without delay by a gain given at some frequencies."""
    spectrum = np.fft.rfft(samples)
    at = np.fft.rfftfreq(len(samples), 1 / own.rate)
    return np.fft.irfft(spectrum * 10 ** (np.interp(at, hertz, gain_db) / 20), len(samples))
