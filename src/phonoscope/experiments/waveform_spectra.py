"""What the first layers of trained networks hear: response spectra by class beside random weights and no layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.classifier import Classifier
from phonoscope.filters import (
    band_shares,
    band_test,
    bank_of,
    cumulative_response,
    learned_minus_null,
    null_responses,
    null_test,
    spectral_peaks,
    spectrum_bank,
)
from phonoscope.geometry.table import geometry
from phonoscope.phonetics.bootstrap import resampling_unit, unit_weights

N_BOOTSTRAP = 1000
# What the paper reads off its curves (section 3.2), as bands: half an octave or so around the frequencies it names.
BANDS = {
    "around 500 Hz": (250.0, 750.0),
    "around 1 kHz": (750.0, 1500.0),
    "below 750 Hz": (60.0, 750.0),
    "2–3.5 kHz": (2000.0, 3500.0),
    "4–5 kHz": (4000.0, 5000.0),
}


@dataclass
class Heard:
    """Tables of one network's first layer: ``curves`` by class, tests of curves and bands, peaks, geometry."""

    curves: pd.DataFrame
    tests: pd.DataFrame
    bands: pd.DataFrame
    peaks: pd.DataFrame
    geometry: pd.DataFrame


def long_term_spectra(waveforms: Sequence[np.ndarray], sample_rate: int, points: int = 64) -> np.ndarray:
    """Long-term amplitude spectra, averaged to so many points up to half the sample rate, (recording, point)."""
    curves = cumulative_response(spectrum_bank(sample_rate), waveforms, sample_rate, scaling="rms").values[:, 1:]
    return curves[:, : curves.shape[1] // points * points].reshape(len(curves), points, -1).mean(axis=2)


def chosen_clips(tokens: pd.DataFrame, per_class: int, seed: int) -> np.ndarray:
    """Positions of tested recordings whose spectra are taken: at most `per_class` of each class, drawn at random."""
    random = np.random.default_rng(seed)
    tested = np.flatnonzero((tokens["split"] == "test").to_numpy(dtype=bool))
    classes = tokens["class"].to_numpy(dtype=object)
    own = [random.permutation(tested[classes[tested] == name])[:per_class] for name in sorted(set(classes[tested]))]
    return np.sort(np.concatenate(own))


def listen(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    tokens: pd.DataFrame,
    *,
    null_seeds: int,
    seed: int,
) -> Heard:
    """Measure the response spectra of a classifier's first layer, and the geometry of all its layers, with their nulls.

    Parameters
    ----------
    waveforms, tokens
        The recordings to send through, one row each with ``token, class, speaker, recording``. Each is scaled to the
        same root mean square without its mean, as the networks' input is.
    null_seeds
        Layers of the same shape with fresh random weights.
    """
    rate = classifier.sample_rate
    bank = bank_of(classifier, rate)
    names, labels = tokens["token"].tolist(), tokens["class"].tolist()
    learned = cumulative_response(bank, waveforms, rate, scaling="rms", tokens=names, strict=True)
    n_fft = learned.attrs["n_fft"]
    nulls = null_responses(bank, waveforms, n_seeds=null_seeds, seed=seed, n_fft=n_fft, scaling="rms", tokens=names)
    plain = cumulative_response(spectrum_bank(rate), waveforms, rate, n_fft=n_fft, scaling="rms", tokens=names)
    unit = resampling_unit(tokens[["speaker", "recording"]], len(tokens))
    weights = unit_weights(unit.n_units, N_BOOTSTRAP, seed)[:, unit.codes]
    bands = {name: limits for name, limits in BANDS.items() if limits[1] <= rate / 2}
    everything = ["all"] * len(labels)
    return Heard(
        curves=pd.concat(
            [learned_minus_null(learned, nulls, plain, labels=by, weights=weights) for by in (everything, labels)],
            ignore_index=True,
        ),
        tests=pd.concat([null_test(learned, nulls, labels=by) for by in (everything, labels)], ignore_index=True),
        bands=pd.concat(
            [_bands_with_intervals(learned, nulls, plain, bands, by, weights) for by in (everything, labels)],
            ignore_index=True,
        ),
        peaks=spectral_peaks(learned, weights=weights, nulls=nulls),
        geometry=geometry(classifier.network, gap=False, seed=seed),
    )


def _bands_with_intervals(
    learned: xr.DataArray,
    nulls: xr.DataArray,
    plain: xr.DataArray,
    bands: dict[str, tuple[float, float]],
    labels: Sequence[str],
    weights: np.ndarray,
) -> pd.DataFrame:
    """`band_test` with an interval of each share over speakers, and the share of the plain spectrum."""
    table = band_test(learned, nulls, bands, labels=labels)
    names = np.asarray(labels, dtype=object)
    values = learned.transpose("token", "frequency").values
    intervals = []
    for label in sorted(set(labels)):
        chosen = names == label
        drawn = weights[:, chosen]
        drawn = drawn[drawn.sum(axis=1) > 0]
        samples = xr.DataArray(
            drawn @ values[chosen], dims=("draw", "frequency"), coords={"frequency": learned["frequency"].values}
        )
        shares = band_shares(samples, bands).groupby("band", sort=False)["share"]
        own = band_shares(plain.isel(token=np.flatnonzero(chosen)).mean("token"), bands)
        intervals.append(
            pd.DataFrame({"low": shares.quantile(0.025), "high": shares.quantile(0.975)})
            .reset_index()
            .merge(own[["band", "share"]].rename(columns={"share": "spectrum"}), on="band")
            .assign(label=label)
        )
    return table.merge(pd.concat(intervals), on=["label", "band"], how="left")
