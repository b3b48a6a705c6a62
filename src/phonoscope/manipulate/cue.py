"""What a cue is, in which units its steps are told."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from phonoscope.errors import AudioError
from phonoscope.manipulate.sounds import Sounds
from phonoscope.scales import bark_to_hz, hz_to_bark


@dataclass(frozen=True)
class Scale:
    """A scale on which steps of one unit are equal: from a cue's own unit, and back."""

    to: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]

    def moved(self, values: np.ndarray, by: np.ndarray | float) -> np.ndarray:
        """Values (in the cue's unit) moved by steps of the scale."""
        return self.back(self.to(values) + by)


def _same(values: np.ndarray) -> np.ndarray:
    return values


PLAIN = Scale(_same, _same)
BARK = Scale(hz_to_bark, bark_to_hz)
SEMITONES = Scale(lambda hertz: 12 * np.log2(hertz), lambda semitones: 2.0 ** (np.asarray(semitones) / 12))


def moved(values: np.ndarray, steps: np.ndarray, unit: str) -> np.ndarray:
    """Values of a cue moved by steps: ``Bark`` and ``semitones`` of Hz, ``%``, or the cue's own unit.

    Parameters
    ----------
    values
        In the cue's own unit.
    steps
        In `unit`.
    unit
        One of the cue's units.
    """
    if unit == "%":
        return values * (1 + steps / 100)
    return scale_of(unit).moved(values, steps)


def scale_of(unit: str) -> Scale:
    """Scale on which a whole track moves in parallel when the cue is moved in this unit."""
    return {"Bark": BARK, "%": SEMITONES, "semitones": SEMITONES}.get(unit, PLAIN)


@dataclass(frozen=True)
class Asked:
    """Stimuli to make: of which sounds, and what value of the cue to command.

    Parameters
    ----------
    of
        Number of the recorded sound of each stimulus, shape (stimulus,).
    before
        Value of the cue in it, in the cue's unit, shape (stimulus,).
    value
        Value to command, shape (stimulus,).
    scale
        Scale of the steps.
    """

    of: np.ndarray
    before: np.ndarray
    value: np.ndarray
    scale: Scale = PLAIN


@dataclass(frozen=True)
class Cue:
    """One property of sounds that can be changed, and measured afterwards.

    ``change(recorded, asked, **options) -> Sounds`` makes the stimuli, all in one batch; ``measure(sounds)`` gives the
    property's value in each sound, NaN where there is none. Both are free to share results (`Sounds.shared`). What a
    step means, the closed loop, tables and crosstalk follow from these two.

    There are three ways to add one: a line in ``registry.py``; an entry point of the group ``phonoscope.cues``; or its
    import path wherever a cue is named, ``package.module:name`` with ``name`` an object of this class.

    Parameters
    ----------
    name, summary
        What it is called, and what it changes.
    unit
        Of its values.
    steps
        Usual steps of a continuum, in `unit` (or in `step_unit`).
    change, measure
        See above.
    units
        Other units that steps may be told in.
    step_unit
        Unit of steps if none is named; `unit` by default.
    needs
        What it needs beside a waveform, in words; empty if nothing.
    slack
        How far a stimulus may lie from what was intended, in `unit`, beside 15 % of its step.
    measured
        Whether stimuli of every cue are measured for it; else only its own.
    absolute
        Whether steps are values to reach, since the recorded sound has none.
    lowest
        The lowest value that makes sense in each sound, (sound,), NaN where nothing limits it: steps stop there.
    """

    name: str
    summary: str
    unit: str
    steps: tuple[float, ...]
    change: Callable[..., Sounds]
    measure: Callable[[Sounds], np.ndarray]
    units: tuple[str, ...] = ()
    step_unit: str = ""
    needs: str = ""
    slack: float = 0.0
    measured: bool = True
    absolute: bool = False
    lowest: Callable[[Sounds], np.ndarray] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Names and defaults of the options of its change."""
        fixed = getattr(self.change, "keywords", {})  # of a partial function
        parameters = inspect.signature(self.change).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in fixed}

    def chosen_unit(self, unit: str | None) -> str:
        """Return the unit of the steps: that asked for, or the usual one; AudioError if the cue does not have it."""
        usual = self.step_unit or self.unit
        known = dict.fromkeys((usual, self.unit, *self.units))
        if unit is not None and unit not in known:
            raise AudioError(f"{self.name} has no steps in {unit!r}; choose one of {', '.join(known)}")
        return unit or usual
