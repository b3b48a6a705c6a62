"""The shortcuts that are looked for: what is measured of each, and how it is exchanged between recordings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from phonoscope.audit import exchanges, measures
from phonoscope.audit.anatomy import Anatomy
from phonoscope.registry import Registry

Measure = Callable[[Anatomy], dict[str, float]]
Exchange = Callable[[Anatomy, Anatomy, int], np.ndarray]


@dataclass(frozen=True)
class Shortcut:
    """A property of recordings that is not what is said, and that a model may nevertheless answer by.

    Parameters
    ----------
    name
        Its fixed name.
    says
        What it is, as the subject of a sentence.
    unit
        Of what is measured; empty where several things are.
    measure
        `Anatomy` → named numbers.
    exchange
        (recording, donor, seed) → the recording with this property of the donor, and nothing else of it.
    caution
        What has to be known when it is found; empty where nothing has.
    """

    name: str
    says: str
    unit: str
    measure: Measure
    exchange: Exchange
    caution: str = ""

    def values(self, anatomy: Anatomy) -> np.ndarray:
        """What is measured, shape (measure,)."""
        return np.array(list(self.measure(anatomy).values()), dtype=float)


_SPEAKERS = "Speakers and words differ in it too, so it may be speech."

SHORTCUTS: Registry[Shortcut] = Registry(
    "shortcut",
    {
        each.name: each
        for each in (
            Shortcut("level", "level", "dB", measures.level, exchanges.level, _SPEAKERS),
            Shortcut("dc", "constant offset", "% of the speech", measures.offset, exchanges.offset),
            Shortcut("duration", "duration of the speech", "ms", measures.duration, exchanges.duration, _SPEAKERS),
            Shortcut("edge-silence", "silence before and after the speech", "ms", measures.edge_silence,
                     exchanges.edge_silence),
            Shortcut("inner-silence", "silence inside the speech", "ms", measures.inner_silence,
                     exchanges.inner_silence, _SPEAKERS),
            Shortcut("background", "spectrum of the background", "dB", measures.background, exchanges.background),
            Shortcut("noise-floor", "level of the background", "dB", measures.noise_floor, exchanges.noise_floor),
            Shortcut("channel", "colour of the microphone or line", "dB", measures.background, exchanges.channel),
            Shortcut("hum", "mains hum", "dB", measures.hum, exchanges.hum),
            Shortcut("bandwidth", "upper edge of the band", "", measures.bandwidth, exchanges.bandwidth),
            Shortcut("clipping", "clipping", "", measures.clipping, exchanges.clipping),
            Shortcut("quantisation", "coarseness of the sample values", "", measures.quantisation,
                     exchanges.quantisation),
            Shortcut("room", "reverberation", "dB in 50 ms", measures.room, exchanges.room, _SPEAKERS),
        )
    },
)  # fmt: skip
