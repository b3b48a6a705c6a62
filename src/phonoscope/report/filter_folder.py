"""A folder of what a first layer hears in some recordings: tables, figures, the turning surface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.files import write_json, write_with
from phonoscope.filters.atlas import filter_atlas, spacing
from phonoscope.filters.bank import FilterBank
from phonoscope.filters.crs import cumulative_response
from phonoscope.filters.nulls import N_SEEDS, learned_minus_null, null_responses, spectrum_bank
from phonoscope.filters.peaks import spectral_peaks
from phonoscope.filters.response import response_spectrum
from phonoscope.filters.scaling import Scaling, scaling_effect
from phonoscope.filters.significance import null_test
from phonoscope.filters.wigner import contours, coverage, wigner_plane
from phonoscope.judgement.bootstrap import resampling_unit
from phonoscope.judgement.resampling import resample
from phonoscope.phonetics.shares import FORMANT_SETS, POOLED, formant_shares, token_shares
from phonoscope.report.filters import atlas_figure, crs_figure, strs_figure, strs_surface, wigner_figure
from phonoscope.report.rotation import check_formats, write_rotation

GROUPINGS = ("label", "speaker")


def write_filters(
    bank: FilterBank,
    waveforms: Sequence[np.ndarray],
    out: str | Path,
    *,
    tokens: pd.DataFrame,
    scaling: Scaling = "rms",
    n_seeds: int = N_SEEDS,
    n_bootstrap: int = 1000,
    seed: int = 0,
    max_hz: float | None = None,
    by: str = "label",
    initial: FilterBank | None = None,
    formants: pd.DataFrame | None = None,
    rotation: Sequence[str] = ("gif",),
    strict: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:
    """Write tables and figures of what a first layer hears in some recordings into a folder.

    Parameters
    ----------
    bank : FilterBank
    waveforms : sequence of ndarray (sample,)
        At the rate of the bank.
    out : path
        Folder; gets ``atlas, contours, spacing, crs, null_test, peaks, scaling`` (CSV), with formants also
        ``formant_shares``, figures (PNG), the turning surface and ``summary.json``.
    tokens : DataFrame, one row a waveform
        ``token`` and, if known, ``label`` (class), ``speaker``, ``recording``: whole speakers or recordings are
        resampled.
    scaling, n_seeds, seed
        See `cumulative_response` and `null_responses`.
    by : {"label", "speaker"}
        Whose curves are drawn: one for each class, or for each speaker. One curve for all where that is not known.
    initial : FilterBank, optional
        The same layer before its training (`phonoscope.filters.initial_bank`).
    formants : DataFrame, optional
        Formant table of the tokens (those without formants take no part), for the share of the response in them.
    rotation : sequence of {"gif", "mp4", "html"}
        Formats of the turning surface of the first waveform, which takes some seconds; empty for none.
    progress : callable, optional
        Told the numbers of random layers done and in all.

    Returns
    -------
    dict
        Contents of ``summary.json``: the main numbers, what was left out, the files.

    Raises
    ------
    PhonoscopeError
        If a choice is not known, speakers are asked for and not known, or no waveform can be used.
    """
    out = Path(out)
    check_formats(rotation)
    if by not in GROUPINGS:
        raise PhonoscopeError(f"curves by {by!r} are not known; choose one of {', '.join(GROUPINGS)}")
    known = by in tokens and bool(tokens[by].notna().any())
    if by == "speaker" and not known:
        raise PhonoscopeError("nobody's speaker is known: give a token table with a column speaker")
    names = tokens["token"].tolist()
    learned = cumulative_response(bank, waveforms, bank.sample_rate, scaling=scaling, tokens=names, strict=strict)
    kept = tokens["token"].isin(learned["token"].values).to_numpy()
    waves = [wave for wave, good in zip(waveforms, kept, strict=True) if good]
    tokens = tokens[kept].reset_index(drop=True)
    options: dict[str, Any] = {"scaling": scaling, "tokens": tokens["token"].tolist(), "n_fft": learned.attrs["n_fft"]}
    nulls = null_responses(bank, waves, n_seeds=n_seeds, seed=seed, progress=progress, **options)
    plain = cumulative_response(spectrum_bank(bank.sample_rate), waves, bank.sample_rate, **options)
    labels = tokens[by].tolist() if known else None
    unit = resampling_unit(tokens[[c for c in ("speaker", "recording") if c in tokens]], len(tokens))
    drawn = resample(unit, n_bootstrap, seed)
    before = None if initial is None else cumulative_response(initial, waves, bank.sample_rate, **options)
    table = learned_minus_null(learned, nulls, plain, initial=before, labels=labels, resampled=drawn)
    tables = {
        "crs": table,
        "null_test": null_test(learned, nulls, labels=labels),
        "peaks": spectral_peaks(learned, resampled=drawn, nulls=nulls),
        "atlas": filter_atlas(bank),
        "contours": contours(bank),
        "scaling": scaling_effect(waves, bank.sample_rate, tokens=tokens["token"].tolist()),
    }
    if formants is not None:
        tables["formant_shares"] = response_formant_shares(learned, nulls, plain, formants, tokens, seed=seed)
    tables["spacing"], distances = spacing(tables["atlas"])
    strs = response_spectrum(bank, waves[0], bank.sample_rate, scaling=scaling)
    shown = Path(tokens["token"][0]).name
    figures = {
        "strs": strs_figure(strs, waves[0], max_hz=max_hz, title=shown),
        "surface": strs_surface(strs, max_hz=max_hz, title=shown),
        "crs": crs_figure(table, max_hz=max_hz),
        "atlas": atlas_figure(bank, max_hz=max_hz),
        "wigner": wigner_figure(bank, max_hz=max_hz),
    }
    files = [
        write_with(out / f"{name}.csv", lambda at, t=one: t.to_csv(at, index=False)) for name, one in tables.items()
    ]
    for name, figure in figures.items():
        files.append(write_with(out / f"{name}.png", lambda at, f=figure: f.savefig(at, dpi=150, facecolor="white")))
    files += [write_rotation(strs, out / f"rotation.{kind}", max_hz=max_hz, title=shown) for kind in rotation]
    summary = {
        "tokens": len(tokens),
        "unit": unit.level,
        "n_units": unit.n_units,
        "note": unit.note,
        "layer": learned.attrs["layer"],
        "n_filters": bank.n_filters,
        "resolution_hz": learned.attrs["resolution_hz"],
        "scaling": scaling,
        "by": by if known else None,
        "null_test": tables["null_test"].to_dict("records"),
        "peaks": tables["peaks"].head(5).to_dict("records"),
        "spacing": distances.to_dict("records"),
        "characters": tables["atlas"]["character"].value_counts().to_dict(),
        "coverage": coverage(wigner_plane(bank)),
        "share_below_20_hz": tables["scaling"][["before", "after"]].median().to_dict(),
        "left_out": learned.attrs["left_out"],
        "files": [path.as_posix() for path in files],
    }
    write_json(out / "summary.json", summary)
    return summary


def response_formant_shares(
    learned: xr.DataArray,
    nulls: xr.DataArray,
    plain: xr.DataArray,
    formants: pd.DataFrame,
    tokens: pd.DataFrame,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of cumulative responses in the formants of their own tokens, beside random weights and the plain spectrum.

    Parameters
    ----------
    learned, plain : DataArray, dims (token, frequency)
        From `cumulative_response`; ``plain`` through `spectrum_bank`.
    nulls : DataArray, dims (seed, token, frequency)
    formants : DataFrame
        Formant table with ``token``; tokens that it does not hold take no part.
    tokens : DataFrame
        ``token`` and, if known, ``label, speaker, recording``.

    Returns
    -------
    DataFrame
        As of `phonoscope.phonetics.shares.formant_shares` (``energy`` is the share of the plain spectrum), with
        ``random, random_low, random_high``: mean share of layers with random weights, and 95 % of them.

    Raises
    ------
    PhonoscopeError
        If no token has formants.
    """
    chosen = np.flatnonzero(tokens["token"].isin(formants["token"]).to_numpy(dtype=bool))
    if not len(chosen):
        raise PhonoscopeError("none of the tokens has formants: only vowels have, with a token table of phones")
    kept = tokens.iloc[chosen].reset_index(drop=True)
    labels = kept["label"].tolist() if "label" in kept else ["unlabelled"] * len(kept)
    clusters = kept[[c for c in ("speaker", "recording") if c in kept]]
    responses, spectra = learned.isel(token=chosen), plain.isel(token=chosen)
    max_hz = float(learned["frequency"][-1])
    table = formant_shares(
        responses, formants, max_hz=max_hz, labels=labels, clusters=clusters, energy=spectra, seed=seed
    )
    random = []
    for number in range(nulls.sizes["seed"]):
        own = nulls.isel(seed=number, token=chosen).assign_attrs(responses.attrs)
        shares = token_shares(own, formants, max_hz=max_hz).assign(label=labels * len(FORMANT_SETS))
        random.append(pd.concat([shares, shares.assign(label=POOLED)]).groupby(["label", "formant"])["share"].mean())
    grouped = pd.concat(random).groupby(level=[0, 1])
    law = pd.DataFrame(
        {"random": grouped.mean(), "random_low": grouped.quantile(0.025), "random_high": grouped.quantile(0.975)}
    )
    return table.merge(law.reset_index(), on=["label", "formant"], how="left")
