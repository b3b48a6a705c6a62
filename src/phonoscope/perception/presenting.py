"""The stimuli of an identification experiment: tokens moved along each cue, and the shams that stand beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.errors import PerceptionError
from phonoscope.manipulate import CUES, Cue, Sounds, Stimuli, find_cue, stimuli
from phonoscope.manipulate.continua import MISSED
from phonoscope.perception.shams import PATTERNS, Pictures, sham_sounds

TOKEN_COLUMNS = ("token", "class", "speaker", "recording")


@dataclass(frozen=True)
class Continuum:
    """Along which cue tokens are moved.

    Parameters
    ----------
    cue
        Name of a manipulation, see `phonoscope.manipulate.cues`.
    steps
        How far, in ``unit``; the cue's usual steps if empty.
    unit
        Of the steps; the cue's usual one if empty.
    """

    cue: str
    steps: tuple[float, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Presented:
    """Stimuli, ready to be asked about.

    Parameters
    ----------
    table
        One row a stimulus, as of `phonoscope.perception.trials.Trials`; shams also have ``pattern`` (missing for
        others), and ``sham`` says which rows they are.
    sounds
        The tokens alone, without context: 1-D float32 arrays.
    """

    table: pd.DataFrame
    sounds: list[np.ndarray]


def present(
    tokens: pd.DataFrame,
    waveforms: Sequence[np.ndarray],
    sample_rate: int,
    continua: Sequence[Continuum],
    *,
    context: float,
    pictures: Pictures | None = None,
    device: str = "cpu",
    **options: Any,
) -> Presented:
    """Make the stimuli of every continuum, and their shams.

    Parameters
    ----------
    tokens
        With ``token, class, speaker, recording``.
    waveforms
        One a token, with ``context`` seconds on either side.
    sample_rate
        In Hz.
    continua
        Cues and steps.
    context
        In s.
    pictures
        From sounds to the network's pictures (sound, cell), by which shams are made equally large; without it there
        are none.
    device
        Where sounds are made.
    **options
        As of `phonoscope.manipulate.stimuli`: ``ceiling``, ``rounds``.

    Raises
    ------
    PerceptionError
        If there is no token, or a continuum has fewer than two steps.
    AudioError
        If a cue, its unit or a waveform is unfit.
    """
    if not len(tokens):
        raise PerceptionError("there is no token to change")
    known = tokens.reindex(columns=[name for name in TOKEN_COLUMNS if name in tokens]).reset_index(drop=True)
    tables, sounds = [], []
    for continuum in continua:
        cue = find_cue(continuum.cue)
        steps = continuum.steps or cue.steps
        if len(set(steps)) < 2:
            raise PerceptionError(f"{continuum.cue} is moved by {list(steps)} only; a continuum has at least two steps")
        made = stimuli(
            waveforms, sample_rate, cue, steps, unit=continuum.unit or None, context=context, device=device, **options
        )
        table = pd.concat(
            [known.iloc[made.table["token"]].reset_index(drop=True), made.table.drop(columns="token")], axis=1
        )
        told = {"cue": cue.name, "unit": cue.unit, "step_unit": made.table.attrs["step_unit"]}
        table = table.assign(**told, sham=False, pattern=np.nan)
        tables.append(table)
        sounds += made.without_context()
        if pictures is not None:
            shams, heard = _shams(cue, made, waveforms, context, pictures, device)
            tables.append(table.loc[shams.index].assign(sham=True, **shams))
            sounds += heard
    return Presented(pd.concat(tables, ignore_index=True), sounds)


def _shams(
    cue: Cue, made: Stimuli, waveforms: Sequence[np.ndarray], context: float, pictures: Pictures, device: str
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """A sham of each stimulus that is what was asked for: all of a token have one pattern, lower steps its inverse.

    One that moves the cue after all, by more than a stimulus may miss its aim, has ``missed``. Where nothing was moved
    the stimulus is its own sham.
    """
    rows = made.table[~made.table["missed"]]
    heard = dict(zip(made.table.index, made.without_context(), strict=True))
    measured = [name for name, other in CUES.items() if other.measured]
    told = rows[measured].assign(pattern=rows["token"] % PATTERNS, missed=False)
    rows = rows[(rows["step"] != 0) | cue.absolute]
    if rows.empty:
        return told, [heard[i] for i in told.index]
    of = rows["token"].to_numpy()
    edge = round(context * made.sample_rate)

    def alone(sounds: Sequence[np.ndarray]) -> np.ndarray:
        return pictures([sound[edge : len(sound) - edge] for sound in sounds])

    ends = np.array([len(waveform) / made.sample_rate - context for waveform in waveforms])
    recorded = Sounds.of(waveforms, made.sample_rate, np.full(len(waveforms), context), ends, device=device)
    before = alone(waveforms)[of]
    sizes = np.sqrt(np.square(pictures([heard[i] for i in rows.index]) - before).mean(axis=1))
    up = np.where(rows["step"] >= 0, 1, -1)
    shams, _ = sham_sounds(recorded, of, sizes, up, of % PATTERNS, alone, before)
    away = np.abs(cue.measure(shams) - rows["before"].to_numpy())
    aim = np.abs((rows["intended"] - rows["before"]).to_numpy())
    told.loc[rows.index, measured] = np.stack([CUES[name].measure(shams) for name in measured], axis=1)
    told.loc[rows.index, "missed"] = ~(away <= MISSED * aim + cue.slack)
    heard |= zip(rows.index, (sham[edge : len(sham) - edge] for sham in shams.arrays), strict=True)
    return told, [heard[i] for i in told.index]
