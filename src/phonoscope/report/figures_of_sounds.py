"""Figures of a run that need its sounds, its maps or its weights, at the width of a journal's column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.audio import audio_info, read_audio
from phonoscope.errors import PhonoscopeError
from phonoscope.report.figures import Ask
from phonoscope.report.overlays import add_colour_bar, draw_overlay
from phonoscope.report.printed import print_figure
from phonoscope.report.spectrograms import wideband_spectrogram
from phonoscope.report.speech import draw_speech, nearby_tiers
from phonoscope.report.style import INK, MUTED, POINTS, class_colour, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTEXT_SECONDS = 0.25
_OVERLAY_CONTEXT_SECONDS = 0.03
_MOST_SOUNDS = 60  # of a class, for response spectra
_RANDOM_LAYERS = 20


def wide_band(ask: Ask) -> Figure:
    """Wide-band spectrogram of a token and what stands around it."""
    return _speech(ask, "wide")


def narrow_band(ask: Ask) -> Figure:
    """Narrow-band spectrogram of a token and what stands around it."""
    return _speech(ask, "narrow")


def _speech(ask: Ask, window: str) -> Figure:
    from phonoscope.phonetics.formants import ceiling_for, formants

    row = _row(ask)
    waveform, rate, token = _sound(ask, row, CONTEXT_SECONDS)
    begin = float(row["start"]) - token[0]
    recording = ask.content.tokens[ask.content.tokens["recording"] == row["recording"]]
    tiers = nearby_tiers(recording, begin, begin + len(waveform) / rate)
    ceiling = min(ceiling_for(row.get("sex")), rate / 2)
    tracks = formants(waveform, rate, ceiling=ceiling) if window == "wide" else None
    figure = print_figure(70.0 + 8.0 * len(tiers), columns=ask.columns, width_mm=ask.width_mm)
    draw_speech(
        figure.subplots(),
        waveform,
        rate,
        window=window,
        max_hz=5000.0 if window == "wide" else 3000.0,
        tracks=tracks,
        tiers=tiers,
        token=token,
        title=f"{ask.content.name(row['class'])}, {row['token']}",
    )
    return figure


def token_map(ask: Ask) -> Figure:
    """Map of one token over its spectrogram."""
    content, row = ask.content, _row(ask)
    waveform, rate, token = _sound(ask, row, _OVERLAY_CONTEXT_SECONDS)
    picture = wideband_spectrogram(waveform, rate, max_hz=content.max_hz)
    picture = picture.assign_coords(time=picture["time"] - token[0])
    one, method = _map(ask, row, waveform[round(token[0] * rate) : round(token[1] * rate)])
    figure = print_figure(62.0, columns=ask.columns, width_mm=ask.width_mm)
    axes = figure.subplots()
    title = f"{content.name(row['class'])}, {row['token']}, {method}"
    end = token[1] - token[0]
    mappable = draw_overlay(
        axes,
        picture,
        one,
        max_hz=content.max_hz,
        span=(0.0, end),
        sign=ask.sign,
        title=title,
        x="Time in the token (s)",
    )
    for limit in (0.0, end):
        axes.axvline(limit, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.set_xlim(float(picture["time"][0]), float(picture["time"][-1]))
    add_colour_bar(axes, mappable, f"{one.attrs.get('units', content.unit)} per cell")
    return figure


def strs(ask: Ask) -> Figure:
    """Short-time response spectrum of one token as a heat map."""
    from phonoscope.report.filters import draw_strs

    response, title = _response(ask)
    figure = print_figure(62.0, columns=ask.columns, width_mm=ask.width_mm)
    axes = figure.subplots()
    mesh, label = draw_strs(axes, response, max_hz=ask.content.max_hz)
    axes.set_title(title, fontsize=POINTS + 1, color=INK, loc="left")
    add_colour_bar(axes, mesh, label)
    return figure


def strs_surface(ask: Ask) -> Figure:
    """Short-time response spectrum of one token as a surface."""
    from phonoscope.report.filters import draw_surface

    response, title = _response(ask)
    figure = print_figure(75.0, columns=ask.columns, width_mm=ask.width_mm)
    figure.set_layout_engine("none")
    draw_surface(
        figure.add_axes((0.02, 0.1, 0.82, 0.82), projection="3d"), response, max_hz=ask.content.max_hz, title=title
    )
    return figure


def crs(ask: Ask) -> Figure:
    """Cumulative responses of the classes beside random weights and the plain spectrum."""
    from phonoscope.filters.crs import cumulative_response
    from phonoscope.filters.nulls import learned_minus_null, null_responses, spectrum_bank
    from phonoscope.report.filters import draw_crs

    bank = _bank(ask)
    labels = ask.content.labels if ask.label is None else [ask.label]
    sounds, names = [], []
    tested = _tested(ask.content.tokens)
    for label in labels:
        for row in tested[tested["class"] == label].head(_MOST_SOUNDS).to_dict("records"):
            sounds.append(_sound(ask, row, 0.0)[0])
            names.append(label)
    learned = cumulative_response(bank, sounds, bank.sample_rate)
    nulls = null_responses(bank, sounds, n_seeds=_RANDOM_LAYERS, n_fft=learned.attrs["n_fft"])
    plain = cumulative_response(spectrum_bank(bank.sample_rate), sounds, bank.sample_rate, n_fft=learned.attrs["n_fft"])
    table = learned_minus_null(learned, nulls, plain, labels=names)
    across = min(len(labels), 3 if ask.columns == 2 else 1)
    down = -(-len(labels) // across)
    figure = print_figure(10.0 + 42.0 * down, columns=ask.columns, width_mm=ask.width_mm)
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for position, axes in enumerate(grid.flat):
        if position >= len(labels):
            axes.set_visible(False)
            continue
        rows = table[(table["label"] == labels[position]) & (table["frequency"] <= ask.content.max_hz)]
        draw_crs(axes, rows, class_colour(position))
        first, last = position % across == 0, position + across >= len(labels)
        title = ask.content.name(labels[position])
        dress(axes, title=title)
        axes.set_xlabel(axes.get_xlabel() if last else "")
        axes.set_ylabel(axes.get_ylabel() if first else "")
        axes.tick_params(labelbottom=last)
    handles, words = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=3, frameon=False, fontsize=POINTS - 1)
    return figure


def wigner(ask: Ask) -> Figure:
    """Wigner–Ville contours of the first layer's filters."""
    from phonoscope.report.filters import draw_wigner

    figure = print_figure(70.0, columns=ask.columns, width_mm=ask.width_mm)
    axes = figure.subplots()
    add_colour_bar(axes, draw_wigner(axes, _bank(ask), max_hz=ask.content.max_hz), "total energy (share of maximum)")
    return figure


def layers(ask: Ask) -> Figure:
    """Coherence of every layer of the run's network."""
    from phonoscope.layer_geometry.table import geometry
    from phonoscope.report.geometry import draw_layers

    table = geometry(ask.content.run.classifier(), layers="all")
    figure = print_figure(75.0, columns=ask.columns, width_mm=ask.width_mm)
    axes = figure.subplots()
    draw_layers(axes, table, "mu_avg")
    axes.legend(frameon=False, fontsize=POINTS - 1, labelcolor=INK)
    return figure


def _tested(tokens: pd.DataFrame) -> pd.DataFrame:
    return tokens[tokens["split"] == "test"] if "split" in tokens and tokens["split"].eq("test").any() else tokens


def _row(ask: Ask) -> dict[str, Any]:
    """Row of the token asked for; else the recognised token of median duration of the class (or of the first one)."""
    tokens = ask.content.tokens
    if "class" not in tokens:
        raise PhonoscopeError(f"the run does not hold its tokens: {ask.content.absent.get('tokens', 'no table')}")
    if ask.token is not None:
        found = tokens[tokens["token"] == ask.token]
        if found.empty:
            raise PhonoscopeError(f"the run has no token {ask.token!r}; tokens look like {tokens['token'].iloc[0]!r}")
        return {str(k): v for k, v in found.iloc[0].items()}
    label = ask.content.labels[0] if ask.label is None else ask.label
    rows = _tested(tokens)
    rows = rows[rows["class"] == label]
    if rows.empty:
        raise PhonoscopeError(f"no token of class {label} was tested; choose another with --class")
    length = rows["end"] - rows["start"]
    return {str(k): v for k, v in rows.loc[(length - length.median()).abs().idxmin()].items()}


def _sound(ask: Ask, row: dict[Any, Any], context: float) -> tuple[np.ndarray, int, tuple[float, float]]:
    """Waveform around a token at the run's rate, the rate, and where the token lies in it, s."""
    rate = int(ask.content.facts.get("sample_rate") or 0) or None
    root = ask.content.tokens.attrs.get("roots", {}).get(row.get("corpus"))
    if root is None:
        raise PhonoscopeError("the run does not say where its recordings lie; run the experiment again")
    path = Path(root) / str(row["recording"])
    info = audio_info(path)
    begin = max(0.0, float(row["start"]) - context)
    end = min(float(row["end"]) + context, info.duration)
    waveform, rate = read_audio(path, sample_rate=rate, start=begin, end=max(end, float(row["end"])))
    offset = float(row["start"]) - begin
    return waveform, rate, (offset, offset + float(row["end"]) - float(row["start"]))


def _map(ask: Ask, row: dict[str, Any], token: np.ndarray) -> tuple[xr.DataArray, str]:
    """Stored map of the token, or one that is computed now by the classifier that never met it."""
    content = ask.content
    method = str(content.facts.get("method", "cam")) if ask.method is None else ask.method
    try:
        return content.run.maps(method, [row["token"]])[0], method
    except PhonoscopeError:
        pass
    from phonoscope.attribution import explain

    fold = row.get("fold")
    own = fold is not None and pd.notna(fold) and (content.run.folder / "folds" / str(int(fold))).is_dir()
    classifier = content.run.classifier(int(fold) if own else None)
    maps = explain(classifier, [token], target=str(row["class"]), method=method, tokens=[str(row["token"])])
    return maps[0], method


def _response(ask: Ask) -> tuple[xr.DataArray, str]:
    from phonoscope.filters.response import response_spectrum

    bank, row = _bank(ask), _row(ask)
    waveform, _, _ = _sound(ask, row, 0.0)
    return response_spectrum(bank, waveform, bank.sample_rate), f"{ask.content.name(row['class'])}, {row['token']}"


def _bank(ask: Ask) -> Any:
    from phonoscope.filters.bank import bank_of

    classifier = ask.content.run.classifier()
    if classifier.front_end.frequency_axis is not None:
        raise PhonoscopeError(
            "this run's network takes spectrograms: it has no first layer on the waveform; this figure is for networks "
            "such as segmental or sub-segmental"
        )
    return bank_of(classifier, classifier.sample_rate)
