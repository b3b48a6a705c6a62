"""How much of each token another speaker of the same recording speaks through."""

import numpy as np

from phonoscope.corpora.collect import Collected


def several_speakers(collected: Collected) -> bool:
    """Whether any recording has the phones of more than one speaker."""
    return len(set(collected.recording)) < len(collected.recording)


def overlaps(collected: Collected, silent: np.ndarray) -> np.ndarray:
    """Share of each interval's time in which another tier of its recording has a phone.

    Parameters
    ----------
    collected : Collected
        All intervals.
    silent : ndarray of bool, shape (interval,)
        Which intervals are silence or noise: they overlap nothing.

    Returns
    -------
    ndarray, shape (interval,)
        From 0 to 1; 0 where the recording has one tier of phones.
    """
    starts, ends = np.frombuffer(collected.start), np.frombuffer(collected.end)
    shares = np.zeros(len(starts))
    limits = [*collected.first, len(starts)]
    tiers_of: dict[str, list[slice]] = {}
    for tier, name in enumerate(collected.recording):
        tiers_of.setdefault(name, []).append(slice(limits[tier], limits[tier + 1]))
    for tiers in tiers_of.values():
        for own in tiers if len(tiers) > 1 else []:
            others = np.concatenate([np.arange(t.start, t.stop) for t in tiers if t != own])
            others = others[~silent[others]]
            edges, spoken = _spoken(starts[others], ends[others])
            heard = np.interp(ends[own], edges, spoken) - np.interp(starts[own], edges, spoken)
            duration = ends[own] - starts[own]
            shares[own] = np.divide(heard, duration, out=np.zeros_like(heard), where=duration > 0)
    # Boundaries are decimal fractions: the end of one phone and the start of the next differ in the last digit.
    return np.where(shares < 1e-6, 0.0, np.clip(shares, 0.0, 1.0))


def _spoken(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Time spoken until each of the times at which speech begins or ends, s; overlapping intervals are one."""
    if not len(starts):
        return np.zeros(1), np.zeros(1)
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    begins = np.r_[True, starts[1:] > ends[:-1]]
    starts, ends = starts[begins], ends[np.r_[np.flatnonzero(begins)[1:] - 1, len(ends) - 1]]
    edges = np.column_stack([starts, ends]).ravel()
    lengths = np.column_stack([np.zeros(len(starts)), ends - starts]).ravel()
    return edges, np.cumsum(lengths)
