"""F0 and duration of voices, by Praat's overlap-add of periods (PSOLA; extra ``praat``).

WORLD's resynthesis (pyworld) was compared with it and keeps formants and spectra less well: docs/rooms/manipulate.md.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from phonoscope.errors import MissingExtraError
from phonoscope.manipulate import measures
from phonoscope.manipulate.cue import Asked, Cue
from phonoscope.manipulate.sounds import RAMP_SECONDS, Sounds
from phonoscope.manipulate.timing import remade
from phonoscope.phonetics.pitch import CEILING_HZ, FLOOR_HZ

_PSOLA_STEP_SECONDS = 0.005
_SHORTEST_FACTOR, _LONGEST_FACTOR = 0.2, 5.0
Factor = Callable[[np.ndarray], np.ndarray]  # of F0, at times in s


def psola(
    sound: np.ndarray,
    rate: float,
    stretch: tuple[float, float],
    f0_factor: Factor,
    longer: float,
) -> np.ndarray:
    """Change F0 and duration by Praat's overlap-add (Moulines & Charpentier 1990); needs the extra ``praat``.

    Parameters
    ----------
    sound : array (sample,)
        Mono.
    rate : float
        In Hz.
    stretch : (start, end)
        In s.
    f0_factor : function
        From times (s) to factors of F0.
    longer : float
        Factor of the duration of the stretch.
    """
    if find_spec("parselmouth") is None:
        raise MissingExtraError("praat-parselmouth", "praat")
    import parselmouth  # ty: ignore[import-not-found]

    call = parselmouth.praat.call
    whole = parselmouth.Sound(sound.astype(np.float64), rate)
    taken = call(whole, "To Manipulation", _PSOLA_STEP_SECONDS, FLOOR_HZ, CEILING_HZ)
    tier = call(taken, "Extract pitch tier")
    points = int(call(tier, "Get number of points"))
    times = np.array([call(tier, "Get time from index", n + 1) for n in range(points)])
    values = np.array([call(tier, "Get value at index", n + 1) for n in range(points)])
    moved = call("Create PitchTier", "moved", 0.0, whole.duration)
    for at, value in zip(times, values * f0_factor(times) if points else values, strict=True):
        call(moved, "Add point", at, value)
    if points:
        call([taken, moved], "Replace pitch tier")
    if longer != 1.0:
        durations = call("Create DurationTier", "longer", 0.0, whole.duration)
        eps = 1e-6
        for at, value in (
            (stretch[0] - eps, 1.0),
            (stretch[0] + eps, longer),
            (stretch[1] - eps, longer),
            (stretch[1] + eps, 1.0),
        ):
            if 0 < at < whole.duration:
                call(durations, "Add point", at, value)
        call([taken, durations], "Replace duration tier")
    return call(taken, "Get resynthesis (overlap-add)").values[0]


def _made(recorded: Sounds, asked: Asked, f0_factor: Callable[[int], Factor], longer: np.ndarray) -> Sounds:
    start, end = recorded.start[asked.of], recorded.end[asked.of]
    arrays = []
    for number, of in enumerate(asked.of):
        stretch = (float(start[number]), float(end[number]))
        sound = psola(recorded.arrays[of], recorded.sample_rate, stretch, f0_factor(number), float(longer[number]))
        recording = recorded.arrays[of]
        longer_by = (sound.size - recording.size) / recorded.sample_rate
        arrays.append(_as_loud(sound, (stretch[0], stretch[1] + longer_by), recording, stretch, recorded.sample_rate))
    gained = np.array([made.size - recorded.arrays[of].size for made, of in zip(arrays, asked.of, strict=True)])
    return remade(recorded, asked, arrays, start, end + gained / recorded.sample_rate)


def _as_loud(
    sound: np.ndarray, stretch: tuple[float, float], recording: np.ndarray, before: tuple[float, float], rate: float
) -> np.ndarray:
    """The sound with its stretch as loud as it was: overlapping more periods in the same time adds power."""

    def size(samples: np.ndarray, limits: tuple[float, float]) -> float:
        first, last = (round(limit * rate) for limit in limits)
        return float(np.sqrt(np.mean(np.square(samples[first:last], dtype=np.float64)))) if last > first else 0.0

    now, then = size(sound, stretch), size(recording, before)
    if not now > 0 or not then > 0:
        return sound.astype(np.float32)
    times = np.arange(sound.size) / rate
    outside = np.maximum(stretch[0] - times, times - stretch[1])
    return (sound * (then / now) ** np.clip(1 - outside / RAMP_SECONDS, 0, 1)).astype(np.float32)


def change_f0(recorded: Sounds, asked: Asked, *, contour: np.ndarray | None = None) -> Sounds:
    """Raise or lower the voice by one factor, or lead it along a contour.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    contour
        Factors of F0 beside the one asked for: times (as shares of the stretch, 0 to 1) and factors, (point, 2).
    """
    return _made(recorded, asked, _f0_factors(recorded, asked, contour), np.ones(len(asked.of)))


def _f0_factors(recorded: Sounds, asked: Asked, contour: np.ndarray | None = None) -> Callable[[int], Factor]:
    """Factor of F0 of each stimulus by time; none where F0 is not known, and fading out around the stretch."""
    factors = np.clip(np.nan_to_num(asked.value / asked.before, nan=1.0), _SHORTEST_FACTOR, _LONGEST_FACTOR)

    def factor_of(number: int) -> Factor:
        start, end = recorded.start[asked.of[number]], recorded.end[asked.of[number]]

        def factor(times: np.ndarray) -> np.ndarray:
            outside = np.maximum(start - times, times - end)
            weight = np.clip(1 - outside / RAMP_SECONDS, 0, 1)
            path = np.full(np.shape(times), factors[number])
            if contour is not None:
                points = np.asarray(contour, dtype=float)
                path = path * np.interp((times - start) / (end - start), points[:, 0], points[:, 1])
            return path**weight

        return factor

    return factor_of


def change_duration(recorded: Sounds, asked: Asked) -> Sounds:
    """Make the stretch shorter or longer; F0 and formants stay."""
    return _made(recorded, asked, lambda _: np.ones_like, _longer(asked))


def _longer(asked: Asked) -> np.ndarray:
    return np.clip(asked.value / asked.before, _SHORTEST_FACTOR, _LONGEST_FACTOR)


def change_voice(recorded: Sounds, f0: Asked, duration: Asked) -> Sounds:
    """F0 and duration at once: periods are overlapped once, not twice.

    Parameters
    ----------
    recorded
        See `Cue`.
    f0, duration
        Of the same stimuli; an F0 that is not known stays.
    """
    return _made(recorded, f0, _f0_factors(recorded, f0), _longer(duration))


F0 = Cue(
    name="f0",
    summary="fundamental frequency of the voice; a contour with the option contour",
    unit="Hz",
    steps=(-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0),
    change=change_f0,
    measure=measures.f0,
    units=("semitones", "Bark", "%"),
    step_unit="semitones",
    needs="a voice, and the extra praat",
    slack=2.0,
)
DURATION = Cue(
    name="duration",
    summary="duration of a voiced stretch",
    unit="s",
    steps=(-50.0, -25.0, 0.0, 25.0, 50.0, 100.0),
    change=change_duration,
    measure=measures.duration,
    units=("%",),
    step_unit="%",
    needs="the extra praat",
    slack=0.002,
)
