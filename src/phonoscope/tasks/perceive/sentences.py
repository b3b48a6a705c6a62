"""What a perception experiment says in words: one sentence a cue, with its number, its interval and its doubt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phonoscope.judgement.claims import CONTRADICTED, SUPPORTED
from phonoscope.report.labels import class_name

_NOTICED = 0.1  # a share that grows by less is no turn
_NAMES = {
    "f0": "F0", "duration": "duration", "level": "level", "tilt": "spectral tilt", "tract": "vocal-tract length",
    "high_band": "the energy above 4 kHz", "voicing_bar": "the voicing bar", "centre": "the centre of gravity",
    "noise": "the signal-to-noise ratio", "hnr": "breathiness", "vot": "voice onset time",
    "silence": "silence at the edges",
}  # fmt: skip


def cue_name(cue: str) -> str:
    """A cue as sentences and figures call it: ``F2``, ``duration`` …"""
    return _NAMES.get(cue, cue.upper() if len(cue) == 2 else cue)


def is_reached(cue: str) -> bool:
    """Whether the steps of a cue are values to reach, as of noise: the recorded sound has none."""
    from phonoscope.manipulate import CUES

    return cue in CUES and CUES[cue].absolute


def cue_sentences(slopes: pd.DataFrame, curves: pd.DataFrame, cues: Sequence[str]) -> list[str]:
    """One sentence a cue, the cue that moves most answers first.

    Parameters
    ----------
    slopes, curves
        From `phonoscope.perception`.
    cues
        Names of the cues that were moved.
    """
    found = [(_largest_turn(slopes, curves, cue), cue) for cue in cues]
    found.sort(key=lambda each: -(each[0]["turned"] if each[0] is not None else -1.0))
    return [_sentence(turn, slopes[slopes["cue"] == cue], cue) for turn, cue in found]


def number_sentences(slopes: pd.DataFrame, cues: Sequence[str]) -> list[str]:
    """One sentence a cue on the numbers that a model gives.

    Parameters
    ----------
    slopes
        From `phonoscope.perception.slopes.number_slopes`.
    cues
        Names of the cues that were moved.
    """
    said = []
    for cue in cues:
        own, name = slopes[slopes["cue"] == cue], cue_name(cue)
        heard = own[own["verdict"] == SUPPORTED]
        if heard.empty:
            deaf = len(own) and set(own["verdict"]) == {CONTRADICTED}
            said.append(f"It does not hear {name}: what it gives changes no more than with a change of equal size."
                        if deaf else f"Whether it hears {name} cannot be told from these tokens.")  # fmt: skip
            continue
        parts = []
        for row in heard.to_dict("records"):
            verb, unit = "rises" if row["slope"] > 0 else "falls", row["unit"].removeprefix("per ")
            low, high = sorted(abs(row[end]) for end in ("low", "high"))
            parts.append(f"{row['class']} {verb} by {abs(row['slope']):.3g} ({low:.3g} to {high:.3g}) a {unit}")
        said.append(f"It hears {name}: {', '.join(parts)}.")
    return said


def _largest_turn(slopes: pd.DataFrame, curves: pd.DataFrame, cue: str) -> dict | None:
    """The change of a share that is largest among the answers whose slope is certain."""
    heard = slopes[(slopes["cue"] == cue) & (slopes["verdict"] == SUPPORTED)]
    best: dict | None = None
    for row in heard.to_dict("records"):
        own = curves[(curves["cue"] == cue) & (curves["class"] == row["class"])]
        shares = own[(own["label"] == row["against"]) & own["share"].notna()].sort_values("step")
        reached = is_reached(cue)
        if shares.empty or not (reached or 0 in set(shares["step"])):
            continue
        end = shares.iloc[0 if row["slope"] > 0 else -1]  # where the other answer gains
        start = shares.iloc[-1 if row["slope"] > 0 else 0] if reached else shares[shares["step"] == 0].iloc[0]
        turned = float(end["share"] - start["share"])
        if best is None or turned > best["turned"]:
            best = {"turned": turned, "start": start, "end": end, "against": row["against"]}
    return best


def _sentence(turn: dict | None, slopes: pd.DataFrame, cue: str) -> str:
    name = cue_name(cue)
    if turn is None:
        if len(slopes) and set(slopes["verdict"]) == {CONTRADICTED}:
            return f"It does not hear {name}: no answer changes more with it than with a change of equal size."
        if (slopes["verdict"] == SUPPORTED).any():
            return f"It hears {name}, but no share of answers could be followed along it."
        return f"Whether it hears {name} cannot be told from these tokens."
    start, end = turn["start"], turn["end"]
    pair = f"{class_name(end['class'])} into {class_name(turn['against'])}"
    if turn["turned"] < _NOTICED:
        return (
            f"It hears {name}, but hardly any answer turns within the range that was presented: most of all "
            f"{pair.replace(' into ', ' towards ')}."
        )
    if is_reached(cue):
        return (
            f"It hears {name}: at {end['step']:g} {end['step_unit']} {class_name(end['class'])} is heard as "
            f"{class_name(turn['against'])} in {_percent(end)} of tokens; at {start['step']:g} {start['step_unit']}, "
            f"in {100 * start['share']:.0f} %."
        ).replace(" -", " −")
    verb = "lowering" if end["step"] < 0 else "raising"
    size = f"{abs(end['step']):g} {end['step_unit']}"
    return (
        f"It hears {name}: {verb} it by {size} turns {pair} in {_percent(end)} of tokens; "
        f"unchanged, {100 * start['share']:.0f} % are heard so."
    )


def _percent(row: pd.Series) -> str:
    """A share with its interval, if it has one."""
    limits = f" ({100 * row['low']:.0f}–{100 * row['high']:.0f})" if np.isfinite(row["low"]) else ""
    return f"{100 * row['share']:.0f} %{limits}"
