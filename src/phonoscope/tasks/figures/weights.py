"""What the first layer on the waveform hears, and the coherence of every layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import xarray as xr

from phonoscope.report.filters import draw_crs, draw_strs, draw_surface, draw_wigner
from phonoscope.report.geometry import draw_layers
from phonoscope.report.labels import class_name
from phonoscope.report.overlays import add_colour_bar
from phonoscope.report.style import INK, LEGEND, POINTS, class_colour, dress, keep_outer_labels, panel_grid
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.figures.made_up import RATE, first_layer, vowels
from phonoscope.tasks.figures.tokens import chosen_token, first_layer_of, sound_of, tested

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


_MOST_SOUNDS = 60  # of a class
_RANDOM_LAYERS = 20


def strs_of_run(request: FigureRequest) -> Canvas:
    """Short-time response spectrum of one token as a heat map."""
    response, title = _response(request)
    figure = request.canvas(62.0)
    axes = figure.subplots()
    mesh, label = draw_strs(axes, response, max_hz=request.content.max_hz)
    axes.set_title(title, fontsize=POINTS + 1, color=INK, loc="left")
    add_colour_bar(axes, mesh, label)
    return figure


def surface_of_run(request: FigureRequest) -> Canvas:
    """Short-time response spectrum of one token as a surface."""
    response, title = _response(request)
    figure = request.canvas(75.0)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.02, 0.1, 0.82, 0.82), projection="3d")
    draw_surface(axes, response, max_hz=request.content.max_hz, title=title)
    return figure


def crs_of_run(request: FigureRequest) -> Canvas:
    """Cumulative responses of the classes beside random weights and the plain spectrum."""
    from phonoscope.filters.crs import cumulative_response
    from phonoscope.filters.nulls import learned_minus_null, null_responses, spectrum_bank

    bank, labels = first_layer_of(request), request.labels
    tokens = tested(request.content.tokens)
    rows = [row for label in labels for row in tokens[tokens["class"] == label].head(_MOST_SOUNDS).to_dict("records")]
    sounds = [sound_of(request, row)[0] for row in rows]
    learned = cumulative_response(bank, sounds, bank.sample_rate)
    n_fft = learned.attrs["n_fft"]
    nulls = null_responses(bank, sounds, n_seeds=_RANDOM_LAYERS, n_fft=n_fft)
    plain = cumulative_response(spectrum_bank(bank.sample_rate), sounds, bank.sample_rate, n_fft=n_fft)
    table = learned_minus_null(learned, nulls, plain, labels=[str(row["class"]) for row in rows])
    table = table[table["frequency"] <= request.content.max_hz]
    across = min(len(labels), 3 if request.columns == 2 else 1)
    figure = request.canvas(10.0 + 42.0 * -(-len(labels) // across))
    panels = panel_grid(figure, len(labels), across, sharex=True, sharey=True)[:, 0]
    for position, (axes, label) in enumerate(zip(panels, labels, strict=True)):
        draw_crs(axes, table[table["label"] == label], class_colour(position))
        dress(axes, title=class_name(label))
    keep_outer_labels(panels, across)
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=3, frameon=False, fontsize=POINTS - 1)
    return figure


def wigner_of_run(request: FigureRequest) -> Canvas:
    """Wigner–Ville contours of the first layer's filters."""
    figure = request.canvas(70.0)
    axes = figure.subplots()
    mappable = draw_wigner(axes, first_layer_of(request), max_hz=request.content.max_hz)
    add_colour_bar(axes, mappable, "total energy (share of maximum)")
    return figure


def _response(request: FigureRequest) -> tuple[xr.DataArray, str]:
    from phonoscope.filters.response import response_spectrum

    bank, row = first_layer_of(request), chosen_token(request)
    waveform, _, _ = sound_of(request, row)
    return response_spectrum(bank, waveform, bank.sample_rate), f"{class_name(row['class'])}, {row['token']}"


def _strs_example(axes: Axes) -> None:
    from phonoscope import response_spectrum

    mesh, label = draw_strs(axes, response_spectrum(first_layer(), vowels()[0][0], RATE))
    add_colour_bar(axes, mesh, label)


def _surface_example(axes: Axes) -> None:
    from phonoscope import response_spectrum

    draw_surface(axes, response_spectrum(first_layer(), vowels()[0][0], RATE), max_hz=5000)


def _crs_example(axes: Axes) -> None:
    from phonoscope.filters.crs import cumulative_response
    from phonoscope.filters.nulls import learned_minus_null, null_responses

    bank, sounds = first_layer(), vowels()[0][:6]
    learned, null = cumulative_response(bank, sounds, RATE), null_responses(bank, sounds, n_seeds=10, seed=1)
    table = learned_minus_null(learned, null)
    draw_crs(axes, table[table["frequency"] > 50], "#4477aa")


def _wigner_example(axes: Axes) -> None:
    draw_wigner(axes, first_layer())


STRS = Figure(
    name="strs",
    says="short-time response spectrum of a first layer as a heat map",
    needs="a response spectrum (frequency, time)",
    draw=draw_strs,
    of_run=strs_of_run,
    example=_strs_example,
    choices=("class", "token"),
    height_mm=62,
)
SURFACE = replace(
    STRS,
    name="strs-surface",
    says="short-time response spectrum of a first layer as a surface over time and frequency",
    needs="a response spectrum (frequency, time), axes with the projection 3d",
    draw=draw_surface,
    of_run=surface_of_run,
    example=_surface_example,
    height_mm=75,
    projection="3d",
)
CRS = Figure(
    name="crs",
    says="cumulative response spectra of the classes with the band of random weights",
    needs="a table of learned responses beside their null",
    draw=draw_crs,
    of_run=crs_of_run,
    example=_crs_example,
    choices=("class",),
    height_mm=50,
)
WIGNER = Figure(
    name="wigner",
    says="Wigner–Ville contours of all filters over their total energy",
    needs="a filter bank",
    draw=draw_wigner,
    of_run=wigner_of_run,
    example=_wigner_example,
    height_mm=65,
)


def layers_of_run(request: FigureRequest) -> Canvas:
    """Coherence of every layer of the run's network."""
    from phonoscope.layer_geometry.table import geometry

    table = geometry(request.content.run.classifier(trust_imports=request.trust_imports), layers="all")
    figure = request.canvas(75.0)
    axes = figure.subplots()
    draw_layers(axes, table, "mu_avg")
    axes.legend(**LEGEND)
    return figure


def _layers_example(axes: Axes) -> None:
    from phonoscope.layer_geometry.table import geometry
    from phonoscope.networks import build_network

    table = geometry(build_network("compact", 5), layers="all", null_draws=5)
    draw_layers(axes, table, "mu_avg")


LAYERS = Figure(
    name="layers",
    says="coherence of every layer beside random weights, residual connections marked",
    needs="a table of geometry, one row a layer",
    draw=draw_layers,
    of_run=layers_of_run,
    example=_layers_example,
    height_mm=75,
)
