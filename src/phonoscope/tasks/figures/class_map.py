"""Mean maps of the classes, with their formants and what does not differ from chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.phonetics.grids import ALPHA, class_difference
from phonoscope.report.labels import class_name
from phonoscope.report.maps import class_map_figure, colour_bar_figure, draw_class_map, map_limit, mean_array
from phonoscope.report.numbers import is_known
from phonoscope.report.plates import Plate, make_panel, panel_name
from phonoscope.report.style import dress_bar, panel_grid
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.figures.made_up import made_up_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SUBSETS = {
    "all": "all tested {item}s of the class",
    "correct": "those the network recognised",
    "errors": "those it mistook for another class",
}
_SIZES = {
    "cell_hz": "one cell every {:.0f} Hz",
    "field_hz": "theoretical receptive field {:.0f} Hz",
    "resolution_hz": "effective width {:.0f} Hz",
}


MOST_ROWS, MOST_COLUMNS = 48, 32  # of a mean map on a page: finer cells are added up
MOST_VALUES = 60_000_000  # of all maps together: more would not fit beside the rest in a laptop's memory


def compare_with_chance(content: Content, method: str | None = None) -> xr.Dataset | None:
    """Test every class's mean map of a run against the mean of the other classes; None where there are no maps.

    Classes and speakers come from the run's tokens. See `class_difference` for null and correction.
    """
    try:
        maps = content.run.maps(content.method if method is None else method)
    except PhonoscopeError:
        return None
    if "class" not in content.tokens or maps.size > MOST_VALUES:
        return None
    maps = added_up(maps)
    rows = content.tokens.set_index("token").reindex(maps["token"].values.astype(str))
    levels = [level for level in ("speaker", "recording") if level in rows]
    return class_difference(maps, rows["class"].tolist(), rows[levels] if levels else None)


def added_up(maps: xr.DataArray) -> xr.DataArray:
    """Maps (…, frequency, time) whose neighbouring cells are added up until there are few enough for a page."""
    for axis, most in (("frequency", MOST_ROWS), ("time", MOST_COLUMNS)):
        size = -(-maps.sizes[axis] // most)
        if size > 1:
            starts = np.arange(0, maps.sizes[axis], size)
            centres = np.add.reduceat(maps[axis].values, starts) / np.diff([*starts, maps.sizes[axis]])
            values = np.add.reduceat(maps.values, starts, axis=maps.get_axis_num(axis))
            kept = {name: c for name, c in maps.coords.items() if axis not in c.dims}
            maps = xr.DataArray(values, dims=maps.dims, coords={**kept, axis: centres}, attrs=maps.attrs)
    return maps


def _drawn_means(means: pd.DataFrame) -> pd.DataFrame:
    """The table of mean maps and spectrograms, its maps added up where they have very many cells."""
    of_maps = means[means["kind"] == "map"]
    if of_maps["frequency"].nunique() <= MOST_ROWS and of_maps["time"].nunique() <= MOST_COLUMNS:
        return means
    tables = [means[means["kind"] != "map"]]
    for (subset, name), rows in of_maps.groupby(["subset", "class"], sort=False):
        coarse = added_up(rows.set_index(["frequency", "time"])["mean"].to_xarray())
        table = coarse.rename("mean").to_dataframe().reset_index()
        named = {"kind": "map", "subset": str(subset), "count": int(rows["count"].iloc[0]), "class": str(name)}
        tables.append(table.assign(**named))
    return pd.concat(tables, ignore_index=True)


def chance_cells(tested: xr.Dataset | None, label: str) -> np.ndarray | None:
    """Cells of a class that do not differ from chance, bool (frequency, time); None where nothing could be tested."""
    if tested is None or label not in tested["label"].values or not np.isfinite(tested["t"].values).any():
        return None
    return tested["p_region"].sel(label=label).values >= ALPHA


def with_tests(table: pd.DataFrame, tested: xr.Dataset | None) -> pd.DataFrame:
    """Add ``difference, t, p_region, p_cell`` to a tidy table of mean maps (``class, frequency, time``)."""
    if tested is None:
        return table
    names = ["difference", "t", "p_region", "p_cell"]
    cells = tested[names].to_dataframe().reset_index().rename(columns={"label": "class"})
    return table.merge(cells, on=["class", "frequency", "time"], how="left")


def words_of_test(tested: xr.Dataset | None) -> str:
    """Say which test the hatching shows, or why nothing is hatched."""
    if tested is None:
        return "Nothing is hatched: the run does not hold its maps."
    if not np.isfinite(tested["t"].values).any():
        return f"Nothing is hatched: {tested.attrs['note']}."
    return (
        "Hatched cells do not differ from chance (the mean map of all other classes): regions of neighbouring cells "
        f"were tested by flipping the signs of {tested.attrs['n_units']} {tested.attrs['unit']}s, corrected for all "
        "cells of all classes. An unhatched region says that the maps differ there, not that its border is exact."
    )


def class_map_of_run(request: FigureRequest) -> Canvas:
    """Mean map of a class, or of all on one scale."""
    content = request.content
    if request.method not in (None, content.method):
        raise PhonoscopeError(
            f"class means are kept for {content.method} only; explain the run's tokens with {request.method} first"
        )
    if content.means.empty:
        raise PhonoscopeError("the run holds no mean maps; run the experiment again")
    table = _drawn_means(content.means)
    means = {label: pair for label in request.labels if (pair := _means(table, "all", label)) is not None}
    if not means:
        raise PhonoscopeError(f"no token of {', '.join(request.labels)} was tested, so there is no mean map")
    compared, limit = compare_with_chance(content), map_limit(table)
    across = min(len(means), 3 if request.columns == 2 or request.width_mm else 2)
    figure = request.canvas(8.0 + 52.0 * -(-len(means) // across))
    panels = panel_grid(figure, len(means), across)[:, 0]
    for position, (axes, (label, (mean_map, spectrogram))) in enumerate(zip(panels, means.items(), strict=True)):
        mappable = draw_class_map(
            axes,
            mean_map,
            spectrogram=spectrogram,
            bands=content.bands_of(label),
            chance=chance_cells(compared, label),
            limit=limit,
            max_hz=content.max_hz,
            last_time=content.last_time,
            title=f"{class_name(label)}, n = {mean_map.attrs['count']}",
            x=content.time_label if position + across >= len(means) else "",
        )
        if position % across:
            axes.set_ylabel("")
            axes.tick_params(labelleft=False)
    bar = figure.colorbar(mappable, ax=figure.axes, location="bottom", shrink=0.6, aspect=40, pad=0.02)
    dress_bar(bar, "{} per cell: {} (blue), {} (red)".format(content.unit, *content.ends))
    return figure


def map_plates(content: Content, subsets: Sequence[str] = tuple(SUBSETS)) -> list[Plate]:
    """Class-mean maps over all, recognised and mistaken tokens (some of `SUBSETS`), on one scale."""
    if content.means.empty:
        return []
    drawn = _drawn_means(content.means)
    limit = map_limit(drawn)
    legend = make_panel(
        "maps-scale",
        colour_bar_figure(limit, content.unit, content.ends),
        f"Colour scale, ±{limit:.2g} {content.unit}.",
    )
    compared = compare_with_chance(content)
    plates = []
    for subset in subsets:
        words = "all recordings" if content.is_number else SUBSETS[subset].format(item=content.item)
        panels, without, first = [], [], subset == "all"
        for position, label in enumerate(content.labels):
            means = _means(drawn, subset, label)
            if means is None:
                without.append(class_name(label))
                continue
            figure = class_map_figure(
                *means,
                content.bands_of(label),
                max_hz=content.max_hz,
                limit=limit,
                title=class_name(label),
                last_time=content.last_time,
                time_label=content.time_label,
                chance=chance_cells(compared, label) if first else None,
            )
            mean_map = means[0]
            top = mean_map.isel(frequency=int(mean_map.mean("time").argmax("frequency")))
            alt = (
                f"Mean map of {class_name(label)} over {mean_map.attrs['count']} {content.item}s: strongest in the "
                f"cells around {float(top['frequency']):.0f} Hz, mean {float(top.mean()):+.2f} {content.unit}."
            )
            panels.append(make_panel(panel_name(f"maps-{subset}", position, label), figure, alt))
        table = drawn[(drawn["kind"] == "map") & (drawn["subset"] == subset)]
        plates.append(
            CLASS_MAP.plate(
                panels,
                with_tests(table, compared) if first else table,
                key=f"maps-{subset}",
                missing=f"No such {content.item}: {', '.join(without)}." if without else "",
                legend=legend if panels and first else None,
                width="wide",
                which=words,
                method=_written(content.method),
                explained=content.explained,
                units=content.units,
                more=" ".join(filter(None, [*_scale(content, first), words_of_test(compared) if first else ""])),
            )
        )
    return plates


def _means(means: pd.DataFrame, subset: str, label: str) -> tuple[xr.DataArray, xr.DataArray] | None:
    """Mean map and mean spectrogram of a class over a subset of its tokens; None where no token is in it."""
    try:
        mean_map, spectrogram = (mean_array(means, kind, subset, label) for kind in ("map", "spectrogram"))
    except PhonoscopeError:
        return None
    return mean_map, spectrogram


def _written(method: str) -> str:
    """A method at the beginning of a sentence: CAM, Integrated-gradients."""
    return method.upper() if len(method) <= 3 else f"{method[:1].upper()}{method[1:]}"


def _scale(content: Content, first: bool) -> list[str]:
    """On which scale maps are drawn, and the sizes of their cells."""
    placement = content.facts.get("placement", {})
    sizes = ", ".join(text.format(placement[key]) for key, text in _SIZES.items() if is_known(placement.get(key)))
    return ["" if first else "Same scale as above.", f"{sizes[:1].upper()}{sizes[1:]}." if sizes else ""]


def _example(axes: Axes) -> None:
    from phonoscope.phonetics.grids import class_difference

    maps = xr.concat([made_up_map((700, 1700) if i % 2 else (350, 2300), seed=i) for i in range(60)], dim="token")
    labels, talkers = ["æ" if i % 2 else "i" for i in range(60)], [i // 6 for i in range(60)]
    tested = class_difference(maps, labels, talkers).sel(label="æ")
    mean = maps[1::2].mean("token")
    draw_class_map(axes, mean, max_hz=4000, chance=tested["p_region"].values >= 0.05, title="/æ/")


CLASS_MAP = Figure(
    name="class-map",
    says="mean map of a class with its formants; what does not differ from chance is hatched",
    needs="a mean map (frequency, time); formant bands, mask of chance and mean spectrogram if there are any",
    draw=draw_class_map,
    of_run=class_map_of_run,
    example=_example,
    title="Mean maps: {which}",
    caption="{method} maps for {explained}, in {units}. {more}",
    reading=(
        "Left, in a blue frame: the network’s mean input, or the mean spectrogram of the sounds where it takes these "
        "as they are. Middle, where they are known: the formants of the class, boxes as "
        "wide as their mean bandwidth, whiskers ± 1 SD over tokens. Right: the map. Red cells speak for the "
        "class, blue ones against it, white ones say nothing; thin lines are the spectrogram’s contours 10 "
        "and 20 dB below its peak (none for fewer than 5 tokens). Cells are drawn at the centres of "
        "their receptive fields, with borders half-way between; nothing is smoothed. A cell’s colour stands for "
        "everything in its field, which is wider than the cell."
    ),
    choices=("class", "method"),
    tasks=("phones", "outside"),
    height_mm=62,
)
