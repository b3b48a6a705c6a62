"""Corpora whose classes differ in one known way: waveforms, classes, talkers, the planted truth, and their twins.

A twin is the same token with the cue of another class: same talker, same noise, same everything else to the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from phonoscope.errors import CorpusError
from phonoscope.evidence.carriers import Carriers, draw_carriers
from phonoscope.evidence.cues import CONFLICT, CUES, FADE_SECONDS, Cue, Region
from phonoscope.frontends import Spectrogram

SAMPLE_RATE = 16000
MAX_HZ = 5000.0
# Levels re full scale, not re the token's maximum: else a cue in one band would move the level of all others.
FRONT_END: dict[str, Any] = {"rows": 64, "columns": 32, "reference": "full-scale", "range_db": 80.0}
CONFLICT_NAME = "conflict"


@dataclass(frozen=True)
class Truth:
    """Where the cue of one token is, and where it would be if the token were of another class.

    Attributes
    ----------
    present, elsewhere
        Regions in Hz and s. The lack of a cue is evidence too: a network that hears no noise at 3200 Hz has listened
        there. `elsewhere` may be empty, and so may `present` (where the class is told by absence).
    """

    present: tuple[Region, ...]
    elsewhere: tuple[Region, ...]

    @property
    def regions(self) -> tuple[Region, ...]:
        """All places at which the classes differ in this token."""
        return self.present + self.elsewhere


@dataclass(frozen=True)
class PlantedCorpus:
    """Tokens with planted cues.

    Attributes
    ----------
    name
        Name of the cue, or ``conflict``.
    cues
        One, or the two of a conflict.
    labels
        Names of the classes.
    classes
        Class that each cue speaks for, integers (token, cue). The label of a token is that of the first cue.
    carriers
        The tokens without the cue.
    waveforms
        The tokens with it, float32 (sample,) at 16 kHz.
    """

    name: str
    cues: tuple[Cue, ...]
    labels: tuple[str, ...]
    classes: np.ndarray
    carriers: Carriers
    waveforms: list[np.ndarray]

    @property
    def tokens(self) -> list[str]:
        """Label of each token."""
        return [self.labels[k] for k in self.classes[:, 0]]

    @property
    def talkers(self) -> list[str]:
        """Talker of each token."""
        return self.carriers.talkers

    def front_end(self) -> Spectrogram:
        """Spectrogram in which the cue can be seen: 64 × 32, 0 to 5 kHz, dB re full scale."""
        return Spectrogram(SAMPLE_RATE, MAX_HZ, **{**FRONT_END, **self.cues[0].front_end})

    def twins(self, classes: np.ndarray) -> list[np.ndarray]:
        """The same tokens with other cues: classes (token, cue) or, for one cue, (token,)."""
        return _spoken(self.cues, self.carriers, len(self.labels), np.asarray(classes).reshape(self.classes.shape))

    def with_next_class(self, cue: int, step: int = 1) -> np.ndarray:
        """Return ``classes`` with those of one cue moved on by some classes, the first after the last."""
        moved = self.classes.copy()
        moved[:, cue] = (moved[:, cue] + step) % len(self.labels)
        return moved

    def values(self, token: int, cue: int = 0) -> tuple[float, list[float]]:
        """Value of a cue in a token, and the values that it would have in the other classes."""
        every = list(self.cues[cue].values[len(self.labels)])
        own = every.pop(int(self.classes[token, cue]))
        return own, every

    def truth(self, cue: int = 0) -> list[Truth]:
        """What is planted, by token; regions are as wide as the front end blurs what is planted.

        A window of T seconds cannot show an edge more sharply than 1/T (half the main lobe of its Hann spectrum, at
        −6 dB), and no event more sharply than T/2; by so much is every region widened.
        """
        planted = self.cues[cue]
        window = float(planted.front_end.get("window_seconds", 0.008))
        truths = []
        for token in range(len(self.waveforms)):
            own, others = self.values(token, cue)
            if planted.in_time:
                truths.append(_time_truth(planted, self.carriers, token, own, others, window / 2))
                continue
            present = planted.regions(self.carriers, token, own)
            away = [region for value in others for region in planted.regions(self.carriers, token, value)]
            blur = [_blurred(regions, 1 / window) for regions in (present, [r for r in away if r not in present])]
            truths.append(Truth(*blur))
        return truths


def plant(cue: str, *, classes: int = 2, n_tokens: int = 600, seed: int = 0, disagree: bool = False) -> PlantedCorpus:
    """Make a corpus with a planted cue.

    Parameters
    ----------
    cue
        One of `CUES`, or ``conflict``: two cues that agree, or disagree on request.
    classes
        Two, or five for the cues that have five places.
    n_tokens
        Ten of each talker; every talker says all classes equally often.
    seed
        Corpora of different seeds share no talker.
    disagree
        For ``conflict``: the second cue speaks for the other class.

    Raises
    ------
    CorpusError
        If there is no such cue, or it does not come in that number of classes.
    """
    if cue != CONFLICT_NAME and cue not in CUES:
        raise CorpusError(f"there is no cue {cue!r} to plant; choose one of {', '.join((*CUES, CONFLICT_NAME))}.")
    cues = CONFLICT if cue == CONFLICT_NAME else (CUES[cue],)
    if any(classes not in each.values for each in cues):
        known = " or ".join(str(number) for number in cues[0].values)
        raise CorpusError(f"cue {cue!r} comes with {known} classes, not with {classes}.")
    if disagree and cue != CONFLICT_NAME:
        raise CorpusError(f"only the cues of {CONFLICT_NAME!r} can disagree; {cue!r} is a single cue.")
    carriers = draw_carriers(n_tokens, seed, SAMPLE_RATE, **cues[0].carriers)
    first = np.arange(n_tokens) % classes
    own = np.stack([first] + [(first + disagree) % classes for _ in cues[1:]], axis=1)
    labels = tuple(class_name(cues[0].values[classes][k], k) for k in range(classes))
    return PlantedCorpus(cue, cues, labels, own, carriers, _spoken(cues, carriers, classes, own))


def class_name(value: float, position: int) -> str:
    """Name of a class: its letter and its value."""
    return f"{'ABCDE'[position]} ({'absent' if np.isnan(value) else f'{value:g}'})"


def _spoken(cues: Sequence[Cue], carriers: Carriers, n_classes: int, classes: np.ndarray) -> list[np.ndarray]:
    for position, cue in enumerate(cues):
        values = np.array(cue.values[n_classes])[classes[:, position]]
        carriers = replace(carriers, sounds=cue.plant(cue, carriers, values))
    return [sound.astype(np.float32) for sound in carriers.sounds]


def _blurred(regions: Sequence[Region], hertz: float) -> tuple[Region, ...]:
    return tuple(
        region._replace(low_hz=max(0.0, region.low_hz - hertz), high_hz=min(MAX_HZ, region.high_hz + hertz))
        for region in regions
    )


def _time_truth(
    cue: Cue, carriers: Carriers, token: int, own: float, others: Sequence[float], blur_seconds: float
) -> Truth:
    """Stretches on both sides of the middle in which tokens of different classes differ.

    All share the shortest token without its fades; the rest of this token is present, and what would follow in the
    longest is elsewhere.
    """
    own_half, *other_halves = (cue.regions(carriers, token, value)[0].end / 2 for value in (own, *others))
    shortest, longest = min(own_half, *other_halves), max(own_half, *other_halves)
    begin, end = shortest - FADE_SECONDS - blur_seconds, longest + blur_seconds
    # A token that is the shortest has nothing that others lack, the longest lacks nothing.
    split = begin if own_half == shortest else end if own_half == longest else own_half
    return Truth(_both_sides(own_half, begin, split), _both_sides(own_half, split, end))


def _both_sides(middle: float, near: float, far: float) -> tuple[Region, ...]:
    """Stretches between two distances from a token's middle, before and after it; none if they are empty."""
    if far <= near:
        return ()
    return Region(0.0, MAX_HZ, middle - far, middle - near), Region(0.0, MAX_HZ, middle + near, middle + far)
