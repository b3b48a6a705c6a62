"""Maps, profiles and response spectra as figures in a notebook: ``show(maps)``, or always after ``%load_ext``.

``%load_ext phonoscope.report.notebook`` makes IPython draw arrays that phonoscope made; other arrays stay as they are.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.report.style import inline_svg, to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SHOWN = 6  # maps or profiles of an array with many tokens


class Shown:
    """A figure that a notebook draws: as SVG, or as text where there is no browser."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure = figure
        self.alt = alt

    def _repr_svg_(self) -> str:
        return to_svg(self.figure, "shown")

    def _repr_html_(self) -> str:
        return f'<div style="background: #fefefd">{inline_svg(self._repr_svg_(), self.alt)}</div>'

    def __repr__(self) -> str:
        return f"<figure: {self.alt}>"


def show(array: xr.DataArray, *, max_hz: float | None = None) -> Shown:
    """Draw what phonoscope made: maps, profiles, a response spectrum or a cumulative one.

    Parameters
    ----------
    array : DataArray
        Maps (token, frequency, time) or (frequency, time); profiles (token, frequency); a response spectrum with
        ``attrs["sample_rate"]``. Of many tokens the first six are drawn.
    max_hz : float, optional
        Upper border; the array's own by default.

    Raises
    ------
    PhonoscopeError
        If the array is of no kind that can be drawn.
    """
    kind = kind_of(array)
    if kind is None:
        raise PhonoscopeError(
            f"an array named {array.name!r} with dims {tuple(array.dims)} is neither map, profile nor response spectrum"
        )
    top = float(array.attrs.get("max_hz", array["frequency"].values.max())) if max_hz is None else max_hz
    figure = {"map": _maps, "profile": _profiles, "response": _response}[kind](array, top)
    tokens = f" of {array.sizes['token']} tokens" if "token" in array.dims else ""
    method = f", {array.attrs['method']}" if "method" in array.attrs else ""
    return Shown(figure, f"{kind}{tokens}{method}, 0 to {top:.0f} Hz")


def kind_of(array: xr.DataArray) -> str | None:
    """Return what an array is: "map", "profile", "response", or None when phonoscope did not make it."""
    dims = set(array.dims)
    if "frequency" not in dims or array.size == 0:
        return None
    if "sample_rate" in array.attrs and dims == {"frequency", "time"}:
        return "response"
    if array.name == "map" and dims in ({"frequency", "time"}, {"token", "frequency", "time"}):
        return "map"
    if array.name == "profile" and dims in ({"frequency"}, {"token", "frequency"}):
        return "profile"
    return None


def load_ipython_extension(shell: Any) -> None:
    """Let IPython draw arrays of phonoscope; called by ``%load_ext phonoscope.report.notebook``."""
    formatter = shell.display_formatter.formatters["text/html"]
    formatter.for_type(xr.DataArray, _html)


def unload_ipython_extension(shell: Any) -> None:
    """Give xarray its own display back."""
    shell.display_formatter.formatters["text/html"].pop(xr.DataArray, None)


def _html(array: xr.DataArray) -> str:
    """Figure above xarray's own display; the latter alone for arrays of others."""
    plain = array._repr_html_()
    if kind_of(array) is None:
        return plain
    name = escape(str(array.name or "array"))
    return f"{show(array)._repr_html_()}<details><summary>{name}</summary>{plain}</details>"


def _maps(maps: xr.DataArray, top: float) -> Figure:
    from phonoscope.report.maps import draw_map
    from phonoscope.report.style import dress, new_figure

    shown = maps.expand_dims("token") if "token" not in maps.dims else maps[:MOST_SHOWN]
    limit = float(np.abs(shown.values).max()) or 1.0
    figure = new_figure(0.6 + 1.6 * len(shown), 2.2)
    stretched = float(maps["time"].values.max()) <= 1.0 and maps.attrs.get("time_seconds") is None
    last = 1.0 if stretched else float(maps.attrs.get("time_seconds") or maps["time"].values.max())
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for position, (axes, token_map) in enumerate(zip(panels, shown, strict=True)):
        draw_map(axes, token_map, max_hz=top, limit=limit, last_time=last)
        dress(
            axes,
            title=str(token_map["target"].values) if "target" in token_map.coords else "",
            x=("Share of the token" if stretched else "Time (s)") if position == 0 else "",
            y="Frequency (Hz)" if position == 0 else "",
        )
        axes.tick_params(labelleft=position == 0)
    figure.colorbar(axes.collections[0], ax=list(figure.axes)).set_label(str(maps.attrs.get("units", "")), fontsize=8)
    return figure


def _profiles(profiles: xr.DataArray, top: float) -> Figure:
    from phonoscope.report.style import RULE, class_colour, dress, new_figure

    figure = new_figure(4.0, 2.4)
    axes = figure.subplots()
    axes.axhline(0, color=RULE, linewidth=0.8)
    values = profiles.values if "token" in profiles.dims else profiles.values[None]
    for number, row in enumerate(values[:MOST_SHOWN]):
        axes.plot(profiles["frequency"].values, row, "o-", color=class_colour(number), markersize=2.4, linewidth=1.2)
    axes.set_xlim(0, top)
    dress(axes, x="Frequency (Hz)", y=f"Importance ({profiles.attrs.get('units', 'summed')})")
    return figure


def _response(response: xr.DataArray, top: float) -> Figure:
    from phonoscope.report.filters import draw_strs
    from phonoscope.report.style import new_figure

    figure = new_figure(4.6, 2.6)
    mesh, label = draw_strs(figure.subplots(), response, max_hz=top)
    figure.colorbar(mesh, ax=mesh.axes).set_label(label, fontsize=8)
    return figure
