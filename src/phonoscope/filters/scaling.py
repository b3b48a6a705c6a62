"""How a waveform is scaled before the filters see it, and what that does to the lowest frequencies.

Min-max scaling, the published default, adds a constant to every sample: the offset alone can put the maximum of a
response spectrum at 0 Hz.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError

Scaling = Literal["none", "rms", "minmax"]

HEARD_HZ = 20.0  # nothing that is heard lies below
MINMAX_RANGE = 0.1  # amplitude; the published code maps every clip onto -0.1 ... 0.1


def scaled(waveform: np.ndarray, scaling: Scaling = "none") -> np.ndarray:
    """Scale a waveform.

    Parameters
    ----------
    waveform : ndarray (..., sample)
    scaling : {"none", "rms", "minmax"}
        ``none`` leaves it as it is; ``rms`` takes the mean off and divides by the root mean square; ``minmax`` is the
        paper's: smallest sample to -0.1, largest to 0.1, which shifts the mean.

    Raises
    ------
    PhonoscopeError
        If the scaling is not known, or the waveform is constant: then neither scaling is defined.
    """
    if scaling == "none":
        return np.asarray(waveform)
    if scaling not in get_args(Scaling):
        raise PhonoscopeError(f"scaling {scaling!r} is not known; choose one of {', '.join(get_args(Scaling))}")
    wave = np.asarray(waveform)
    wave = wave if wave.dtype.kind == "f" else wave.astype(np.float32)
    low, high = wave.min(axis=-1, keepdims=True), wave.max(axis=-1, keepdims=True)
    if (low == high).any():
        raise PhonoscopeError(f"the waveform is constant (every sample is {wave.flat[0]:g}): it cannot be scaled")
    if scaling == "minmax":
        return (2 * (wave - low) / (high - low) - 1) * MINMAX_RANGE
    centred = wave - wave.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(np.square(centred), axis=-1, keepdims=True))


def scaling_effect(
    waveforms: Iterable[np.ndarray],
    sample_rate: float,
    scaling: Scaling = "minmax",
    *,
    tokens: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Share of the energy below 20 Hz before and after scaling: what the scaling adds that nobody spoke.

    Parameters
    ----------
    waveforms : iterable of ndarray (sample,)
    sample_rate : float
        Hz.
    scaling : {"none", "rms", "minmax"}
        As of `scaled`.
    tokens : sequence of str, optional
        Names of the waveforms; their numbers when not given.

    Returns
    -------
    DataFrame
        ``token, before, after``: shares of the energy of the whole waveform, 0 to 1, NaN for silence.
    """
    rows = []
    for index, waveform in enumerate(waveforms):
        wave = np.asarray(waveform, dtype=np.float64)
        constant = wave.size == 0 or wave.min() == wave.max()
        after = np.nan if constant else _low_share(scaled(wave, scaling), sample_rate)
        rows.append((str(index) if tokens is None else tokens[index], _low_share(wave, sample_rate), after))
    return pd.DataFrame(rows, columns=["token", "before", "after"])


def _low_share(wave: np.ndarray, sample_rate: float) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2 if wave.size else np.zeros(1)
    power[1 : (wave.size + 1) // 2] *= 2  # each of these bins stands for two frequencies, f and -f
    below = np.fft.rfftfreq(max(wave.size, 1), 1 / sample_rate) < HEARD_HZ
    total = power.sum()
    return float(power[below].sum() / total) if total > 0 else float("nan")
