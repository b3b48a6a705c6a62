"""Two cues at once: tokens moved to every point of a grid of two formants, or of F0 and one, and asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.errors import PerceptionError
from phonoscope.manipulate import Sounds, measures, stimuli
from phonoscope.manipulate.formants import LEAST_GAP_HZ
from phonoscope.manipulate.joint import move_formants
from phonoscope.manipulate.numbering import FORMANTS
from phonoscope.perception.presenting import TOKEN_COLUMNS, Presented
from phonoscope.perception.trials import Trials
from phonoscope.scales import bark_to_hz, hz_to_bark

FORMANT_NAMES = tuple(f"f{k + 1}" for k in range(FORMANTS))
F0 = "f0"
USUAL_HZ = {
    "f0": (90.0, 300.0),
    "f1": (250.0, 1000.0),
    "f2": (700.0, 3000.0),
    "f3": (1500.0, 3500.0),
    "f4": (2900.0, 4600.0),
}
_TOKENS_AT_A_TIME = 16  # of like length
_SAMPLES_AT_A_TIME = 1 << 19

Answer = Callable[[list[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class FormantGrid:
    """Places in the plane of two formants, equally far apart on the Bark scale.

    Parameters
    ----------
    first, second
        Which formants, ``f1`` to ``f4``; the first lies below the second, and may be ``f0``.
    first_hz, second_hz
        Lowest and highest place, Hz.
    steps
        How many places along each.
    """

    first: str = "f1"
    second: str = "f2"
    first_hz: tuple[float, float] = USUAL_HZ["f1"]
    second_hz: tuple[float, float] = USUAL_HZ["f2"]
    steps: tuple[int, int] = (21, 21)

    def __post_init__(self) -> None:
        if not {self.first, self.second} <= {F0, *FORMANT_NAMES} or self.first >= self.second:
            raise PerceptionError(f"found a grid of {self.first} and {self.second}; expected two of f0 to f4, rising")
        rising = all(0 < low < high for low, high in (self.first_hz, self.second_hz))
        if min(self.steps) < 2 or not rising:
            raise PerceptionError(
                f"found {self.steps} places from {self.first_hz} to {self.second_hz} Hz; expected two or more, rising"
            )

    @classmethod
    def of(cls, cues: Sequence[str], places: int = 21) -> FormantGrid:
        """The usual grid of two formants, or of F0 and one, in either order.

        Parameters
        ----------
        cues
            Their names.
        places
            How many along each.

        Raises
        ------
        PerceptionError
            If they are something else.
        """
        first, *second = sorted(cues)
        if len(second) != 1 or not {first, *second} <= set(USUAL_HZ):
            raise PerceptionError(f"found a grid of {', '.join(cues) or 'nothing'}; expected two of f0 to f4, as f1,f2")
        return cls(first, second[0], USUAL_HZ[first], USUAL_HZ[second[0]], (places, places))

    @property
    def formants(self) -> dict[str, int]:
        """Positions of the formants among F1 to F4, from 0, by their names."""
        return {name: FORMANT_NAMES.index(name) for name in (self.first, self.second) if name != F0}

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Frequencies along each axis, Hz."""
        return _even(self.first_hz, self.steps[0]), _even(self.second_hz, self.steps[1])

    def pairs(self) -> np.ndarray:
        """Both frequencies of every place where two formants do not meet, Hz, shape (place, 2)."""
        first, second = (plane.ravel() for plane in np.meshgrid(*self.places, indexing="ij"))
        numbers = list(self.formants.values())
        apart = LEAST_GAP_HZ * (numbers[1] - numbers[0]) if len(numbers) > 1 else -np.inf  # F0 meets nobody
        return np.stack([first, second], axis=1)[second - first >= apart]

    def targets(self) -> np.ndarray:
        """F1 to F4 of every place of `pairs`, Hz, NaN for those that stay, shape (place, 4)."""
        pairs = self.pairs()
        targets = np.full((len(pairs), FORMANTS), np.nan)
        for name, number in self.formants.items():
            targets[:, number] = pairs[:, (self.first, self.second).index(name)]
        return targets

    def cells(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Number of the cell that frequencies (n,) in Hz lie in, counted along the second axis first; −1 outside."""
        found = []
        for values, places in zip((first, second), self.places, strict=True):
            bark = hz_to_bark(places)
            step = (bark[-1] - bark[0]) / (len(bark) - 1)
            at = np.round((hz_to_bark(np.asarray(values, dtype=float)) - bark[0]) / step)
            found.append(np.where((at >= 0) & (at < len(bark)), at, -1).astype(int))
        return np.where((found[0] >= 0) & (found[1] >= 0), found[0] * self.steps[1] + found[1], -1)


def grid_stimuli(
    tokens: pd.DataFrame,
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    grid: FormantGrid | None = None,
    *,
    context: float = 0.0,
    rounds: int = 2,
    **options: Any,
) -> Iterator[Presented]:
    """Move every token to every place of a grid, some tokens of like length at a time.

    Parameters
    ----------
    tokens
        With ``token``, and ``class, speaker, recording`` where they are known.
    waveforms
        One a token, with ``context`` seconds on either side.
    sample_rate
        In Hz.
    grid
        The places; the usual ones if not given.
    context
        In s.
    rounds
        As of `phonoscope.manipulate.joint.move_formants`.
    **options
        As of `phonoscope.manipulate.Sounds.of`: ``ceiling``, ``device``.

    F0 is moved first, and the formants in what that gives.

    Yields
    ------
    Presented
        With ``cue`` (as ``f1+f2``), ``step`` (number of the cell), where each formant was meant to be (``intended_f1``
        …), is (``f1`` … ``f4``) and was (``before_f1`` …); ``f0``, and ``before_f0`` where it was moved.
    """
    grid = grid or FormantGrid()
    pairs, targets = grid.pairs(), grid.targets()
    if not len(tokens) or len(tokens) != len(waveforms):
        raise PerceptionError(f"found {len(tokens)} tokens and {len(waveforms)} waveforms; expected as many")
    known = tokens.reindex(columns=[name for name in TOKEN_COLUMNS if name in tokens]).reset_index(drop=True)
    order = np.argsort([len(waveform) for waveform in waveforms], kind="stable")
    for some in np.array_split(order, -(-len(order) // _TOKENS_AT_A_TIME)):
        sounds = [waveforms[i] for i in some]
        ends = np.array([len(sound) / sample_rate - context for sound in sounds])
        recorded = Sounds.of(sounds, sample_rate, np.full(len(sounds), context), ends, **options)
        before, f0 = recorded.shared(measures.formants)[0], measures.f0(recorded)
        token = np.repeat(np.arange(len(sounds)), len(pairs))
        sources, of, lost = recorded, token, np.zeros(len(sounds), dtype=bool)
        if grid.first == F0:
            pitches, at = np.unique(pairs[:, 0], return_inverse=True)
            sources, lost = _at_pitches(sounds, sample_rate, pitches, context, **options)
            of = token * len(pitches) + np.tile(at, len(sounds))
        heard = measures.f0(sources)
        wanted, intended = np.tile(targets, (len(sounds), 1)), np.tile(pairs, (len(sounds), 1))
        parts = -(-len(of) * sources.samples.shape[1] // _SAMPLES_AT_A_TIME)
        for rows in np.array_split(np.arange(len(of)), parts):
            made, own = move_formants(sources, of[rows], wanted[rows], rounds=rounds), token[rows]
            table = known.iloc[some[own]].reset_index(drop=True).assign(
                cue=f"{grid.first}+{grid.second}", unit="Hz", achieved=np.nan, missed=made.missed | lost[of[rows]],
                step=grid.cells(*intended[rows].T).astype(float), f0=heard[of[rows]],
                **{f"intended_{name}": intended[rows, k] for k, name in enumerate((grid.first, grid.second))},
                **{name: made.achieved[:, k] for k, name in enumerate(FORMANT_NAMES)},
                **{f"before_{name}": before[own, k] for k, name in enumerate(FORMANT_NAMES)},
                **({"before_f0": f0[own]} if grid.first == F0 else {}),
            )  # fmt: skip
            edge = round(context * sample_rate)
            yield Presented(table, [sound[edge : len(sound) - edge] for sound in made.sounds.arrays])


def _at_pitches(
    waveforms: Sequence[np.ndarray], sample_rate: float, pitches: np.ndarray, context: float, **options: Any
) -> tuple[Sounds, np.ndarray]:
    """Every sound at every F0 (Hz), one after the other, and which of them missed it."""
    made = stimuli(waveforms, sample_rate, F0, pitches.tolist(), to=True, context=context, **options)
    start, end = made.table[["start", "end"]].to_numpy().T
    return Sounds.of(made.sounds, sample_rate, start, end, **options), made.table["missed"].to_numpy(dtype=bool)


def grid_trials(
    answer: Answer,
    tokens: pd.DataFrame,
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    labels: Sequence[str],
    grid: FormantGrid | None = None,
    **options: Any,
) -> Trials:
    """Ask about every token at every place of a grid; sounds are held only while they are asked about.

    Parameters
    ----------
    answer
        From sounds (1-D arrays) to log probabilities (sound, label), or (training, sound, label), as
        ``functools.partial(ask, classifier)``.
    tokens, waveforms, sample_rate, grid
        As of `grid_stimuli`.
    labels
        The answers, in the order of `answer`.
    **options
        As of `grid_stimuli`.
    """
    tables, answers = [], []
    for presented in grid_stimuli(tokens, waveforms, sample_rate, grid, **options):
        log_p = np.asarray(answer(presented.sounds), dtype=float)
        answers.append(log_p[None] if log_p.ndim == 2 else log_p)
        tables.append(presented.table)
    return Trials(pd.concat(tables, ignore_index=True), list(labels), np.concatenate(answers, axis=1))


def _even(ends: tuple[float, float], count: int) -> np.ndarray:
    """Frequencies in Hz, equally far apart on the Bark scale."""
    low, high = hz_to_bark(np.array(ends))
    return bark_to_hz(np.linspace(low, high, count))
