"""Scenes: clips with planted shortcuts, the models that hear them, and what is true of each model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.signal import fftconvolve, firwin
from scipy.special import ndtri

from phonoscope.audit.trial.clips import SYNTHETIC, Clips, read_clips, synthetic_clips
from phonoscope.audit.trial.listeners import LABELS, LISTENERS, Answers
from phonoscope.audit.trial.planters import PLANTERS, fastened, levelled, trimmed
from phonoscope.judgement.intervals import Interval

Mend = Callable[[np.ndarray, float], np.ndarray]

# What makes a listener deaf to a property by construction.
MENDS: dict[str, Mend] = {
    "level": levelled,
    "dc": lambda x, _: x - x.mean(),
    "edge-silence": trimmed,
    "duration": fastened,
    "hum": lambda x, rate: x - fftconvolve(x, firwin(2 * round(0.03 * rate) + 1, 240 / (rate / 2)), "same"),
    "bandwidth": lambda x, rate: fftconvolve(x, firwin(2 * round(0.02 * rate) + 1, 0.3), "same"),
}


@dataclass(frozen=True)
class Scene:
    """One planted corpus and the listeners that are audited on it.

    Parameters
    ----------
    name
        Its name, also of the file of its results.
    corpus
        ``synthetic``, or a folder.
    planted
        Shortcuts that go with the class in the audited clips; none where it is clean.
    auc
        How well each alone tells the classes.
    varied
        A shortcut that varies as much and does not go with the class.
    spoken
        Whether the classes differ in what is said; else a clip's class is drawn.
    listeners
        Names of `LISTENERS`; ``name:1`` is another one, of other weights.
    seed
        Of everything that is drawn.
    trained, audited
        Clips.
    """

    name: str
    planted: tuple[str, ...] = ()
    auc: float = 0.8
    varied: str = ""
    spoken: bool = False
    listeners: tuple[str, ...] = ("linear", "spectrogram")
    corpus: str = SYNTHETIC
    seed: int = 0
    trained: int = 400
    audited: int = 300

    def facts(self) -> dict[str, Any]:
        """All that the results depend on."""
        return asdict(self)


class Heard(NamedTuple):
    """A model of a scene: its listener, what it was taught by, what it is deaf to by construction, and its answers."""

    listener: str
    taught: str
    deaf: str
    answers: Answers


@lru_cache(maxsize=2)
def _clips(corpus: str, count: int, seed: int) -> Clips:
    if corpus == SYNTHETIC:
        return synthetic_clips(count, seed)
    return read_clips(Path(corpus), count, seed)


class Stage:
    """The clips of a scene, with classes and values drawn.

    Parameters
    ----------
    scene
        Which.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        clips = _clips(scene.corpus, scene.trained + scene.audited, scene.seed)
        self.rate = clips.rate
        self.kinds = [*scene.planted, *([scene.varied] if scene.varied else [])]
        self.sounds = [levelled(each, clips.rate) for each in clips.sounds] if self.kinds else list(clips.sounds)
        count = len(clips.sounds)
        audited = min(scene.audited, count // 2)
        self.train, self.audited = np.arange(count - audited), np.arange(count - audited, count)
        self.rng = np.random.default_rng([scene.seed, 11])
        drawn = self.rng.permutation(count) % 2
        self.classes = clips.halves(scene.seed) if scene.spoken else drawn
        self.speakers = clips.speakers
        self.apart = np.sqrt(2) * ndtri(scene.auc)
        self.noise = np.empty((count, max(len(self.kinds), 1)))
        for which in (self.train, self.audited):  # quantiles of a normal, so that the strength is exact in both
            for side in (0, 1):
                some = which[self.classes[which] == side]
                for k in range(self.noise.shape[1]):
                    self.noise[some, k] = ndtri((self.rng.permutation(len(some)) + 0.5) / max(len(some), 1))
        self.blind = np.empty(count, dtype=int)  # a class of no meaning, as often in the one class as in the other
        for which in (self.train, self.audited):
            for side in (0, 1):
                some = which[self.classes[which] == side]
                self.blind[some] = self.rng.permutation(len(some)) % 2

    def values(self, taught: Sequence[str]) -> np.ndarray:
        """Value of each kind in each clip, where only some go with the class, shape (clip, kind)."""
        sides = np.stack([self.classes if kind in taught else self.blind for kind in self.kinds], axis=1)
        return self.noise + self.apart * (sides - 0.5)

    def made(self, which: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
        """Clips with all kinds planted at these values, float64; the noise that a kind draws is that of the clip."""
        made = []
        for i in which:
            sound = self.sounds[i]
            for kind in (name for name in PLANTERS if name in self.kinds):
                k = self.kinds.index(kind)
                rng = np.random.default_rng([self.scene.seed, int(i), k])
                sound = PLANTERS[kind].plant(sound, self.rate, float(values[i, k]), rng)
            made.append(sound)
        return made

    def models(self) -> Iterator[Heard]:
        """Train the listeners: by each planted shortcut, by all with an ear that is deaf to one, or as they are."""
        planted = self.scene.planted
        lessons = [(kind, "") for kind in planted] or [("", "")]
        if len(planted) > 1:
            lessons += [("+".join(planted), kind) for kind in planted if kind in MENDS]
        for taught, deaf in lessons:
            sounds = self.made(self.train, self.values(taught.split("+"))) if self.kinds else [
                self.sounds[i] for i in self.train]  # fmt: skip
            for name in self.scene.listeners:
                if deaf and name != "linear":
                    continue
                heard = [MENDS[deaf](each, self.rate) for each in sounds] if deaf else sounds
                kind, _, number = name.partition(":")
                seed = self.scene.seed + 1000 * int(number or 0)
                answers = LISTENERS[kind](heard, self.classes[self.train], self.rate, seed)
                yield Heard(name, taught, deaf, _through(answers, deaf, self.rate))

    def recordings(self) -> list[np.ndarray]:
        """The clips that are audited."""
        if not self.kinds:
            return [self.sounds[i] for i in self.audited]
        return self.made(self.audited, self.values(self.scene.planted))

    def replanted(self, kind: str, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The audited clips with one kind at a quantile of the first class, and at the same of the second."""
        values = self.values(self.scene.planted)
        rng = np.random.default_rng([self.scene.seed, seed, 5])
        at = ndtri((rng.permutation(len(values)) + 0.5) / len(values))
        found = []
        for side in (-0.5, 0.5):
            changed = values.copy()
            changed[:, self.kinds.index(kind)] = at + side * self.apart
            found.append(self.made(self.audited, changed))
        return found[0], found[1]

    @property
    def labels(self) -> list[str]:
        """Class of each audited clip."""
        return [LABELS[k] for k in self.classes[self.audited]]


def _through(answers: Answers, deaf: str, rate: float) -> Answers:
    if not deaf:
        return answers
    return lambda sounds: answers([MENDS[deaf](np.asarray(each, dtype=float), rate) for each in sounds])


def is_used(effect: Interval, smallest: float) -> bool | None:
    """Whether a model uses what was planted, by what planting it anew does; None where that is too near the bound.

    Parameters
    ----------
    effect
        How much more log odds of the answer the value of the other class takes than that of the answer's.
    smallest
        Effect that counts.
    """
    if effect.low > smallest:
        return True
    return False if effect.high < smallest else None
