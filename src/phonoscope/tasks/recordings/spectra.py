"""What the first layers of trained networks hear: response spectra by class beside random weights and no layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.classifier import Classifier
from phonoscope.filters import (
    FilterBank,
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
from phonoscope.judgement.claims import SMALLEST_EFFECTS, above
from phonoscope.judgement.intervals import Interval, interval_of, limits
from phonoscope.judgement.resampling import resample
from phonoscope.judgement.units import cluster_rows, resampling_unit, unit_sums
from phonoscope.layer_geometry.table import geometry

N_BOOTSTRAP = 1000
SMALLEST = SMALLEST_EFFECTS["share"]
SPECTRUM_POINTS = 64  # a spectrum is averaged to so many points before it is classified
# What the paper reads off its curves (section 3.2), as bands: half an octave or so around the frequencies it names.
BANDS = {
    "around 500 Hz": (250.0, 750.0),
    "around 1 kHz": (750.0, 1500.0),
    "below 750 Hz": (60.0, 750.0),
    "2–3.5 kHz": (2000.0, 3500.0),
    "4–5 kHz": (4000.0, 5000.0),
}


def mean_spectra(
    bank: FilterBank, waveforms: Sequence[np.ndarray], points: int = SPECTRUM_POINTS, *, strict: bool = False
) -> np.ndarray:
    """Mean response of a bank to each waveform at equal level, averaged to so many points, (recording, point).

    Points lie up to half the sample rate, linear; the response of a ``spectrum_bank`` is the long-term spectrum.

    Parameters
    ----------
    bank
        Filters of a layer, or a ``spectrum_bank``.
    waveforms
        1-D arrays at the bank's sample rate.
    points
        Number of points.
    strict
        Stop at the first waveform that cannot be used, instead of leaving it out.
    """
    curves = cumulative_response(bank, waveforms, bank.sample_rate, scaling="rms", strict=strict).values[:, 1:]
    return curves[:, : curves.shape[1] // points * points].reshape(len(curves), points, -1).mean(axis=2)


def chosen_clips(tokens: pd.DataFrame, per_class: int, seed: int) -> np.ndarray:
    """Positions of tested recordings whose spectra are taken: at most `per_class` of each class, drawn at random.

    Parameters
    ----------
    tokens
        With ``class`` and ``split``.
    per_class
        Most recordings of each class.
    seed
        Of the draw.
    """
    random = np.random.default_rng(seed)
    tested = np.flatnonzero((tokens["split"] == "test").to_numpy(dtype=bool))
    classes = tokens["class"].to_numpy(dtype=object)
    own = [random.permutation(tested[classes[tested] == name])[:per_class] for name in sorted(set(classes[tested]))]
    return np.sort(np.concatenate(own))


def listen(
    classifiers: Sequence[Classifier],
    initial: Sequence[FilterBank],
    waveforms: Sequence[np.ndarray],
    tokens: pd.DataFrame,
    *,
    null_seeds: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Measure the response spectra of a network's first layer, and the geometry of all its layers, with their nulls.

    Parameters
    ----------
    classifiers
        The trainings of one network; curves are means over them.
    initial
        Their first layers before training.
    waveforms, tokens
        The recordings to send through, one row each with ``token, class, speaker, recording``. Each is scaled to the
        same root mean square without its mean, as the networks' input is.
    null_seeds
        Layers of the same shape with fresh random weights; there are none beside filters that are fixed, or of which
        nobody can see how they began.
    seed
        Of the random layers, the resampling and the geometry.

    Returns
    -------
    dict
        Tables of the run: ``curves`` by class, tests of curves and bands, peaks, geometry of each training; ``nulls``
        says what was drawn, or why nothing was: then there are no tests of curves, and all that is told from random
        layers is NaN.
    """
    rate = classifiers[0].sample_rate
    banks = [bank_of(each, rate) for each in classifiers]
    names, labels = tokens["token"].tolist(), tokens["class"].tolist()
    options: dict[str, Any] = {"scaling": "rms", "tokens": names}
    learned, before = (
        xr.concat(
            [cumulative_response(bank, waveforms, rate, strict=True, **options) for bank in layers],
            pd.Index(range(len(layers)), name="seed"),
            combine_attrs="override",
        )
        for layers in (banks, initial)
    )
    options["n_fft"] = learned.attrs["n_fft"]
    null, nulls = banks[0].untrained, None
    if null.can_be_drawn:
        nulls = null_responses(banks[0], waveforms, n_seeds=null_seeds, seed=seed, **options)
    plain = cumulative_response(spectrum_bank(rate), waveforms, rate, **options)
    units = tokens[["speaker", "recording"]]
    drawn = resample(resampling_unit(units, len(tokens)), N_BOOTSTRAP, seed)
    bands = {name: limits for name, limits in BANDS.items() if limits[1] <= rate / 2}
    groupings = (["all"] * len(labels), labels)
    tables = {
        "curves": [
            learned_minus_null(learned, nulls, plain, initial=before, labels=by, resampled=drawn) for by in groupings
        ],
        "curve_tests": [pd.DataFrame() if nulls is None else null_test(learned, nulls, labels=by) for by in groupings],
        "nulls": [
            pd.DataFrame([{"kind": null.kind, "words": null.words, "layers": 0 if nulls is None else null_seeds}])
        ],
        "bands": [_bands_with_intervals(learned, nulls, plain, bands, by, units) for by in groupings],
        "peaks": [spectral_peaks(_mean_of_trainings(learned), resampled=drawn, nulls=nulls)],
        "geometry_seeds": [
            _numbered_geometry(each, seed).assign(training=number) for number, each in enumerate(classifiers, 1)
        ],
    }
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def mean_geometry(table: pd.DataFrame) -> pd.DataFrame:
    """Means over trainings of geometry tables with ``network, number, training``; what is no number is the first's.

    ``B_least, B_most, mu_avg_least, mu_avg_most`` say how far the trainings lie apart.
    """
    grouped = table.groupby(["network", "number"], sort=False)
    numbers = [str(c) for c in table.select_dtypes("number") if c not in ("number", "training")]
    first = grouped.first()
    for name in numbers:
        first[name] = grouped[name].mean()
    for name in ("B", "mu_avg"):
        first[f"{name}_least"], first[f"{name}_most"] = grouped[name].min(), grouped[name].max()
    return first.drop(columns="training").assign(trainings=grouped.size()).reset_index()


def _mean_of_trainings(learned: xr.DataArray) -> xr.DataArray:
    """Mean response (token, frequency) over trainings, each at the same level: the scale of its weights is its own."""
    return (learned / learned.mean(("token", "frequency"))).mean("seed").assign_attrs(learned.attrs)


def _numbered_geometry(classifier: Classifier, seed: int) -> pd.DataFrame:
    table = geometry(classifier.network, gap=False, seed=seed)
    return table.assign(number=range(1, len(table) + 1))


def _bands_with_intervals(
    learned: xr.DataArray,
    nulls: xr.DataArray | None,
    plain: xr.DataArray,
    bands: dict[str, tuple[float, float]],
    labels: Sequence[str],
    units: pd.DataFrame,
) -> pd.DataFrame:
    """`band_test` with the interval of each share, its ratio to that of random weights, and the plain spectrum's share.

    ``low, high`` are of the share, over speakers and trainings; ``ratio, ratio_low, ratio_high`` are times the mean of
    random weights, whose spread counts too; ``p_more`` is that of "no more than random weights by `SMALLEST`",
    ``p_not_more`` that of the contrary.
    """
    table = band_test(learned, nulls, bands, labels=labels)
    names = np.asarray(labels, dtype=object)
    trained = learned.transpose("seed", "token", "frequency")
    random = None if nulls is None else nulls.transpose("seed", "token", "frequency")
    rows = []
    for label in sorted(set(labels)):
        chosen = np.flatnonzero(names == label)
        unit = resampling_unit(cluster_rows(units, chosen), len(chosen))
        observed = _shares(trained.values[:, chosen].mean(axis=1), trained, bands)
        of_random = None if random is None else _shares(random.values[:, chosen].mean(axis=1), random, bands)
        sums = np.stack(
            [unit_sums(values[chosen].astype(float), unit.codes, unit.n_units) for values in trained.values]
        )  # (training, unit, frequency)
        left_out = _shares(sums.sum(axis=1, keepdims=True) - sums, trained, bands).transpose(1, 0, 2)
        of_plain = _shares(plain.isel(token=chosen).mean("token").values, plain, bands)
        for b, band in enumerate(bands):
            share = interval_of(observed[:, b], left_out[:, :, b], unit, scale="proportion")
            row = {"label": label, "band": band, "low": share.low, "high": share.high, "spectrum": of_plain[b]}
            row |= dict.fromkeys(("ratio", "ratio_low", "ratio_high", "p_more", "p_not_more", "errors"), np.nan)
            if of_random is not None:
                ratio = _beyond_random(share, of_random[:, b])
                stands = above(ratio, 1 + SMALLEST)
                row |= {"ratio": ratio.estimate, "ratio_low": ratio.low, "ratio_high": ratio.high}
                row |= {"p_more": stands.p_for, "p_not_more": stands.p_against, "errors": stands.errors}
            rows.append(row | {"n_units": share.n_units, "unit": share.unit})
    return table.merge(pd.DataFrame(rows), on=["label", "band"], how="left")


def _beyond_random(share: Interval, random: np.ndarray) -> Interval:
    """Ratio of a share to the mean share of random layers, on the logarithm: their spread adds to that of the share.

    As many random layers would give a mean this far from their own as there are trainings.
    """
    n, null = len(random), random.mean()
    spread = random.std(ddof=1) / null * np.sqrt(1 / share.n_trainings + 1 / n)
    parts = np.array([share.error * (1 - share.estimate), spread]) ** 2  # of the logit and of the logarithm
    error = np.sqrt(parts.sum())
    df = parts.sum() ** 2 / (parts**2 / [share.df, n - 1]).sum()
    estimate = share.estimate / null
    low, high = limits(np.asarray(estimate), np.asarray(error), np.asarray(df), share.n_units, scale="ratio")
    return share._replace(estimate=estimate, low=float(low), high=float(high), error=float(error), df=df, scale="ratio")


def _shares(curves: np.ndarray, like: xr.DataArray, bands: dict[str, tuple[float, float]]) -> np.ndarray:
    """Share of each band of curves (..., frequency), on the last axis."""
    dims = [f"dim_{k}" for k in range(curves.ndim - 1)]
    array = xr.DataArray(curves, dims=(*dims, "frequency"), coords={"frequency": like["frequency"].values})
    table = band_shares(array, bands)
    return np.stack([table.loc[table["band"] == band, "share"].to_numpy() for band in bands], axis=-1).reshape(
        *curves.shape[:-1], len(bands)
    )
