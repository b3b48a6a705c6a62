"""Splitting tokens into training, validation and test without leaks: by speaker or recording, by token only by name.

Copies of one recording under two names stay on one side, whatever is split by.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phonoscope.audio import SOUND_HASH
from phonoscope.errors import ExperimentError

PARTS = ("train", "validation", "test")
SPLIT_BY = ("auto", "speaker", "recording", "token")
_ENOUGH_SPEAKERS = 5
# From here on a tenth of the speakers is at least one of them.
_MANY_SPEAKERS = 10


def split_unit(tokens: pd.DataFrame, by: str = "auto") -> str:
    """Return the column that a split keeps together: ``speaker``, ``recording`` or ``token``.

    ``auto`` takes speakers when there are at least five (those that share a recording count as one), else recordings.

    Raises
    ------
    ExperimentError
        If ``by`` is not known, or tokens have no speaker although a split by speaker was asked for.
    """
    if by not in SPLIT_BY:
        raise ExperimentError(f"cannot split by {by!r}; choose one of {', '.join(SPLIT_BY)}")
    if by == "auto":
        complete = bool(tokens["speaker"].notna().all())
        return "speaker" if complete and count_groups(tokens, "speaker") >= _ENOUGH_SPEAKERS else "recording"
    if by == "speaker" and bool(tokens["speaker"].isna().any()):
        raise ExperimentError(
            f"{int(tokens['speaker'].isna().sum())} tokens have no speaker, so they cannot be split by speaker. "
            "Give a CSV with --speakers, or split by recording"
        )
    return by


def split_tokens(
    tokens: pd.DataFrame,
    *,
    by: str = "auto",
    shares: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> pd.Series:
    """Assign each token to ``train``, ``validation`` or ``test``.

    Units (speakers, recordings or tokens) are shuffled and dealt one by one to the part that is furthest below its
    share of the tokens, class by class, so that classes stay represented.

    Parameters
    ----------
    tokens
        Token table with ``speaker``, ``recording`` and ``label``; with ``audio_sha256``, copies stay together too.
    by
        What is kept together: ``auto``, ``speaker``, ``recording`` or ``token`` (see ``split_unit``).
    shares
        Shares of train, validation and test; they are scaled to sum to 1.
    seed
        Of the shuffle.

    Returns
    -------
    Series of str
        Named ``split``, indexed as ``tokens``.
    """
    unit = split_unit(tokens, by)
    if len(shares) != len(PARTS) or min(shares) < 0 or shares[0] <= 0:
        raise ExperimentError(f"shares are {list(shares)}; give those of {', '.join(PARTS)}, e.g. 0.7, 0.1 and 0.2")
    parts = deal(tokens, unit, np.asarray(shares, dtype=float), np.random.default_rng(seed))
    return pd.Series(np.asarray(PARTS, dtype=object)[parts], index=tokens.index, name="split")


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation: positions of the tokens of each part, int arrays."""

    index: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def folds(
    tokens: pd.DataFrame, count: int | str, *, by: str = "auto", validation: float = 0.1, seed: int = 0
) -> Iterator[Fold]:
    """Cross-validation in which every token is tested once by a network that never met its speaker or recording.

    Parameters
    ----------
    tokens, by, seed
        As for ``split_tokens``.
    count
        Number of folds, or ``"each"``: one fold a unit (leave one speaker, or one recording, out).
    validation
        Share of the training tokens kept for model choice: whole speakers or recordings, as for the test. With fewer
        than ten speakers a whole one would be too dear: then recordings of the training speakers choose the epoch
        (the test speaker is still met by nobody).
    """
    unit = split_unit(tokens, by)
    random = np.random.default_rng(seed)
    groups = groups_of(tokens, unit)
    n_groups = int(groups.max()) + 1
    total = n_groups if count == "each" else int(count)
    inner_unit = "recording" if unit == "speaker" and n_groups < _MANY_SPEAKERS else unit
    # Each fold needs one unit to test, and others to train and to choose the epoch.
    others = 1 if inner_unit != unit else 2
    if total < 2 or total > n_groups or n_groups - math.ceil(n_groups / total) < others:
        raise ExperimentError(
            f"{total} folds cannot be made of {_counted(n_groups, tokens, unit)}: each needs one to test and {others} "
            "more. Use more data, or split by token (--split-by token)"
        )
    part = groups if count == "each" else deal(tokens, unit, np.full(total, 1 / total), random)
    for index in range(total):
        rest = np.flatnonzero(part != index)
        inner = deal(tokens.iloc[rest], inner_unit, np.array([1 - validation, validation]), random)
        yield Fold(index, rest[inner == 0], rest[inner == 1], np.flatnonzero(part == index))


def deal(tokens: pd.DataFrame, unit: str, shares: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Deal whole units to parts so that each part gets its share of the tokens of every class; returns part numbers.

    Parameters
    ----------
    tokens
        Token table.
    unit
        Column whose values stay together; with ``audio_sha256`` among the columns, copies do too (see ``groups_of``).
    shares
        Of the parts, of any sum; float array.
    random
        Source of the shuffle.
    """
    shares = shares / shares.sum()
    groups = groups_of(tokens, unit)
    classes, names = pd.factorize(tokens["label"], sort=True)
    n_groups = int(groups.max()) + 1
    table = np.bincount(groups * len(names) + classes, minlength=n_groups * len(names)).reshape(n_groups, -1)
    table = table / table.sum(axis=0)
    filled = np.zeros((len(shares), len(names)))
    part_of = np.empty(n_groups, dtype=int)
    # Large units first, so that small ones can even out what is left; by powers of two, so that the shuffle decides
    # among units of like size: sorted exactly, every seed would give the same parts.
    order = random.permutation(n_groups)
    size = np.floor(np.log2(table[order].sum(axis=1)))
    order = order[np.argsort(-size, kind="stable")] if unit != "token" else order
    empty = {part for part in range(len(shares)) if shares[part] > 0}
    if n_groups < len(empty):
        raise ExperimentError(
            f"{_counted(n_groups, tokens, unit)} cannot be dealt to {len(empty)} parts. Use more data, fewer folds, or "
            "split by token"
        )
    for done, group in enumerate(order):
        cost = [_misfit(filled, table[group], shares, part) for part in range(len(shares))]
        if n_groups - done <= len(empty):  # the last ones go to parts that have none
            cost = [value if part in empty else math.inf for part, value in enumerate(cost)]
        part_of[group] = int(np.argmin(cost))
        filled[part_of[group]] += table[group]
        empty.discard(int(part_of[group]))
    return part_of[groups]


def groups_of(tokens: pd.DataFrame, unit: str) -> np.ndarray:
    """Number of the group that each token must stay in: its unit, joined with every unit that holds a copy of it.

    A recording that stands under two names, or under two speakers, has the same samples: what it links stays on one
    side of every split. Nothing is left out, because nobody knows which of the names is right.

    Parameters
    ----------
    tokens
        Token table; without ``audio_sha256`` no copies are known.
    unit
        ``speaker``, ``recording``, ``token`` or another column. Copies of single tokens are the same stretch of the
        same sound.

    Returns
    -------
    ndarray of int, shape (token,)
        From 0 without gaps, in the order of the units' names.
    """
    units = pd.factorize(tokens[unit], sort=True)[0]
    if SOUND_HASH not in tokens:
        return units
    sounds = pd.Series(tokens[SOUND_HASH].to_numpy(dtype=object))
    if unit == "token":
        stretch = [f" {start:.6f}-{end:.6f}" for start, end in zip(tokens["start"], tokens["end"], strict=True)]
        sounds = sounds.where(sounds.isna(), sounds.astype(str) + pd.Series(stretch, dtype=object))
    joined = joined_units(pd.Series(units), sounds)
    # Numbered by their first unit: the order of the rows must not matter.
    first = np.full(joined.max() + 1, len(units))
    np.minimum.at(first, joined, units)
    return pd.factorize(first[joined], sort=True)[0]


def count_groups(tokens: pd.DataFrame, unit: str) -> int:
    """How many groups of tokens can be dealt to parts; see ``groups_of``."""
    return int(groups_of(tokens[tokens[unit].notna()], unit).max(initial=-1)) + 1


def joined_units(units: pd.Series, hashes: pd.Series) -> np.ndarray:
    """Numbers of the smallest groups that keep whole units together, and identical sounds too, whoever they are of.

    Parameters
    ----------
    units, hashes
        One value a row. A missing hash is nobody's copy.

    Returns
    -------
    ndarray of int, shape (row,)
        From 0, in the order in which the groups first appear.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = pd.factorize(units)[0], pd.factorize(hashes)[0]
    size, known = int(first.max()) + 1, second >= 0
    total = size + int(second.max()) + 1
    links = coo_array((np.ones(known.sum()), (first[known], size + second[known])), shape=(total, total))
    return connected_components(links, directed=False)[1][first]


def copied_recordings(tokens: pd.DataFrame) -> int:
    """How many recordings hold the same samples as one before them in the table."""
    if SOUND_HASH not in tokens:
        return 0
    sounds = tokens[["corpus", "recording", SOUND_HASH]].dropna(subset=SOUND_HASH).drop_duplicates()
    return len(sounds[sounds[SOUND_HASH].duplicated()].drop_duplicates(["corpus", "recording"]))


def _counted(n_groups: int, tokens: pd.DataFrame, unit: str) -> str:
    """How many units there are, for messages."""
    copies = n_groups < tokens[unit].nunique()
    return f"{n_groups} {unit}s{' (those that share the same recording counted once)' if copies else ''}"


def _misfit(filled: np.ndarray, added: np.ndarray, shares: np.ndarray, part: int) -> float:
    """Squared distance of all parts from their shares, relative to the shares, if the unit went to ``part``."""
    trial = filled.copy()
    trial[part] += added
    total = trial.sum(axis=0)
    return float((((trial - shares[:, None] * total) ** 2) / np.maximum(shares[:, None], 1e-9)).sum())
