"""Which pole is which formant: in the middle of a stretch, and from frame to frame along a track."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from phonoscope.phonetics.formants import formants_at
from phonoscope.scales import hz_to_bark

FORMANTS = 4
MIDDLE_SECONDS = np.array([-0.0125, -0.00625, 0.0, 0.00625, 0.0125])  # where the middle of a stretch is measured
_POLES = 5
_LOST_BARK = 1.5  # a formant without a pole costs as much as one that lies this far away
_WIDTH_BARK = 1.0  # what a pole 1000 Hz wide costs more than a sharp one


def _ways() -> np.ndarray:
    """All ways (way, 4) in which rising formants take rising poles; number 5 stands for none."""
    found = []
    for n in range(FORMANTS + 1):
        for some in combinations(range(FORMANTS), n):
            for poles in combinations(range(_POLES), n):
                way = np.full(FORMANTS, _POLES)
                way[list(some)] = poles
                found.append(way)
    return np.array(found)


_WAYS = _ways()


def numbered(frequency: np.ndarray, bandwidth: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each formant the pole that is meant.

    Of all ways to give rising formants rising poles, the one is taken in which the poles lie nearest to where the
    formants are expected, in Bark; wide poles and formants without a pole cost something too.

    Parameters
    ----------
    frequency, bandwidth : array (frame, pole)
        In Hz, rising, NaN where there is none.
    expected : array (frame, 4)
        In Hz; NaN where nothing is known.

    Returns
    -------
    frequency, bandwidth : array (frame, 4)
        In Hz, NaN where no pole was given.
    """
    away = np.abs(hz_to_bark(expected)[:, :, None] - hz_to_bark(frequency)[:, None, :_POLES])
    away = away + _WIDTH_BARK * bandwidth[:, None, :_POLES] / 1000
    cost = np.concatenate([away, np.full((*away.shape[:2], 1), _LOST_BARK)], axis=2)
    cost = np.where(np.isnan(cost), 1e3, cost)
    total = np.stack([cost[:, k, _WAYS[:, k]] for k in range(FORMANTS)]).sum(axis=0)
    way = _WAYS[total.argmin(axis=1)]
    lost = np.full((len(frequency), 1), np.nan)
    pick = [np.take_along_axis(np.hstack([x[:, :_POLES], lost]), way, axis=1) for x in (frequency, bandwidth)]
    return pick[0], pick[1]


def middle_formants(
    arrays: list[np.ndarray], sample_rate: float, middles: np.ndarray, ceiling: float, expected: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """F1 to F4 and their bandwidths in the middle of each sound: medians over 25 ms.

    Parameters
    ----------
    arrays : list of arrays (sample,)
        The sounds.
    sample_rate : float
        In Hz.
    middles : array (sound,)
        Where to look, s.
    ceiling : float
        Highest frequency looked at, Hz.
    expected : array (sound, 4), optional
        Where the formants are expected, Hz; without it, poles are counted from below.

    Returns
    -------
    frequency, bandwidth : array (sound, 4)
        In Hz, NaN where there is none in most frames.
    """
    poles = formants_at(arrays, sample_rate, middles[:, None] + MIDDLE_SECONDS, ceiling=ceiling)
    n_frames = len(MIDDLE_SECONDS)
    flat = [values.reshape(-1, values.shape[-1]) for values in poles]
    near = median(poles[0][:, :, :FORMANTS], 0.0) if expected is None else expected
    for least in (0.0, 0.5) if expected is None else (0.5,):  # recorded poles are counted from below at first
        given = numbered(flat[0], flat[1], np.repeat(near, n_frames, axis=0))
        frequency, bandwidth = (values.reshape(-1, n_frames, FORMANTS) for values in given)
        near = median(frequency, least)
    return near, median(bandwidth, 0.5)


def tracks(
    arrays: list[np.ndarray], sample_rate: float, times: np.ndarray, middles: np.ndarray, ceiling: float
) -> tuple[np.ndarray, np.ndarray]:
    """Tracks of F1 to F4 and their bandwidths, without gaps: from the middle outwards, each frame by its neighbour.

    Parameters
    ----------
    arrays, sample_rate, middles, ceiling
        As in `middle_formants`.
    times : array (frame,)
        Where the tracks are wanted, s.

    Returns
    -------
    frequency, bandwidth : array (sound, frame, 4)
        In Hz; NaN for a formant that is not found in the middle.
    """
    n = len(arrays)
    poles = formants_at(arrays, sample_rate, np.broadcast_to(times, (n, len(times))), ceiling=ceiling)
    frequency = np.full((n, len(times), FORMANTS), np.nan)
    bandwidth = frequency.copy()
    centre = middle_formants(arrays, sample_rate, middles, ceiling, None)
    first = np.abs(times - middles[:, None]).argmin(axis=1)
    sounds = np.arange(n)
    for direction in (1, -1):
        near, wide = centre[0].copy(), centre[1].copy()
        for step in range(len(times)):
            frame = first + direction * step
            here = sounds[(frame >= 0) & (frame < len(times))]
            if not here.size:
                break
            frame = frame[here]
            given = numbered(poles[0][here, frame], poles[1][here, frame], near[here])
            near[here] = np.where(np.isnan(given[0]), near[here], given[0])
            wide[here] = np.where(np.isnan(given[1]), wide[here], given[1])
            frequency[here, frame], bandwidth[here, frame] = near[here], wide[here]
    return frequency, bandwidth


def median(values: np.ndarray, least: float) -> np.ndarray:
    """Median over the second axis where more than a share of the values is there; NaN elsewhere."""
    there = np.isfinite(values)
    enough = there.sum(axis=1) > least * values.shape[1]
    rising = np.sort(np.where(there, values, np.inf), axis=1)
    count = np.maximum(there.sum(axis=1), 1)[:, None]
    low, high = (np.take_along_axis(rising, at, axis=1)[:, 0] for at in ((count - 1) // 2, count // 2))
    return np.where(enough, np.where(enough, low, 0) / 2 + np.where(enough, high, 0) / 2, np.nan)
