"""A token with several cues moved at once: what can be moved in it, how far it was moved, and what is heard then.

The voice is changed first (F0 and duration, in one overlap-add), then the tilt of the spectrum, then the formants, in
one closed loop: where a formant was meant to be, it is in the sound that is heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from phonoscope.errors import MissingExtraError
from phonoscope.phonetics.ceilings import ceiling_for
from phonoscope.scales import hz_to_bark
from phonoscope.viewer.query import QueryError

if TYPE_CHECKING:
    from phonoscope.manipulate import Sounds
    from phonoscope.viewer.subject import Subject

FORMANTS = ("f1", "f2", "f3", "f4")
VOICE = ("f0", "duration")
CUES = (*FORMANTS, *VOICE, "tilt")
MOST_AT_ONCE = 64  # stimuli of one request
_PRINTED = {**{name: name.upper() for name in (*FORMANTS, "f0")}, "duration": "the duration", "tilt": "the tilt"}
_RANGES_HZ = {"f1": (150.0, 1300.0), "f2": (500.0, 3500.0), "f3": (1200.0, 4500.0), "f4": (2000.0, 5300.0)}
_OF_NYQUIST = 0.95
_FACTORS = {"f0": (0.5, 2.0), "duration": (0.4, 2.5)}
_TILT_DB = 9.0  # per octave, either way
_DECIMALS = {"duration": 3, "tilt": 1}  # of limits
_ROUNDS = 4  # of correction
_PUSHED_BARK = 0.3  # what moved less has stayed
_CONTEXT_SECONDS = 0.05  # around stimuli that are asked about and not played

Move = Mapping[str, float]


class Movable(NamedTuple):
    """What can be moved in a token.

    Attributes
    ----------
    recorded
        The token with what is around it.
    before
        Value of each cue: Hz, of the duration s, of the tilt dB per octave; NaN where there is none.
    limits
        Lowest and highest value that each may be given.
    absent
        Why a cue cannot be moved, for those that cannot.
    sources
        The token with its voice and tilt as they were last moved: while a formant is dragged they stay.
    """

    recorded: Sounds
    before: dict[str, float]
    limits: dict[str, tuple[float, float]]
    absent: dict[str, str]
    sources: dict[tuple[float | None, ...], Sounds]


class Moved(NamedTuple):
    """A token whose cues were moved.

    Attributes
    ----------
    waveform
        With what is around it.
    cues
        Of each cue its value ``before``, ``intended`` (None if it was to stay), ``achieved``, and whether it
        ``missed``.
    words
        What missed, and what was pushed on, in sentences.
    seconds
        Duration of the token.
    """

    waveform: np.ndarray
    cues: dict[str, dict[str, Any]]
    words: list[str]
    seconds: float


def movable(subject: Subject) -> Movable:
    """Measure every cue of a token.

    Parameters
    ----------
    subject
        The token.
    """
    from phonoscope.manipulate import Sounds, find_cue

    rate, edge = subject.sample_rate, subject.context / subject.sample_rate
    ends = np.array([edge]), np.array([len(subject.waveform) / rate - edge])
    recorded = Sounds.of([subject.waveform], rate, *ends, ceiling_for(subject.sex))
    before = {name: float(find_cue(name).measure(recorded)[0]) for name in CUES}
    absent = {name: f"{_PRINTED[name]} cannot be measured in this token" for name in CUES if np.isnan(before[name])}
    if find_spec("parselmouth") is None:
        absent |= dict.fromkeys(VOICE, str(MissingExtraError("praat-parselmouth", "praat")))
    limits = {name: _limits(name, before[name], rate) for name in CUES if name not in absent}
    return Movable(recorded, before, limits, absent, {})


def _limits(name: str, before: float, rate: float) -> tuple[float, float]:
    """Lowest and highest value, rounded inwards: a page that rounds them stays inside."""
    if name in _FACTORS:
        low, high = (before * factor for factor in _FACTORS[name])
    elif name == "tilt":
        low, high = before - _TILT_DB, before + _TILT_DB
    else:
        low, high = _RANGES_HZ[name]
        low, high = min(low, before), max(min(high, _OF_NYQUIST * rate / 2), before)
    scale = 10 ** _DECIMALS.get(name, 0)
    return float(np.ceil(low * scale) / scale), float(np.floor(high * scale) / scale)


def tracks(can: Movable) -> dict[str, Any]:
    """Formant tracks of a token as they are moved: ``time`` in s of its sound, ``frequency`` (formant, time) in Hz.

    Parameters
    ----------
    can
        From `movable`.
    """
    from phonoscope.manipulate.formants import found_tracks
    from phonoscope.manipulate.sounds import frames

    times = can.recorded.shared(frames).times
    inside = (times >= can.recorded.start[0]) & (times <= can.recorded.end[0])
    frequency, _ = can.recorded.shared(found_tracks)
    return {"time": times[inside].tolist(), "frequency": frequency[0, inside].T.tolist()}


def read_move(given: Mapping[str, Any], can: Movable) -> dict[str, float]:
    """Where cues are to go, from what a page sent.

    Parameters
    ----------
    given
        Values by name of the cue; None, or nothing, for one that stays.
    can
        From `movable`.

    Raises
    ------
    QueryError
        If a value is no number within the limits, or its cue cannot be moved.
    """
    move = {}
    for name in CUES:
        value = given.get(name)
        if value is None:
            continue
        if name in can.absent:
            raise QueryError(f"{name} stays: {can.absent[name]}")
        low, high = can.limits[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise QueryError(f"{name} is {str(value)[:40]}; expected a number from {low:.4g} to {high:.4g}")
        move[name] = float(value)
    return move


def moved(can: Movable, move: Move) -> Moved:
    """Move cues of a token; without any it is as it was recorded.

    Parameters
    ----------
    can
        From `movable`.
    move
        From `read_move`.

    Raises
    ------
    AudioError
        If formants are to go where they would not rise from F1 to F4.
    """
    from phonoscope.manipulate import measures
    from phonoscope.modules import one_thread

    with one_thread():
        source = _source(can, move)
        achieved = _of_source(source)
        sounds = _with_formants(source, [move]).sounds if set(FORMANTS) & set(move) else source
        achieved |= dict(zip(FORMANTS, sounds.shared(measures.formants)[0][0].tolist(), strict=True))
        if "tilt" not in move:
            achieved["tilt"] = float(measures.tilt(sounds)[0])
    cues = _judged(can, move, achieved)
    return Moved(sounds.arrays[0], cues, _words(cues), float(sounds.end[0] - sounds.start[0]))


def stimuli(can: Movable, moves: Sequence[Move]) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """Move cues of a token in several ways; formants that move alone are moved in one batch.

    Parameters
    ----------
    can
        From `movable`.
    moves
        From `read_move`.

    Returns
    -------
    sounds, facts
        The token alone, and ``missed`` with the value ``achieved`` of each cue.
    """
    from phonoscope.modules import one_thread

    sounds: list[np.ndarray] = [np.zeros(0)] * len(moves)
    facts: list[dict[str, Any]] = [{}] * len(moves)
    batches: dict[tuple[float | None, ...], list[int]] = {}
    for number, move in enumerate(moves):
        batches.setdefault(_beside_formants(move), []).append(number)
    with one_thread():
        for some in batches.values():
            source = _cropped(_source(can, moves[some[0]]))
            of_source = _of_source(source)
            made = _with_formants(source, [moves[number] for number in some])
            first, last = (round(float(edge[0]) * source.sample_rate) for edge in (source.start, source.end))
            for number, sound, formants in zip(some, made.sounds.arrays, made.achieved.tolist(), strict=True):
                cues = _judged(can, moves[number], of_source | dict(zip(FORMANTS, formants, strict=True)))
                achieved = {name: cue["achieved"] for name, cue in cues.items()}
                sounds[number] = sound[first:last]
                facts[number] = {"missed": any(cue["missed"] for cue in cues.values()), "achieved": achieved}
    return sounds, facts


def _beside_formants(move: Move) -> tuple[float | None, ...]:
    return tuple(move.get(name) for name in CUES if name not in FORMANTS)


def _source(can: Movable, move: Move) -> Sounds:
    """The token with its F0, duration and tilt where they are to be."""
    from phonoscope.manipulate import Asked
    from phonoscope.manipulate.voice import change_voice

    key = _beside_formants(move)
    if (kept := can.sources.get(key)) is not None:
        return kept
    sounds = can.recorded
    if set(VOICE) & set(move):
        one, before = np.zeros(1, dtype=int), {name: np.array([can.before[name]]) for name in VOICE}
        f0, duration = (Asked(one, before[n], np.array([move.get(n, can.before[n])])) for n in VOICE)
        sounds = change_voice(sounds, f0, duration)
    if "tilt" in move:
        sounds = _tilted(sounds, move["tilt"])
    can.sources.clear()
    can.sources[key] = sounds
    return sounds


def _tilted(source: Sounds, wanted: float) -> Sounds:
    """A sound with another tilt: measured and corrected, since a line through third octaves is not all there is."""
    from phonoscope.manipulate import Asked, find_cue
    from phonoscope.manipulate.continua import corrected

    tilt, one, aim = find_cue("tilt"), np.zeros(1, dtype=int), np.array([wanted])
    before, command = tilt.measure(source), aim
    for _ in range(_ROUNDS):
        made = tilt.change(source, Asked(one, before, command))
        command = corrected(command, before, tilt.measure(made), aim)
    return made


def _of_source(source: Sounds) -> dict[str, float]:
    from phonoscope.manipulate import find_cue

    return {name: float(find_cue(name).measure(source)[0]) for name in CUES if name not in FORMANTS}


def _with_formants(source: Sounds, moves: Sequence[Move]) -> Any:
    from phonoscope.manipulate.joint import move_formants

    targets = np.array([[move.get(name, np.nan) for name in FORMANTS] for move in moves])
    return move_formants(source, np.zeros(len(moves), dtype=int), targets, rounds=_ROUNDS)


def _cropped(sounds: Sounds) -> Sounds:
    """One sound with little around its stretch: what is not played need not be filtered."""
    import torch

    rate, length = sounds.sample_rate, int(sounds.lengths[0])
    first = max(0, round((float(sounds.start[0]) - _CONTEXT_SECONDS) * rate))
    last = min(length, round((float(sounds.end[0]) + _CONTEXT_SECONDS) * rate))
    return sounds.changed(
        sounds.samples[:, first:last],
        lengths=torch.tensor([last - first]),
        start=sounds.start - first / rate,
        end=sounds.end - first / rate,
    )


def _judged(can: Movable, move: Move, achieved: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    from phonoscope.manipulate import find_cue
    from phonoscope.manipulate.continua import MISSED

    cues = {}
    for name in CUES:
        before, intended, found = can.before[name], move.get(name), achieved[name]
        missed = False
        if intended is not None:
            missed = not abs(found - intended) <= MISSED * abs(intended - before) + find_cue(name).slack
        cues[name] = {"before": before, "intended": intended, "achieved": found, "missed": missed}
    return cues


def _words(cues: Mapping[str, Mapping[str, Any]]) -> list[str]:
    words = []
    for name, cue in cues.items():
        before, intended, achieved = (cue[part] for part in ("before", "intended", "achieved"))
        if cue["missed"]:
            found = "cannot be measured any more" if np.isnan(achieved) else f"is {_told(name, achieved)}"
            words.append(f"{_PRINTED[name]} missed: it was to be {_told(name, intended)} and {found}.")
        elif name in FORMANTS and intended is None and abs(hz_to_bark(achieved) - hz_to_bark(before)) > _PUSHED_BARK:
            words.append(f"{_PRINTED[name]} went along: from {_told(name, before)} to {_told(name, achieved)}.")
    return [sentence[0].upper() + sentence[1:] for sentence in words]


def _told(name: str, value: float) -> str:
    if name == "duration":
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} dB per octave".replace("-", "−") if name == "tilt" else f"{value:.0f} Hz"
