"""A folder of what a first layer hears in some recordings: tables, figures, the rotating surface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
from phonoscope.judgement.resampling import Resampling, resample
from phonoscope.judgement.units import resampling_unit
from phonoscope.phonetics.shares import FORMANT_SETS, POOLED, formant_shares, token_shares
from phonoscope.report.filters import atlas_figure, crs_figure, strs_figure, strs_surface, wigner_figure
from phonoscope.report.rotation import check_formats, write_rotation


@dataclass(frozen=True)
class FilterSettings:
    """How `write_filters` measures a first layer and draws it.

    Parameters
    ----------
    scaling, n_seeds, seed
        See `cumulative_response` and `null_responses`.
    n_bootstrap
        Bootstrap samples of whole speakers or recordings.
    by : {"label", "speaker"}
        Whose curves are drawn: one for each class, or for each speaker. One curve for all where that is not known.
    max_hz
        Upper border of the figures, Hz; half the sample rate by default.
    rotation : sequence of {"gif", "mp4", "html"}
        Formats of the rotating surface of the first waveform, which takes some seconds; empty for none.
    """

    scaling: Scaling = "rms"
    n_seeds: int = N_SEEDS
    n_bootstrap: int = 1000
    seed: int = 0
    by: str = "label"
    max_hz: float | None = None
    rotation: Sequence[str] = ("gif",)

    def __post_init__(self) -> None:
        check_formats(self.rotation)
        if self.by not in ("label", "speaker"):
            raise PhonoscopeError(f"curves by {self.by!r} are not known; choose one of label, speaker")


class _Responses(NamedTuple):
    """Cumulative responses of the waveforms that can be used: of the layer, of random weights, of no layer."""

    tokens: pd.DataFrame
    waveforms: list[np.ndarray]
    learned: xr.DataArray
    nulls: xr.DataArray | None
    plain: xr.DataArray
    initial: xr.DataArray | None


def write_filters(
    bank: FilterBank,
    waveforms: Sequence[np.ndarray],
    tokens: pd.DataFrame,
    out: str | Path,
    settings: FilterSettings = FilterSettings(),
    *,
    initial: FilterBank | None = None,
    formants: pd.DataFrame | None = None,
    strict: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:
    """Write tables and figures of what a first layer hears in some recordings into a folder.

    Parameters
    ----------
    bank : FilterBank
    waveforms : sequence of ndarray (sample,)
        At the rate of the bank.
    tokens : DataFrame, one row a waveform
        ``token`` and, if known, ``label`` (class), ``speaker``, ``recording``: whole speakers or recordings are
        resampled.
    out : path
        Folder; gets ``atlas, contours, spacing, crs, null_test, peaks, scaling`` (CSV), with formants also
        ``formant_shares``, figures (PNG), the rotating surface and ``summary.json``. Layers that cannot be drawn anew
        (``bank.untrained``) get no ``null_test``.
    settings : FilterSettings
    initial : FilterBank, optional
        The same layer before its training (`phonoscope.filters.initial_bank`).
    formants : DataFrame, optional
        Formant table of the tokens (those without formants take no part), for the share of the response in them.
    strict : bool
        Stop at the first waveform that cannot be used.
    progress : callable, optional
        Called with the numbers of random layers done and in all.

    Returns
    -------
    dict
        Contents of ``summary.json``: the main numbers, what was left out, the files.

    Raises
    ------
    PhonoscopeError
        If speakers are asked for and not known, or no waveform can be used.
    """
    out, by = Path(out), settings.by
    known = by in tokens and bool(tokens[by].notna().any())
    if by == "speaker" and not known:
        raise PhonoscopeError("nobody's speaker is known: give a token table with a column speaker")
    responses = _responses(bank, waveforms, tokens, settings, initial, strict, progress)
    labels = responses.tokens[by].tolist() if known else None
    units = responses.tokens[[column for column in ("speaker", "recording") if column in tokens]]
    unit = resampling_unit(units, len(units))
    drawn = resample(unit, settings.n_bootstrap, settings.seed)
    tables, distances = _tables(bank, responses, labels, drawn)
    if formants is not None:
        tables["formant_shares"] = response_formant_shares(
            responses.learned, responses.nulls, responses.plain, formants, responses.tokens, seed=settings.seed
        )
    files = [
        write_with(out / f"{name}.csv", lambda at, t=table: t.to_csv(at, index=False)) for name, table in tables.items()
    ]
    files += _drawn(bank, responses, tables["crs"], out, settings)
    attrs = responses.learned.attrs
    summary = {
        "tokens": len(responses.tokens),
        "unit": unit.level,
        "n_units": unit.n_units,
        "note": unit.note,
        "layer": attrs["layer"],
        "n_filters": bank.n_filters,
        "resolution_hz": attrs["resolution_hz"],
        "scaling": settings.scaling,
        "by": by if known else None,
        "null": {"kind": bank.untrained.kind, "words": bank.untrained.words},
        "null_test": tables["null_test"].to_dict("records") if "null_test" in tables else [],
        "peaks": tables["peaks"].head(5).to_dict("records"),
        "spacing": distances.to_dict("records"),
        "characters": tables["atlas"]["character"].value_counts().to_dict(),
        "coverage": coverage(wigner_plane(bank)),
        "share_below_20_hz": tables["scaling"][["before", "after"]].median().to_dict(),
        "left_out": attrs["left_out"],
        "files": [path.as_posix() for path in files],
    }
    write_json(out / "summary.json", summary)
    return summary


def _responses(
    bank: FilterBank,
    waveforms: Sequence[np.ndarray],
    tokens: pd.DataFrame,
    settings: FilterSettings,
    initial: FilterBank | None,
    strict: bool,
    progress: Callable[[int, int], object] | None,
) -> _Responses:
    rate, options = bank.sample_rate, dict[str, Any](scaling=settings.scaling)
    learned = cumulative_response(bank, waveforms, rate, tokens=tokens["token"].tolist(), strict=strict, **options)
    usable = tokens["token"].isin(learned["token"].values).to_numpy()
    waves = [wave for wave, good in zip(waveforms, usable, strict=True) if good]
    tokens = tokens[usable].reset_index(drop=True)
    options |= {"tokens": tokens["token"].tolist(), "n_fft": learned.attrs["n_fft"]}
    return _Responses(
        tokens,
        waves,
        learned,
        null_responses(bank, waves, n_seeds=settings.n_seeds, seed=settings.seed, progress=progress, **options)
        if bank.untrained.can_be_drawn
        else None,
        cumulative_response(spectrum_bank(rate), waves, rate, **options),
        None if initial is None else cumulative_response(initial, waves, rate, **options),
    )


def _tables(
    bank: FilterBank, responses: _Responses, labels: list[Any] | None, drawn: Resampling
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Tables by name, and how far the filters' spacing is from that of each scale."""
    learned, nulls, names = responses.learned, responses.nulls, responses.tokens["token"].tolist()
    atlas = filter_atlas(bank)
    spaced, distances = spacing(atlas)
    tests = {} if nulls is None else {"null_test": null_test(learned, nulls, labels=labels)}
    return {
        "crs": learned_minus_null(
            learned, nulls, responses.plain, initial=responses.initial, labels=labels, resampled=drawn
        ),
        **tests,
        "peaks": spectral_peaks(learned, resampled=drawn, nulls=nulls),
        "atlas": atlas,
        "contours": contours(bank),
        "scaling": scaling_effect(responses.waveforms, bank.sample_rate, tokens=names),
        "spacing": spaced,
    }, distances


def _drawn(
    bank: FilterBank, responses: _Responses, curves: pd.DataFrame, out: Path, settings: FilterSettings
) -> list[Path]:
    """Write the figures, and the rotating surface of the first waveform."""
    wave, title, top = responses.waveforms[0], Path(responses.tokens["token"][0]).name, settings.max_hz
    strs = response_spectrum(bank, wave, bank.sample_rate, scaling=settings.scaling)
    figures = {
        "strs": strs_figure(strs, wave, max_hz=top, title=title),
        "surface": strs_surface(strs, max_hz=top, title=title),
        "crs": crs_figure(curves, max_hz=top),
        "atlas": atlas_figure(bank, max_hz=top),
        "wigner": wigner_figure(bank, max_hz=top),
    }
    files = [
        write_with(out / f"{name}.png", lambda at, f=figure: f.savefig(at, dpi=150, facecolor="white"))
        for name, figure in figures.items()
    ]
    turning = [write_rotation(strs, out / f"rotation.{kind}", max_hz=top, title=title) for kind in settings.rotation]
    return files + turning


def response_formant_shares(
    learned: xr.DataArray,
    nulls: xr.DataArray | None,
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
    nulls : DataArray, dims (seed, token, frequency), or None
        None for a layer that has no null.
    formants : DataFrame
        Formant table with ``token``; tokens that it does not hold take no part.
    tokens : DataFrame
        ``token`` and, if known, ``label, speaker, recording``.
    seed : int
        As of `phonoscope.phonetics.shares.formant_shares`.

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
    responses, max_hz = learned.isel(token=chosen), float(learned["frequency"][-1])
    how: dict[str, Any] = {"labels": labels, "clusters": clusters, "energy": plain.isel(token=chosen), "seed": seed}
    table = formant_shares(responses, formants, max_hz=max_hz, **how)
    if nulls is None:
        return table.assign(random=np.nan, random_low=np.nan, random_high=np.nan)
    random = []
    for number in range(nulls.sizes["seed"]):
        null = nulls.isel(seed=number, token=chosen).assign_attrs(responses.attrs)
        shares = token_shares(null, formants, max_hz=max_hz).assign(label=labels * len(FORMANT_SETS))
        random.append(pd.concat([shares, shares.assign(label=POOLED)]).groupby(["label", "formant"])["share"].mean())
    grouped = pd.concat(random).groupby(level=[0, 1])
    law = {"random": grouped.mean(), "random_low": grouped.quantile(0.025), "random_high": grouped.quantile(0.975)}
    return table.merge(pd.DataFrame(law).reset_index(), on=["label", "formant"], how="left")
