"""Continua of stimuli: each changed, measured, corrected a few times, and told apart from those that missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

from phonoscope.errors import AudioError
from phonoscope.manipulate.cue import Asked, Cue, moved, scale_of
from phonoscope.manipulate.registry import CUES, find_cue
from phonoscope.manipulate.sounds import FORMANT_CEILING_HZ, Sounds

ROUNDS = 4  # of correction
CORRECTED = 0.8  # share of the error that a round corrects
GOOD_ENOUGH = 0.03  # of the step: no further round
MISSED = 0.15  # of the step, beside the slack of the cue
LARGEST_COMMAND = 4.0  # times the step
FEWER = 0.7  # of a command after which nothing was found
_SAMPLES_AT_A_TIME = 1 << 19  # of a block of stimuli: its frames stay in the processor's cache


@dataclass(frozen=True)
class Stimuli:
    """Changed sounds, and what was intended and achieved.

    Parameters
    ----------
    sounds
        1-D float32 arrays, token by token, each with its steps in order; with the context that the recorded ones had.
    table
        One row a stimulus: ``token, step`` (as asked), ``intended, achieved, before`` (values of the cue, in
        ``table.attrs["unit"]``), ``limited`` (whether the step stops at the lowest value that makes sense, F0 for F1),
        ``missed``, ``start, end`` (of the stretch in the stimulus, s), and the value of every cue that can be measured
        in any sound.
    sample_rate
        In Hz.
    """

    sounds: list[np.ndarray]
    table: pd.DataFrame
    sample_rate: float

    def without_context(self) -> list[np.ndarray]:
        """The stretch of each stimulus alone."""
        edges = np.round(self.table[["start", "end"]].to_numpy() * self.sample_rate).astype(int)
        return [sound[first:last] for sound, (first, last) in zip(self.sounds, edges, strict=True)]


def stimuli(
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    cue: str | Cue,
    steps: Sequence[float] | None = None,
    *,
    unit: str | None = None,
    to: bool = False,
    context: float = 0.0,
    rounds: int = ROUNDS,
    device: str | torch.device = "cpu",
    **options: Any,
) -> Stimuli:
    """Change one property of each sound in steps.

    Every stimulus is measured; where it is not yet what was intended, the command is corrected, up to `rounds` times.

    Parameters
    ----------
    waveforms : sequence of arrays (sample,)
        One a token, with `context` seconds of the recording on each side.
    sample_rate : float
        In Hz.
    cue : str or Cue
        Which property; see `cues`.
    steps : sequence of float, optional
        How far it is moved, in `unit`; the usual steps of the cue if not given.
    unit : str, optional
        Of the steps: the cue's own (Hz, dB …), or another that it knows (Bark, %, semitones).
    to : bool
        Whether steps are values to reach, in the cue's own unit, not distances.
    context : float
        Seconds before and after each token in its waveform; the change fades there within 10 ms.
    rounds : int
        Corrections at most; 0 leaves the loop open.
    device : str or torch.device
        Where the sounds are made.
    **options
        Of the cue (`cues` lists them), and ``ceiling``: highest frequency at which formants are sought, Hz.

    Returns
    -------
    Stimuli

    Raises
    ------
    AudioError
        If the cue, its unit or an option is not known, a waveform is unfit, or it is not longer than its context.
    """
    lengths = np.array([np.shape(waveform)[-1] / sample_rate if np.ndim(waveform) else 0 for waveform in waveforms])
    if len(lengths) and lengths.min() <= 2 * context:
        worst = int(lengths.argmin())
        raise AudioError(
            f"waveform {worst} lasts {lengths[worst]:.3f} s, not more than its context of 2 x {context:g} s; "
            "pass the context that it has"
        )
    stretch = np.stack([np.full(len(lengths), context), lengths - context], axis=1)
    return make_stimuli(
        waveforms, sample_rate, cue, steps, stretch, unit=unit, to=to, rounds=rounds, device=device, **options
    )


def make_stimuli(
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    cue: str | Cue,
    steps: Sequence[float] | None,
    stretch: np.ndarray,
    *,
    unit: str | None = None,
    to: bool = False,
    rounds: int = ROUNDS,
    **options: Any,
) -> Stimuli:
    """Change one property of a stretch of each sound in steps.

    Parameters
    ----------
    waveforms, sample_rate, cue, steps, unit, to, rounds
        As in `stimuli`.
    stretch
        Start and end of what is changed and measured, s, shape (token, 2).
    **options
        As in `stimuli`, and ``device``.
    """
    chosen = find_cue(cue)
    device, ceiling = options.pop("device", "cpu"), options.pop("ceiling", FORMANT_CEILING_HZ)
    _check_options(chosen, options)
    told = chosen.chosen_unit(unit)
    wanted = np.asarray(chosen.steps if steps is None else steps, dtype=float)
    made: list[tuple[np.ndarray, list[np.ndarray], pd.DataFrame]] = []
    sizes = np.array([len(waveform) for waveform in waveforms])
    for some in _blocks(sizes, len(wanted)):
        recorded = Sounds.of([waveforms[i] for i in some], sample_rate, *stretch[some].T, ceiling, device)
        make = partial(chosen.change, recorded, **options)
        sounds, table = _block(chosen, recorded, make, wanted, told, to, rounds)
        made.append((some, sounds, table.assign(token=some[table["token"]])))
    tables = pd.concat([table for *_, table in made], ignore_index=True)
    order = tables.sort_values("token", kind="stable").index
    flat = [sound for _, sounds, _ in made for sound in sounds]
    table = tables.loc[order].reset_index(drop=True)
    table.attrs |= {"cue": chosen.name, "unit": chosen.unit, "step_unit": told}
    return Stimuli([flat[i] for i in order], table, sample_rate)


def _block(
    cue: Cue, recorded: Sounds, make: Any, steps: np.ndarray, unit: str, to: bool, rounds: int
) -> tuple[list[np.ndarray], pd.DataFrame]:
    of = np.repeat(np.arange(len(recorded)), len(steps))
    step = np.tile(steps, len(recorded))
    before = cue.measure(recorded)[of]
    asked = step if to or cue.absolute else moved(before, step, unit)
    intended = asked if cue.lowest is None else np.fmax(asked, np.minimum(cue.lowest(recorded)[of], before))
    scale = scale_of(unit)
    size = np.nan_to_num(np.abs(intended - before))
    # Where the cue cannot be measured nothing is changed: the sound stays, and counts as missed.
    lacking = np.isnan(before) & (not cue.absolute)
    command = np.where(lacking, np.nan, intended)
    best = make(Asked(of, before, command, scale))
    if lacking.any():
        still = np.flatnonzero(lacking)
        best = best.with_sounds(still, recorded[of[still]])
    achieved = cue.measure(best)
    latest = achieved.copy()
    for _ in range(rounds):
        error = intended - achieved
        lost, known = np.isnan(error), np.isfinite(before)
        again = np.flatnonzero(known & (lost | (np.abs(error) > np.maximum(GOOD_ENOUGH * size, cue.slack / 10))))
        if not again.size:
            break
        command[again] = corrected(command, before, latest, intended)[again]
        trial = make(Asked(of[again], before[again], command[again], scale))
        latest[again] = found = cue.measure(trial)
        better = np.isfinite(found) & ~(np.abs(intended[again] - found) >= np.abs(error[again]))
        best = best.with_sounds(again[better], trial[np.flatnonzero(better)])
        achieved[again[better]] = found[better]
    table = pd.DataFrame({"token": of, "step": step, "intended": intended, "achieved": achieved, "before": before})
    table["limited"] = intended > asked
    table["missed"] = ~(np.abs(achieved - intended) <= MISSED * size + cue.slack)
    table["start"], table["end"] = best.start, best.end
    for name, other in CUES.items():
        if other.measured:
            table[name] = other.measure(best)
    return best.arrays, table


def corrected(command: np.ndarray, before: np.ndarray, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Command of the next round; what could not be measured was moved too far, and is moved less until it is found.

    Parameters
    ----------
    command, before
        Last command, and value in the recorded sound.
    found
        Value that was measured after the last command; NaN where there was none.
    wanted
        Value to reach; NaN for what is not moved. All have one shape.
    """
    most = LARGEST_COMMAND * np.nan_to_num(np.abs(wanted - before))
    away = command - before
    away = np.where(np.isnan(found), FEWER * away, away + CORRECTED * (wanted - found))
    return before + np.clip(away, -most, most)


def _blocks(sizes: np.ndarray, n_steps: int) -> list[np.ndarray]:
    """Tokens of like length together, so that a block of stimuli is neither large nor mostly padding."""
    order, blocks, first = np.argsort(sizes, kind="stable"), [], 0
    while first < len(order):
        last = first + 1
        while last < len(order) and (last + 1 - first) * n_steps * sizes[order[last]] <= _SAMPLES_AT_A_TIME:
            last += 1
        blocks.append(order[first:last])
        first = last
    return blocks


def _check_options(cue: Cue, options: dict[str, Any]) -> None:
    unknown = set(options) - set(cue.options)
    if unknown:
        has = f"its options: {', '.join(cue.options)}" if cue.options else "it has none"
        raise AudioError(f"{cue.name} has no option {', '.join(sorted(unknown))}; {has}")


def manipulate(
    waveform: np.ndarray,
    sample_rate: float,
    cue: str | Cue,
    *,
    by: float | None = None,
    to: float | np.ndarray | None = None,
    unit: str | None = None,
    stretch: tuple[float, float] | None = None,
    **options: Any,
) -> xr.DataArray:
    """Change one property of a sound and leave the rest.

    Parameters
    ----------
    waveform : array (sample,)
        Mono sound.
    sample_rate : float
        In Hz.
    cue : str or Cue
        Which property; see `cues`.
    by : float
        How far it is moved, in `unit`.
    to : float or array (point, 2)
        Instead of `by`: the value to reach, in the cue's own unit; for formants also times (s) and values of a
        trajectory.
    unit : str, optional
        Of `by`: the cue's own (Hz, dB …), or another that it knows (Bark, %, semitones).
    stretch : (start, end), optional
        What is changed, and measured, s; the whole sound if not given.
    **options
        Of the cue, and those of `stimuli` (``ceiling``, ``rounds``, ``device``).

    Returns
    -------
    DataArray (time,)
        Float32, `time` in s; ``attrs``: ``cue, unit, before, intended, achieved`` (NaN where nothing can be measured),
        ``missed``, ``after`` (every measured property), ``crosstalk`` (relative change of the others), ``sample_rate``.

    Raises
    ------
    AudioError
        If the cue, its unit or an option is not known, or neither or both of `by` and `to` are given.
    """
    if (by is None) == (to is None):
        raise AudioError("give either by= (how far) or to= (which value)")
    edges = (0.0, len(waveform) / sample_rate) if stretch is None else stretch
    if not 0 <= edges[0] < edges[1] <= len(waveform) / sample_rate + 1e-9:
        raise AudioError(
            f"found the stretch {edges} in a sound of {len(waveform) / sample_rate:.3f} s; expected a part of it"
        )
    value = by if by is not None else 0.0
    if to is not None:
        points = np.asarray(to, dtype=float)
        value = float(points) if points.ndim == 0 else float(np.interp(np.mean(edges), *points.T))
        if points.ndim:
            options["trajectory"] = points
    made = make_stimuli(
        [waveform], sample_rate, cue, [value], np.array([edges]), unit=unit, to=to is not None, **options
    )
    row = made.table.iloc[0]
    chosen = find_cue(cue)
    recorded = Sounds.of([waveform], sample_rate, *np.array([edges]).T, options.get("ceiling", FORMANT_CEILING_HZ))
    properties = {name: float(other.measure(recorded)[0]) for name, other in CUES.items() if other.measured}
    after = {name: float(row[name]) for name in properties}
    told = {name: float(row[name]) for name in ("intended", "achieved", "before")}
    others = {name: after[name] / old - 1 if old else np.nan for name, old in properties.items() if name != chosen.name}
    attrs = {"cue": chosen.name, "unit": chosen.unit, **told, "missed": bool(row["missed"]), "after": after}
    time = (np.arange(len(made.sounds[0])) + 0.5) / sample_rate
    return xr.DataArray(
        made.sounds[0],
        {"time": ("time", time, {"units": "s"})},
        ("time",),
        attrs=attrs | {"crosstalk": others, "sample_rate": sample_rate},
    )
