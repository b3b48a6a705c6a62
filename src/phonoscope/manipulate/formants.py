"""Formants, bandwidths and vocal-tract length: the ratio of two resonators on the recorded sound, frame by frame.

Each short frame is multiplied by ``|R(f; F', B')| / |R(f; F, B)|`` with ``R(f; F, B) = 1 / (1 - 2 r cos θ z⁻¹ + r² z⁻²)``,
``r = exp(-πB/fs)``, ``θ = 2πF/fs``: the resonance that was measured is cancelled, another is put in its place. The frame
keeps its energy and its phases, so that F0, duration and noise stay what they were.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from phonoscope.manipulate import measures
from phonoscope.manipulate.cue import Asked, Cue
from phonoscope.manipulate.numbering import FORMANTS, tracks
from phonoscope.manipulate.sounds import Sounds, filtered, frames

LEAST_GAP_HZ = 200.0  # formants that come nearer push their neighbour, unless they were nearer from the start
LEAST_HZ = 80.0
BANDWIDTHS_HZ = (30.0, 600.0)
SPEED_OF_SOUND = 35000.0  # cm/s, in warm moist air


def found_tracks(sounds: Sounds) -> tuple[np.ndarray, np.ndarray]:
    """F1 to F4 and their bandwidths at each frame, both (sound, frame, 4) in Hz, without gaps where one is known."""
    times = sounds.shared(frames).times
    middles = (sounds.start + sounds.end) / 2
    frequency, bandwidth = tracks(sounds.arrays, sounds.sample_rate, times, middles, sounds.ceiling)
    return frequency, np.clip(bandwidth, *BANDWIDTHS_HZ)


def given_tracks(sounds: Sounds, given: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Tracks (of `phonoscope.formants`) at each frame, the same for all sounds; both (sound, frame, 4) in Hz."""
    times = sounds.shared(frames).times
    found = []
    for name in ("frequency", "bandwidth"):
        track = given[name].isel(formant=slice(0, FORMANTS)).interpolate_na("time", fill_value="extrapolate")
        at = track.interp(time=times, kwargs={"fill_value": "extrapolate"}).values
        found.append(np.broadcast_to(at, (len(sounds), *at.shape)))
    return found[0], np.clip(found[1], *BANDWIDTHS_HZ)


def loss(frequency: np.ndarray, bandwidth: np.ndarray, hertz: np.ndarray, rate: float, like: Tensor) -> Tensor:
    """Return ``1 / |R|²`` at frequencies (bin,) of resonators (sound, frame): shape (sound, frame, bin)."""
    half = np.pi * frequency / rate
    r = np.exp(-np.pi * bandwidth / rate)
    to = partial(torch.as_tensor, dtype=like.dtype, device=like.device)
    bins = np.pi * hertz / rate
    # sin of half the distance between the frequency and the pole, and its mirror image: exact near the pole.
    rising, falling = to(np.sin(bins)) * to(np.cos(half))[..., None], to(np.cos(bins)) * to(np.sin(half))[..., None]
    nearest, spread = to((1 - r) ** 2)[..., None], to(4 * r)[..., None]
    return (nearest + spread * (rising - falling) ** 2) * (nearest + spread * (rising + falling) ** 2)


def replaced(
    recorded: Sounds, asked: Asked, old: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray]
) -> Tensor:
    """Samples of stimuli whose resonances are replaced.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    old, new
        Frequencies and bandwidths (stimulus, frame, 4) in Hz; only those that differ take part, and NaN never does.
    """
    cut = recorded.shared(frames)
    gain = torch.ones((), dtype=cut.power.dtype, device=cut.power.device)
    for k in range(FORMANTS):
        was, becomes = ([part[..., k] for part in pair] for pair in (old, new))
        known = np.isfinite(was[0]) & np.isfinite(becomes[0])
        if not (known & ((was[0] != becomes[0]) | (was[1] != becomes[1]))).any():
            continue
        was, becomes = ([np.where(known, part, 500.0) for part in pair] for pair in (was, becomes))
        parts = [loss(*pair, cut.hertz, recorded.sample_rate, cut.power) for pair in (was, becomes)]
        gain = gain * (parts[0] / parts[1])
    return filtered(recorded, torch.as_tensor(asked.of, device=cut.power.device), gain)


def ordered(new: np.ndarray, old: np.ndarray, k: int, top: float) -> np.ndarray:
    """Keep formants in order: those in the way of formant `k` are pushed on.

    Parameters
    ----------
    new, old : array (stimulus, frame, 4)
        Hz; only formant `k` differs.
    k : int
        Counted from 0.
    top : float
        No formant goes above it, Hz.
    """
    new = new.copy()
    new[..., k] = np.clip(new[..., k], LEAST_HZ + LEAST_GAP_HZ * k, top - LEAST_GAP_HZ * (FORMANTS - 1 - k))
    for below in range(k - 1, -1, -1):
        gap = np.minimum(LEAST_GAP_HZ, old[..., below + 1] - old[..., below])
        new[..., below] = np.fmin(new[..., below], new[..., below + 1] - gap)
    for above in range(k + 1, FORMANTS):
        gap = np.minimum(LEAST_GAP_HZ, old[..., above] - old[..., above - 1])
        new[..., above] = np.fmax(new[..., above], new[..., above - 1] + gap)
    return new


def _known(recorded: Sounds, asked: Asked, given: xr.Dataset | None) -> tuple[np.ndarray, np.ndarray]:
    found = recorded.shared(found_tracks) if given is None else given_tracks(recorded, given)
    return found[0][asked.of], found[1][asked.of]


def move_formant(
    recorded: Sounds,
    asked: Asked,
    *,
    formant: int,
    tracks: xr.Dataset | None = None,
    trajectory: np.ndarray | None = None,
) -> Sounds:
    """Move one formant; those in its way are pushed on.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    formant
        1 to 4.
    tracks
        Formants of the sound (`phonoscope.formants`), where they are known better than what is measured here.
    trajectory
        Times (s) and values (Hz) of the formant, shape (point, 2), instead of its own movement.
    """
    cut, k = recorded.shared(frames), formant - 1
    old, bandwidth = _known(recorded, asked, tracks)
    weight = cut.weights(recorded.start, recorded.end)[asked.of]
    offset = (asked.scale.to(asked.value) - asked.scale.to(asked.before))[:, None]
    path = old[..., k]
    if trajectory is not None:
        points = np.asarray(trajectory, dtype=float)
        path = path + weight * (np.interp(cut.times, points[:, 0], points[:, 1]) - path)
        offset = (asked.value - _at_middle(recorded, points)[asked.of])[:, None]
    wanted = old.copy()
    wanted[..., k] = np.maximum(asked.scale.back(asked.scale.to(path) + weight * offset), LEAST_HZ)
    new = ordered(wanted, old, k, recorded.sample_rate / 2)
    samples = replaced(recorded, asked, (old, bandwidth), (new, bandwidth))
    return _changed(recorded, asked, samples, old, new)


def _at_middle(recorded: Sounds, points: np.ndarray) -> np.ndarray:
    return np.interp((recorded.start + recorded.end) / 2, points[:, 0], points[:, 1])


def _changed(recorded: Sounds, asked: Asked, samples: Tensor, old: np.ndarray, new: np.ndarray) -> Sounds:
    """Stimuli, with the formants that are to be expected in them: as measured, plus what they were moved by."""
    stimuli = recorded[asked.of]
    times = recorded.shared(frames).times
    middle = np.abs(times - ((stimuli.start + stimuli.end) / 2)[:, None]).argmin(axis=1)
    rows = np.arange(len(middle))
    expected = recorded.shared(measures.formants)[0][asked.of] + (new - old)[rows, middle]
    return stimuli.changed(samples, expected=expected)


def formant_value(sounds: Sounds, *, formant: int) -> np.ndarray:
    """Frequency of a formant, Hz, (sound,)."""
    return sounds.shared(measures.formants)[0][:, formant - 1]


def _formant_cue(formant: int, steps: tuple[float, ...]) -> Cue:
    return Cue(
        name=f"f{formant}",
        summary=f"frequency of formant {formant}; its neighbours are pushed on where it meets them",
        unit="Hz",
        steps=steps,
        change=partial(move_formant, formant=formant),
        measure=partial(formant_value, formant=formant),
        units=("Bark", "%"),
        slack=20.0,
    )


F1 = _formant_cue(1, (-240.0, -160.0, -80.0, 0.0, 80.0, 160.0, 240.0))
F2, F3, F4 = (_formant_cue(k, (-600.0, -400.0, -200.0, 0.0, 200.0, 400.0, 600.0)) for k in (2, 3, 4))
