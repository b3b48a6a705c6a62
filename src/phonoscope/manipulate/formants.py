"""Formants, bandwidths and vocal-tract length: the ratio of two resonators on the recorded sound, frame by frame.

Each short frame is multiplied by ``|R(f; F', B')| / |R(f; F, B)|`` with
``R(f; F, B) = 1 / (1 - 2 r cos θ z⁻¹ + r² z⁻²)``, ``r = exp(-πB/fs)``, ``θ = 2πF/fs``: the resonance that was measured
is cancelled, another is put in its place. The frame keeps its energy and its phases, so that F0, duration and noise
stay what they were.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import xarray as xr
from scipy.interpolate import interp1d
from torch import Tensor

from phonoscope.manipulate import measures
from phonoscope.manipulate.cue import Asked, Cue
from phonoscope.manipulate.numbering import FORMANTS, tracks
from phonoscope.manipulate.sounds import Sounds, filtered, frames, weights

LEAST_GAP_HZ = 200.0  # formants that come nearer push their neighbour, unless they were nearer from the start
LEAST_HZ = 80.0
BANDWIDTHS_HZ = (30.0, 600.0)
_FRAMES_PER_MEASURE = 2  # formants are measured every 11 ms, and interpolated
SPEED_OF_SOUND = 35000.0  # cm/s, in warm moist air


def found_tracks(sounds: Sounds) -> tuple[np.ndarray, np.ndarray]:
    """F1 to F4 and their bandwidths at each frame, both (sound, frame, 4) in Hz, without gaps where one is known."""
    times = sounds.shared(frames).times
    middles = (sounds.start + sounds.end) / 2
    some = times[::_FRAMES_PER_MEASURE]
    found = tracks(sounds.arrays, sounds.sample_rate, some, middles, sounds.ceiling)
    frequency, bandwidth = (interp1d(some, part, axis=1, fill_value="extrapolate")(times) for part in found)
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
    """Return ``1 / |R|²`` of resonators, shape (sound, frame, bin).

    Parameters
    ----------
    frequency, bandwidth : array (sound, frame)
        Of the resonators, Hz.
    hertz : array (bin,)
        Where the spectrum is looked at.
    rate : float
        Sample rate, Hz.
    like : Tensor
        Of the kind and on the device wanted.
    """
    half, bins = np.pi * frequency / rate, np.pi * hertz / rate
    r = np.exp(-np.pi * bandwidth / rate)
    to = partial(torch.as_tensor, dtype=like.dtype, device=like.device)
    # sin of half the distance between the frequency and the pole, and its mirror image: exact near the pole.
    waves, nearest = to(np.stack([np.sin(bins), np.cos(bins)])), to((1 - r) ** 2)[..., None]
    weights = np.sqrt(4 * r)[..., None] * np.stack([np.cos(half), np.sin(half)], axis=-1)
    pole, mirrored = (to(weights * signs) @ waves for signs in ((1.0, -1.0), (1.0, 1.0)))
    return torch.addcmul(nearest, pole, pole).mul_(torch.addcmul(nearest, mirrored, mirrored))


def replaced(
    recorded: Sounds, asked: Asked, old: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray]
) -> Tensor:
    """Samples of stimuli whose resonances are replaced.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    old, new
        Frequencies and bandwidths in Hz, of the recorded sounds (sound, frame, 4) and of the stimuli (stimulus, frame,
        4); only those that differ take part, and NaN never does.
    """
    cut = recorded.shared(frames)
    of = torch.as_tensor(asked.of, device=cut.power.device)
    gain = torch.ones((), dtype=cut.power.dtype, device=cut.power.device)
    for k in range(FORMANTS):
        was, becomes = ([part[..., k] for part in pair] for pair in (old, new))
        unknown = np.isnan(was[0])
        moved = (was[0][asked.of] != becomes[0]) | (was[1][asked.of] != becomes[1])
        if not (moved & ~unknown[asked.of]).any():
            continue
        was, becomes = (
            [np.where(hole, 500.0, part) for part in pair]
            for pair, hole in ((was, unknown), (becomes, unknown[asked.of]))
        )
        parts = [loss(*pair, cut.hertz, recorded.sample_rate, cut.power) for pair in (was, becomes)]
        gain = parts[0][of].div_(parts[1]) * gain
    return filtered(recorded, of, gain)


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


def known_tracks(recorded: Sounds, given: xr.Dataset | None) -> tuple[np.ndarray, np.ndarray]:
    """Tracks that were given, or else found."""
    return recorded.shared(found_tracks) if given is None else given_tracks(recorded, given)


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
    known = known_tracks(recorded, tracks)
    old, bandwidth = (part[asked.of] for part in known)
    weight = recorded.shared(weights)[asked.of]
    offset = (asked.scale.to(asked.value) - asked.scale.to(asked.before))[:, None]
    path = old[..., k]
    if trajectory is not None:
        points = np.asarray(trajectory, dtype=float)
        path = path + weight * (np.interp(cut.times, points[:, 0], points[:, 1]) - path)
        offset = (asked.value - _at_middle(recorded, points)[asked.of])[:, None]
    wanted = old.copy()
    wanted[..., k] = np.maximum(asked.scale.back(asked.scale.to(path) + weight * offset), LEAST_HZ)
    new = ordered(wanted, old, k, recorded.sample_rate / 2)
    samples = replaced(recorded, asked, known, (new, bandwidth))
    return changed_formants(recorded, asked, samples, old, new)


def _at_middle(recorded: Sounds, points: np.ndarray) -> np.ndarray:
    return np.interp((recorded.start + recorded.end) / 2, points[:, 0], points[:, 1])


def changed_formants(recorded: Sounds, asked: Asked, samples: Tensor, old: np.ndarray, new: np.ndarray) -> Sounds:
    """Stimuli, with the formants that are to be expected in them: as measured, plus what they were moved by.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    samples
        Of the stimuli.
    old, new
        Tracks before and after, Hz, shape (stimulus, frame, 4).
    """
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
        lowest=measures.f0 if formant == 1 else None,  # there is no energy below F0 that a resonance could raise
    )


F1 = _formant_cue(1, (-240.0, -160.0, -80.0, 0.0, 80.0, 160.0, 240.0))
F2, F3, F4 = (_formant_cue(k, (-600.0, -400.0, -200.0, 0.0, 200.0, 400.0, 600.0)) for k in (2, 3, 4))


def change_bandwidth(recorded: Sounds, asked: Asked, *, formant: int, tracks: xr.Dataset | None = None) -> Sounds:
    """Make one resonance sharper or duller, by the same factor at every frame.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    formant
        1 to 4.
    tracks
        As in `move_formant`.
    """
    known = known_tracks(recorded, tracks)
    old, bandwidth = (part[asked.of] for part in known)
    weight = recorded.shared(weights)[asked.of]
    factor = np.maximum(asked.value, BANDWIDTHS_HZ[0] / 3) / asked.before
    wider = bandwidth.copy()
    wider[..., formant - 1] *= factor[:, None] ** weight
    return changed_formants(recorded, asked, replaced(recorded, asked, known, (old, wider)), old, old)


def bandwidth_value(sounds: Sounds, *, formant: int) -> np.ndarray:
    """Bandwidth of a formant, Hz, (sound,)."""
    return sounds.shared(measures.formants)[1][:, formant - 1]


def change_length(recorded: Sounds, asked: Asked, *, tracks: xr.Dataset | None = None) -> Sounds:
    """Move F1 to F4 by one factor, as a longer or shorter vocal tract does.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    tracks
        As in `move_formant`.
    """
    known = known_tracks(recorded, tracks)
    old, bandwidth = (part[asked.of] for part in known)
    weight = recorded.shared(weights)[asked.of]
    new = old * ((asked.before / asked.value)[:, None] ** weight)[..., None]
    return changed_formants(recorded, asked, replaced(recorded, asked, known, (new, bandwidth)), old, new)


def tract_length(sounds: Sounds) -> np.ndarray:
    """Apparent vocal-tract length, cm, (sound,): mean over F1 to F4 of ``(2k - 1) c / 4 F_k``, as of an even tube."""
    frequency = sounds.shared(measures.formants)[0]
    return ((2 * np.arange(1, FORMANTS + 1) - 1) * SPEED_OF_SOUND / (4 * frequency)).mean(axis=1)


def _bandwidth_cue(formant: int) -> Cue:
    return Cue(
        name=f"b{formant}",
        summary=f"bandwidth of formant {formant}",
        unit="Hz",
        steps=(-50.0, -33.0, 0.0, 50.0, 100.0),
        change=partial(change_bandwidth, formant=formant),
        measure=partial(bandwidth_value, formant=formant),
        units=("%",),
        step_unit="%",
        slack=15.0,
    )


B1, B2, B3 = (_bandwidth_cue(k) for k in (1, 2, 3))
TRACT = Cue(
    name="tract",
    summary="vocal-tract length: F1 to F4 by one factor",
    unit="cm",
    steps=(-15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0),
    change=change_length,
    measure=tract_length,
    units=("%",),
    step_unit="%",
    slack=0.2,
)
