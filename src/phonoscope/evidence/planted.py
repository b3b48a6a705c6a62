"""Corpora whose classes differ in two known ways: waveforms, the classes that each cue speaks for, the planted truth.

Every token exists in four ways, with both cues of either class: same talker, same noise, same everything else to the
sample. A corpus for a network to learn from, a corpus for the analyst, and a token with one cue exchanged are all
choices among the four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from phonoscope.evidence.carriers import Carriers, draw_carriers
from phonoscope.evidence.cues import Region
from phonoscope.evidence.pairs import MAX_HZ, SAMPLE_RATE, Pair

LABELS = ("A", "B")
_WINDOW_SECONDS = 0.008  # of a spectrogram that says nothing else


@dataclass(frozen=True)
class Truth:
    """Where a cue of one token is, and where it would be if the token were of the other class.

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

    def blurred(self, hertz: float, seconds: float) -> Truth:
        """Return the same regions as wide as a front end shows them.

        Parameters
        ----------
        hertz, seconds
            By how much each edge of a band, and of a stretch, moves outwards.
        """

        def wider(region: Region) -> Region:
            if np.isinf(region.start):
                return Region(max(0.0, region.low_hz - hertz), min(MAX_HZ, region.high_hz + hertz))
            return region._replace(start=region.start - seconds, end=region.end + seconds)

        return Truth(tuple(map(wider, self.present)), tuple(map(wider, self.elsewhere)))


@dataclass(frozen=True)
class PlantedCorpus:
    """Tokens without their cues, and how to say them with any.

    Attributes
    ----------
    pair
        The two cues.
    carriers
        The tokens without a cue.
    """

    pair: Pair
    carriers: Carriers

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return len(self.carriers.sounds)

    @cached_property
    def waveforms(self) -> list[np.ndarray]:
        """Every token in its four ways, float32 (sample,) at 16 kHz; see `positions`."""
        return [sound for classes in product((0, 1), (0, 1)) for sound in self._spoken(classes)]

    def positions(self, classes: np.ndarray) -> np.ndarray:
        """Where in `waveforms` each token stands with cues of these classes, (token, 2) -> (token,)."""
        return (2 * classes[:, 0] + classes[:, 1]) * self.n_tokens + np.arange(self.n_tokens)

    def agreeing(self) -> np.ndarray:
        """Classes (token, 2) of the analyst's corpus: in every second token both cues speak for the second class."""
        return np.repeat(np.arange(self.n_tokens)[:, None] % 2, 2, axis=1)

    def truth(self, cue: int, classes: np.ndarray) -> list[Truth]:
        """What one of the cues fills, by token, as sharp as it was planted.

        Parameters
        ----------
        cue
            0 or 1.
        classes
            Classes (token, 2) as spoken.
        """
        planted, truths = self.pair.cues[cue], []
        for token in range(self.n_tokens):
            spoken = int(classes[token, cue])
            present, away = (planted.regions(self.carriers, token, planted.values[k]) for k in (spoken, 1 - spoken))
            truths.append(Truth(tuple(present), tuple(region for region in away if region not in present)))
        return truths

    @property
    def blur(self) -> tuple[float, float]:
        """How far the spectrogram smears an edge, Hz and s.

        A window of T seconds cannot show an edge more sharply than 1/T (half the main lobe of its Hann spectrum, at
        −6 dB), and no event more sharply than T/2.
        """
        window = float(self.pair.front_end.get("window_seconds", _WINDOW_SECONDS))
        return 1 / window, window / 2

    def _spoken(self, classes: Sequence[int]) -> list[np.ndarray]:
        """All tokens with cues of these two classes."""
        carriers = self.carriers
        for cue, number in zip(self.pair.cues, classes, strict=True):
            values = np.full(self.n_tokens, cue.values[number])
            carriers = replace(carriers, sounds=cue.plant(cue, carriers, values))
        return [sound.astype(np.float32) for sound in carriers.sounds]


def plant(pair: Pair, *, n_tokens: int = 400, seed: int = 0) -> PlantedCorpus:
    """Make a corpus with two planted cues.

    Parameters
    ----------
    pair
        One of `PAIRS`.
    n_tokens
        Ten of each talker.
    seed
        Corpora of different seeds share no talker.

    Raises
    ------
    CorpusError
        If no token is asked for.
    """
    return PlantedCorpus(pair, draw_carriers(n_tokens, seed, SAMPLE_RATE, **pair.carriers))
