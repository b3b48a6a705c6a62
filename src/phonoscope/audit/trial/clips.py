"""Short clips to plant shortcuts into: synthetic talkers that ship, or recordings of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phonoscope.audio import read_audio
from phonoscope.corpora.layouts import find_recordings
from phonoscope.errors import AuditError
from phonoscope.synthesis.corpus import synthesise_tokens

SYNTHETIC = "synthetic"
RATE = 8000.0
SECONDS = 1.0  # of longer recordings, the loudest stretch
_FRONT, _BACK = ("i", "ɪ", "ɛ", "æ"), ("u", "ʊ", "ɔ", "ɑ")
_GAP = (0.02, 0.08)  # s, between the syllables
_EDGE = (0.04, 0.16)
_FLOOR_DB = (-48.0, -34.0)
_SLOPE_DB = (-7.0, -2.0)  # an octave
_LOUDER_DB = 4.0  # standard deviation
_REPEATS = 5
_FEWEST = 60  # clips of a folder
_SHORTEST, _SILENT = 0.25, 1e-4  # s and full scale: recordings below either are left out


@dataclass(frozen=True)
class Clips:
    """Clips with what is said in them and who says it.

    Parameters
    ----------
    sounds
        Each of shape (sample,).
    rate
        Sample rate of all, Hz.
    words
        What is said: two vowel sets for synthetic ones, folder or name for recordings.
    speakers
        Who; the recording where that is not known.
    """

    sounds: Sequence[np.ndarray]
    rate: float
    words: np.ndarray
    speakers: np.ndarray

    def halves(self, seed: int) -> np.ndarray:
        """0 or 1 for each clip by what is said: a random half of the words."""
        words = np.unique(self.words)
        chosen = np.random.default_rng(seed).permutation(words)[: len(words) // 2]
        return np.isin(self.words, chosen).astype(int)


def synthetic_clips(count: int, seed: int) -> Clips:
    """Two syllables of a synthetic talker each, with level, silences and background that do not depend on the vowels.

    Parameters
    ----------
    count
        Of clips.
    seed
        Of talkers and everything else.
    """
    rng = np.random.default_rng([seed, 7])
    talkers = max(8, -(-count // 28))
    spoken, table = synthesise_tokens(
        talkers, vowels=(*_FRONT, *_BACK), repeats=_REPEATS * 2, sample_rate=round(RATE), seed=seed, room=False
    )
    sounds, words, speakers = [], [], []
    for talker, rows in table.groupby("speaker", sort=True):
        for word, vowels in enumerate((_FRONT, _BACK)):
            tokens = rng.permutation(rows.index[rows["label"].isin(vowels)].to_numpy())
            for a, b in tokens[: len(tokens) // 2 * 2].reshape(-1, 2):
                sounds.append(_clip([spoken[a], spoken[b]], rng))
                words.append(str(word))
                speakers.append(str(talker))
    order = rng.permutation(len(sounds))[:count]
    return Clips([sounds[i] for i in order], RATE, np.array(words)[order], np.array(speakers)[order])


def _clip(syllables: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    gaps = [np.zeros(round(rng.uniform(*span) * RATE)) for span in (_EDGE, _GAP, _EDGE)]
    length = [round(rng.uniform(0.09, 0.2) * RATE) for _ in syllables]  # vowels differ in duration, clips must not
    cut = [_as_long(each / np.sqrt(np.mean(each**2) + 1e-12), n) for each, n in zip(syllables, length, strict=True)]
    sound = np.concatenate([gaps[0], cut[0], gaps[1], cut[1], gaps[2]])
    size = len(sound)
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    colour = 10 ** (rng.uniform(*_SLOPE_DB) * np.log2(np.maximum(hertz, 100) / 100) / 20)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * colour, size)
    noise *= 10 ** (rng.uniform(*_FLOOR_DB) / 20) / np.sqrt(np.mean(noise**2))
    return 0.05 * 10 ** (_LOUDER_DB * rng.standard_normal() / 20) * (sound + noise)


def _as_long(sound: np.ndarray, length: int) -> np.ndarray:
    """A vowel cut, or drawn out by playing it again forth and back, with soft ends."""
    whole = np.concatenate([sound, sound[::-1]])
    made = np.resize(whole, length).astype(float)
    ramp = min(round(0.015 * RATE), length // 2)
    made[:ramp] *= np.linspace(0, 1, ramp)
    made[-ramp:] *= np.linspace(1, 0, ramp)
    return made


def read_clips(folder: Path, count: int, seed: int) -> Clips:
    """Clips of a corpus folder, at 8 kHz, one second each at most.

    Where the folder has fewer recordings than clips are asked for, long ones give several: their loudest second first.

    Parameters
    ----------
    folder
        In any layout that the corpora room knows.
    count
        At most so many, drawn.
    seed
        Of the draw.

    Raises
    ------
    AuditError
        If there are too few recordings to train and to audit.
    """
    root, _, recordings = find_recordings(folder)
    rng = np.random.default_rng(seed)
    chosen = [recordings[i] for i in rng.permutation(len(recordings))[:count]]
    most = -(-count // max(len(chosen), 1))
    rounds: list[list[tuple[np.ndarray, str, str]]] = [[] for _ in range(most)]
    for each in chosen:
        samples, _ = read_audio(each.audio, round(RATE))
        inside = each.audio.relative_to(root)
        word = inside.parts[0] if len(inside.parts) > 1 and inside.parts[0] != "recordings" else inside.stem[0]
        for number, sound in enumerate(_loudest(samples, most)):
            rounds[number].append((sound, word, each.speaker or inside.stem))
    found = [clip for some in rounds for clip in some][:count]
    if len(found) < _FEWEST:
        raise AuditError(f"{folder} gives {len(found)} clips that can be used; the benchmark needs at least {_FEWEST}")
    found = [found[i] for i in rng.permutation(len(found))]
    sounds, words, speakers = zip(*found, strict=True)
    return Clips(list(sounds), RATE, np.array(words), np.array(speakers))


def _loudest(samples: np.ndarray, most: int) -> list[np.ndarray]:
    """The loudest seconds of a recording that do not overlap, without silent and very short ones."""
    length, found = round(SECONDS * RATE), []
    power = np.cumsum(np.concatenate([[0.0], samples**2]))
    free = np.ones(max(len(samples) - length, 0) + 1, dtype=bool)
    while len(found) < most and free.any():
        last = len(samples) if len(samples) <= length else length
        energy = np.where(free, power[last:][: len(free)] - power[: len(free)], -1.0)
        first = int(np.argmax(energy))
        sound = samples[first : first + length]
        if len(sound) < _SHORTEST * RATE or np.sqrt(np.mean(sound**2)) < _SILENT:
            break
        found.append(sound)
        free[max(first - length + 1, 0) : first + length] = False
    return found
