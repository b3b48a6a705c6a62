"""Shams: changes of the same size, in the picture that the network gets, that move no resonance.

A sham is a ripple over frequency: fixed patterns of gain, smooth over a few ERB, that raise some bands and lower others
without regard to formants. Its size is set so that the network's picture changes by as much, in root mean square, as
under the stimulus that it stands for. What a network answers to it is what any change of that size does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from phonoscope.manipulate.measures import formants
from phonoscope.manipulate.sounds import Sounds, filtered, frames, weights
from phonoscope.scales import hz_to_erb

PATTERNS = 4
_PERIODS_ERB = (3.0, 8.0)  # a formant is about 1 to 2 ERB wide
_COSINES = 6
_FIRST_DB, _MOST_DB = 3.0, 15.0
_ROUNDS = 3

Pictures = Callable[[Sequence[np.ndarray]], np.ndarray]


def ripples(hertz: np.ndarray, count: int = PATTERNS, seed: int = 0) -> np.ndarray:
    """Patterns of gain over frequency, shape (pattern, bin), each of mean 0 and root mean square 1 over the ERB scale.

    Parameters
    ----------
    hertz : ndarray (bin,)
        Frequencies.
    count, seed
        How many, and where their random phases start.
    """
    rng = np.random.default_rng(seed)
    erb = hz_to_erb(hertz)
    periods = rng.uniform(*_PERIODS_ERB, (count, _COSINES, 1))
    waves = np.cos(2 * np.pi * erb / periods + rng.uniform(0, 2 * np.pi, periods.shape)).sum(axis=1)
    even = np.linspace(erb[0], erb[-1], 512)
    on_scale = np.stack([np.interp(even, erb, wave) for wave in waves])
    return (waves - on_scale.mean(axis=1, keepdims=True)) / on_scale.std(axis=1, keepdims=True)


def sham_sounds(
    sounds: Sounds, of: np.ndarray, sizes: np.ndarray, signs: np.ndarray, patterns: np.ndarray, pictures: Pictures,
    before: np.ndarray, seed: int = 0,
) -> tuple[Sounds, np.ndarray]:  # fmt: skip
    """Make shams of a given size.

    Parameters
    ----------
    sounds
        The recorded sounds.
    of : ndarray (sham,)
        Which of them each sham is made of.
    sizes : ndarray (sham,)
        Wanted change of the picture, root mean square over its cells.
    signs : ndarray (sham,)
        1 or −1: the same pattern or its inverse.
    patterns : ndarray (sham,)
        Number of the pattern.
    pictures
        From 1-D arrays, as long as the recorded ones, to pictures (sound, cell).
    before : ndarray (sham, cell)
        Picture of the recorded sound that each sham is made of.
    seed
        Of the patterns.

    Returns
    -------
    Sounds, ndarray (sham,)
        The shams, and by how much each changed the picture.
    """
    cut = sounds.shared(frames)
    gains = torch.as_tensor(ripples(cut.hertz, PATTERNS, seed), dtype=torch.float32, device=sounds.samples.device)
    fading = torch.as_tensor(weights(sounds), dtype=torch.float32, device=gains.device)
    places, which = (torch.as_tensor(np.array(values), device=gains.device) for values in (of, patterns))
    direction = torch.as_tensor(np.asarray(signs, dtype=np.float32), device=gains.device)
    still = sounds[of]
    # The poles of a sham are numbered by those of its sound: none of them is meant to move.
    expected = formants(sounds)[0][of]
    amounts, reached, made = np.full(len(of), _FIRST_DB), np.zeros(len(of)), still
    for number in range(_ROUNDS):
        level = torch.as_tensor(amounts, dtype=torch.float32, device=gains.device) * direction
        decibels = level[:, None, None] * fading[places][:, :, None] * gains[which][:, None, :]
        made = still.changed(filtered(sounds, places, 10 ** (decibels / 10)), expected=expected)
        reached = np.sqrt(np.square(pictures(made.arrays) - before).mean(axis=1))
        if number + 1 < _ROUNDS:
            ratio = np.divide(sizes, reached, out=np.ones(len(of)), where=reached > 0)
            amounts = np.minimum(amounts * ratio, _MOST_DB)
    return made, reached
