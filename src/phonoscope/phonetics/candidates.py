"""Formants of tokens as one ceiling, or each of a ladder, gives them; and which of the ladder to believe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phonoscope.phonetics.ceilings import (
    LADDER_HZ,
    PER_SPEAKER,
    FormantSettings,
    speaker_ceilings,
)
from phonoscope.phonetics.corrections import BY_PERSON, as_corrected
from phonoscope.phonetics.formants import formant_columns, formants_at, mono, positions_in_seconds
from phonoscope.phonetics.pitch import token_pitch

_GRID = tuple(np.linspace(0.1, 0.9, 13))  # of the token, where tracks are judged
_COSINES = 3  # constant, slope and bend of a smooth track
_JUDGED = 3  # F1 to F3
_LEAST_ROUGHNESS = 0.01  # of log frequency: below it tracks are equally smooth
_TOKENS_AT_ONCE = 256
WRITTEN = ("ceiling", "ceiling_from", "formants_below")


def candidate_formants(
    tokens: pd.DataFrame,
    sounds: Sequence[np.ndarray],
    rates: np.ndarray,
    context_seconds: float,
    settings: FormantSettings,
    *,
    tops: np.ndarray | None = None,
    corrected: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Measure tokens with each ceiling that comes into question: one, or those of a ladder.

    Parameters
    ----------
    tokens
        Token table, with ``token`` and what is known of the speakers.
    sounds : sequence of arrays (sample,)
        One a token, with context.
    rates : array (token,)
        Rate of each sound, Hz.
    context_seconds
        Sound before and after each token.
    settings
        What was set.
    tops : array (token,), optional
        Highest frequency that each recording holds, Hz, if not half the rate of its sound.
    corrected
        Corrected values, by token, as `read_corrections` gives them.

    Returns
    -------
    DataFrame
        One row a token and candidate, in the order of the tokens: ``token``, ``candidate`` (from 1), the values at the
        positions as `token_formants` names them, ``ceiling`` (Hz, used), ``ceiling_from`` (where it comes from),
        ``formants_below`` (how many were sought below it) and ``cost`` (see `track_cost`; NaN where there is one
        candidate).
    """
    tops = rates / 2 if tops is None else np.minimum(tops, rates / 2)
    plan = _plan(tokens, tops, settings, corrected)
    parts = []
    for first in range(0, len(tokens), _TOKENS_AT_ONCE):
        some = plan[(plan["at"] >= first) & (plan["at"] < first + _TOKENS_AT_ONCE)]
        for rate in np.unique(rates[first : first + _TOKENS_AT_ONCE]):
            rows = some[rates[some["at"]] == rate]
            parts.append(_measured(rows, sounds, float(rate), context_seconds, settings))
    if not parts:
        return pd.DataFrame(columns=["token", "candidate"])
    table = pd.concat(parts, ignore_index=True).sort_values(["at", "candidate"], ignore_index=True)
    table.insert(0, "token", tokens["token"].to_numpy()[table.pop("at").to_numpy()])
    return table


def _plan(
    tokens: pd.DataFrame, tops: np.ndarray, settings: FormantSettings, corrected: pd.DataFrame | None
) -> pd.DataFrame:
    """Rows of token (``at``), candidate, ceiling, its source, and the number of formants below it."""
    known, sources = speaker_ceilings(tokens, settings)
    by_hand, hands = np.full(len(tokens), np.nan), np.full(len(tokens), "", dtype=object)
    counts = np.full(len(tokens), settings.formants)
    if corrected is not None and "ceiling" in corrected:
        of_tokens = corrected.reindex(tokens["token"])
        by_hand, hands = of_tokens["ceiling"].to_numpy(dtype=np.float64), of_tokens["ceiling_from"].to_numpy()
        if "formants_below" in corrected:
            counts = of_tokens["formants_below"].fillna(settings.formants).to_numpy(dtype=int)
    rows: list[tuple[int, int, float, str, int]] = []
    for at, top in enumerate(tops):
        rungs = [hertz for hertz in LADDER_HZ if hertz <= top] if settings.on_a_ladder else []
        several = len(rungs) > 1
        ladder = [(hertz, "ladder", settings.formants) for hertz in rungs] if several else []
        if np.isfinite(by_hand[at]):
            by_person = _below(float(by_hand[at]), float(top), int(counts[at]), str(hands[at]))
            place = rungs.index(by_person[0]) if several and by_person[0] in rungs else len(ladder)
            ladder[place : place + 1] = [by_person]
        elif not several:
            ladder = [_below(known[at], float(top), settings.formants, str(sources[at]))]
        rows += [(at, number, *each) for number, each in enumerate(ladder, 1)]
    return pd.DataFrame(rows, columns=["at", "candidate", *WRITTEN])


def _below(ceiling: float, top: float, formants: int, source: str) -> tuple[float, str, int]:
    """A ceiling that the recording reaches, with as many formants as are expected below it."""
    if ceiling <= top:
        return ceiling, source, formants
    return top, f"{source}, cut to the recording", max(2, round(formants * top / ceiling))


def _measured(
    rows: pd.DataFrame, sounds: Sequence[np.ndarray], rate: float, context: float, settings: FormantSettings
) -> pd.DataFrame:
    """Measure planned rows whose sounds have one rate."""
    context = round(context * rate) / rate  # whole samples were cut
    ats = rows["at"].unique()
    heard = {at: mono(sounds[at], f"the sound of token {at}") for at in ats}
    n_positions = len(settings.positions)
    judged = _GRID if settings.on_a_ladder else ()
    middles = positions_in_seconds(list(heard.values()), rate, (*settings.positions, *judged), context)
    times = dict(zip(ats, middles, strict=True))
    f0 = dict(zip(ats, token_pitch(list(heard.values()), rate, middles[:, :n_positions]), strict=True))
    parts = []
    for count, some in rows.groupby("formants_below", sort=False):
        at = some["at"].to_numpy()
        frequency, bandwidth = formants_at(
            [heard[each] for each in at],
            rate,
            np.stack([times[each] for each in at]),
            ceiling=some["ceiling"].to_numpy(),
            n_formants=int(count),  # ty: ignore[invalid-argument-type]
        )
        pitch = np.stack([f0[each] for each in at])
        table = formant_columns(frequency[:, :n_positions], bandwidth[:, :n_positions], pitch, settings.positions)
        cost = np.full(len(some), np.nan)
        if judged:
            cost = track_cost(frequency[:, n_positions:], bandwidth[:, n_positions:])
        parts.append(pd.concat([some.reset_index(drop=True), table], axis=1).assign(cost=cost))
    found = pd.concat(parts, ignore_index=True)
    values = [name for name in found.columns if name not in (*WRITTEN, "cost")]
    return found[[*values, *WRITTEN, "cost"]]


def track_cost(frequency: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """How little tracks of F1 to F3 look like those of a vocal tract: rough, wide, or with holes.

    The log frequency of each formant is fitted by three cosines over time, as in Fast Track (Barreda 2021); r is the
    sum over formants of the residual's standard deviation. The cost is ``ln(r + 0.01)`` plus the mean over formants of
    the log median bandwidth, since a pole that is not there is wide (Weenink's FormantPath in Praat weighs by bandwidth
    too), plus the share of frames without a formant. Less is better; differences are what counts.

    Parameters
    ----------
    frequency, bandwidth : array (track, time, formant)
        In Hz, NaN where missing; at equal steps.

    Returns
    -------
    array (track,)
        NaN where a formant is never found.
    """
    hertz, wide = frequency[..., :_JUDGED], bandwidth[..., :_JUDGED]
    n_times = hertz.shape[1]
    turns = np.linspace(0, np.pi, n_times)
    shapes = np.cos(turns[:, None] * np.arange(_COSINES))
    rest = np.eye(n_times) - shapes @ np.linalg.pinv(shapes)
    missing = np.isnan(hertz)
    never = np.any(missing.all(axis=1), axis=1).reshape(-1, 1, 1)
    filled = np.where(never, 1.0, hertz)
    gap = np.isnan(filled)
    centre = np.sum(np.log(np.where(gap, 1.0, filled)), axis=1, keepdims=True) / np.maximum(
        (~gap).sum(axis=1, keepdims=True), 1
    )
    log = np.where(gap, centre, np.log(np.where(gap, 1.0, filled)))
    rough = np.sqrt(np.mean(np.square(np.einsum("ij,tjk->tik", rest, log)), axis=1)).sum(axis=1)
    narrow = np.log(np.nanmedian(np.where(never, 1.0, wide), axis=1)).mean(axis=1)
    cost = np.log(rough + _LEAST_ROUGHNESS) + narrow + missing.mean(axis=(1, 2)) * _JUDGED
    return np.where(never.ravel(), np.nan, cost)


def choose(candidates: pd.DataFrame, settings: FormantSettings) -> np.ndarray:
    """Which candidates are proposed: the least cost of each token, or on average of each speaker's tokens.

    Parameters
    ----------
    candidates
        From `candidate_formants`, with ``speaker`` where one ceiling a speaker is wanted; tokens without a speaker are
        judged by themselves.
    settings
        What was set.

    Returns
    -------
    array of bool
        By row; one True a token.
    """
    cost = candidates["cost"].fillna(np.inf)
    # A ceiling that only a person thought of competes with none.
    several = candidates.groupby("token", sort=False)["token"].transform("size") > 1
    cost[several & ~candidates["ceiling"].isin(LADDER_HZ)] = np.inf
    if settings.ceiling == PER_SPEAKER and "speaker" in candidates:
        judged = candidates[candidates["speaker"].notna()]
        # The mean over a speaker's tokens; one whose F1 to F3 are never all found counts as the worst.
        bounded = judged["cost"].fillna(judged["cost"].max())
        rungs = bounded.groupby([judged["speaker"], judged["ceiling"]])
        mean, count = rungs.transform("mean"), rungs.transform("size")
        # Ceilings that only some of the speaker's recordings reach cannot be compared with the others.
        most = count.groupby(judged["speaker"]).transform("max")
        cost[judged.index] = mean.where(count == most, np.inf)
    best = cost.groupby(candidates["token"], sort=False).idxmin()
    return candidates.index.isin(best)


def settled(
    candidates: pd.DataFrame, settings: FormantSettings, corrected: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The formant table, and beside it all candidates where there are several.

    Parameters
    ----------
    candidates
        From `candidate_formants`; more columns that describe the token may stand beside.
    settings
        What was set.
    corrected
        From `read_corrections`.

    Returns
    -------
    table
        One row a token; with ``corrected`` where there are corrections: the columns whose value a person gave.
    candidates
        All rows, with ``chosen`` and ``proposed`` (1 or 0; a person changes the first); None without a ladder.
    """
    ladder = settings.on_a_ladder
    proposed = choose(candidates, settings) if len(candidates) else np.zeros(0, dtype=bool)
    by_person = candidates["ceiling_from"].str.startswith(BY_PERSON).to_numpy(dtype=bool)
    decided = by_person if not by_person.any() else candidates["token"].isin(candidates["token"][by_person]).to_numpy()
    taken = np.where(decided, by_person, proposed)
    table = candidates[taken].reset_index(drop=True)
    table = table.drop(columns=["candidate"] if ladder else ["candidate", "cost"], errors="ignore")
    if corrected is not None:
        table = as_corrected(table, corrected)
    if not ladder:
        return table, None
    every = candidates.copy()
    place = list(every.columns).index("candidate") + 1
    every.insert(place, "chosen", taken.astype(int))
    every.insert(place + 1, "proposed", proposed.astype(int))
    every.insert(place + 2, "cost", every.pop("cost"))
    every.insert(place + 2, "ceiling", every.pop("ceiling"))
    return table, every
