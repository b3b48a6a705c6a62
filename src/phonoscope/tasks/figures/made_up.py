"""Made-up data for the examples of the gallery: vowels of synthetic talkers, a map, a first layer."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

RATE = 16_000


@cache
def vowels() -> tuple[list[np.ndarray], pd.DataFrame]:
    """Sounds and token table of four synthetic talkers' vowels, with their planted formants."""
    from phonoscope.synthesis.corpus import synthesise_tokens

    sounds, tokens = synthesise_tokens(4, repeats=3, sample_rate=RATE, seed=1)
    true = [column for column in tokens if str(column).startswith("true_")]
    return sounds, tokens.rename(columns={column: str(column).removeprefix("true_") for column in true})


def made_up_map(peaks: tuple[float, ...] = (700.0, 1700.0), seed: int = 0) -> xr.DataArray:
    """A map of 8 × 5 cells up to 4 kHz with more at the peaks (Hz), less at 3 kHz."""
    frequency, time = 250.0 + 500.0 * np.arange(8), (np.arange(5) + 0.5) / 5
    height = sum(np.exp(-(((frequency - peak) / 400) ** 2)) for peak in peaks)
    height = height - 0.5 * np.exp(-(((frequency - 3000) / 500) ** 2))
    values = np.outer(height, 1 - (time - 0.5) ** 2) + np.random.default_rng(seed).normal(0, 0.05, (8, 5))
    return xr.DataArray(values, dims=("frequency", "time"), coords={"frequency": frequency, "time": time})


def confused() -> tuple[list[str], list[str]]:
    """True and predicted classes of 120 tokens."""
    true = ["i"] * 40 + ["æ"] * 40 + ["ɑ"] * 40
    return true, ["i"] * 38 + ["æ"] * 2 + ["æ"] * 31 + ["ɑ"] * 9 + ["ɑ"] * 38 + ["æ"] * 2


@cache
def first_layer() -> Any:
    """A bank of 20 filters of 16 ms, as a network might learn it: half at low frequencies, half around 3 kHz."""
    from phonoscope.filters.bank import Branch, FilterBank

    time = (np.arange(256) - 127.5) / RATE
    centres = np.concatenate([np.linspace(200, 1500, 10), np.linspace(2500, 3500, 10)])
    widths = np.linspace(0.003, 0.0015, 20)
    filters = np.cos(2 * np.pi * centres[:, None] * time) * np.exp(-((time / widths[:, None]) ** 2))
    filters += np.random.default_rng(0).normal(0, 0.03, filters.shape)
    return FilterBank([Branch(filters.astype(np.float32), 80)], RATE)
