"""The gallery: one small example for each figure, from which its page in the documentation is made.

``python -m phonoscope.report.gallery docs`` writes ``docs/gallery.md`` and its pictures. Sounds are those of synthetic
talkers, maps and tables are made up.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.files import write_text
from phonoscope.report.figures import FIGURES, drawing
from phonoscope.report.printed import print_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, PICTURES = "gallery.md", "images/gallery"
RATE = 16_000
_DOTS_PER_INCH = 110


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


def _spectrogram_wide() -> Figure:
    from phonoscope import formants

    sounds, tokens = vowels()
    ends = np.cumsum([len(sound) for sound in sounds[:4]]) / RATE
    phones = pd.DataFrame({"start": [0.0, *ends[:-1]], "end": ends, "label": tokens["label"][:4]})
    speech, figure = np.concatenate(sounds[:4]), print_figure(70)
    drawing("spectrogram-wide")(figure.subplots(), speech, RATE, tracks=formants(speech, RATE), tiers={"phone": phones})
    return figure


def _spectrogram_narrow() -> Figure:
    speech, figure = np.concatenate(vowels()[0][:4]), print_figure(60)
    drawing("spectrogram-narrow")(figure.subplots(), speech, RATE, window="narrow", max_hz=3000)
    return figure


def _token_map() -> Figure:
    from phonoscope.report.overlays import add_colour_bar
    from phonoscope.report.spectrograms import wideband_spectrogram

    sound = vowels()[0][0]
    token_map = made_up_map().assign_coords(time=(np.arange(5) + 0.5) / 5 * len(sound) / RATE)
    figure = print_figure(62)
    axes = figure.subplots()
    span = (0.0, len(sound) / RATE)
    mappable = drawing("map")(axes, wideband_spectrogram(sound, RATE), token_map, max_hz=4000, span=span)
    add_colour_bar(axes, mappable, "logit per cell")
    return figure


def _class_map() -> Figure:
    from phonoscope.phonetics.grids import class_difference

    maps = xr.concat([made_up_map((700, 1700) if i % 2 else (350, 2300), seed=i) for i in range(60)], dim="token")
    labels, talkers = ["æ" if i % 2 else "i" for i in range(60)], [i // 6 for i in range(60)]
    tested = class_difference(maps, labels, talkers).sel(label="æ")
    figure = print_figure(62)
    mean = maps[1::2].mean("token")
    drawing("class-map")(figure.subplots(), mean, max_hz=4000, chance=tested["p_region"].values >= 0.05, title="/æ/")
    return figure


def _profile() -> Figure:
    frequency = 250.0 + 500.0 * np.arange(8)
    mean = made_up_map().sum("time").values
    table = pd.DataFrame({"frequency": frequency, "mean": mean, "low": mean - 0.4, "high": mean + 0.4})
    chance = pd.DataFrame({"frequency": frequency, "mean": np.linspace(3, 0.5, 8)})
    energy = pd.DataFrame({"frequency": frequency, "mean": np.linspace(40, 10, 8)})
    figure = print_figure(50)
    drawing("profile")(figure.subplots(), table, max_hz=4000, colour="#4477aa", chance=chance, energy=energy)
    return figure


def _accuracy() -> Figure:
    rows = [("network", "network", 0.93, 0.88, 0.97), ("LDA on formants", "baseline", 0.9, np.nan, np.nan)]
    rows += [("/i/", "class", 0.97, 0.92, 1.0), ("/u/", "class", 0.85, 0.7, 0.95)]
    figure = print_figure(38)
    drawing("accuracy")(figure.subplots(), pd.DataFrame(rows, columns=["what", "kind", "estimate", "low", "high"]))
    return figure


def _confused() -> tuple[list[str], list[str]]:
    true = ["i"] * 40 + ["æ"] * 40 + ["ɑ"] * 40
    return true, ["i"] * 38 + ["æ"] * 2 + ["æ"] * 31 + ["ɑ"] * 9 + ["ɑ"] * 38 + ["æ"] * 2


def _confusions() -> Figure:
    from phonoscope.phonetics.confusions import confusion_table

    figure = print_figure(70)
    drawing("confusions")(figure.subplots(), confusion_table(*_confused(), ["i", "æ", "ɑ"]), ["i", "æ", "ɑ"])
    return figure


def _asymmetry() -> Figure:
    from phonoscope.phonetics.confusions import asymmetry_table
    from phonoscope.report.asymmetry import asymmetry_rows

    figure = print_figure(45)
    drawing("asymmetry")(figure.subplots(), asymmetry_rows(asymmetry_table(*_confused())))
    return figure


def _vowel_chart() -> Figure:
    from phonoscope.report.style import class_colour
    from phonoscope.report.vowel_scales import scaled_formants

    _, tokens = vowels()
    colours = {label: class_colour(i) for i, label in enumerate(tokens["label"].unique())}
    figure = print_figure(75)
    bark = scaled_formants(tokens, "bark")
    drawing("vowels")(figure.subplots(), bark, tokens["label"], colours, unit="Bark")
    return figure


def _shares() -> Figure:
    rows = [("F1", "run", 1.4, 1.2, 1.7, 1.1), ("F1", "class", 1.1, 0.9, 1.3, np.nan)]
    rows += [("F2", "run", 1.8, 1.4, 2.2, 1.3), ("F2", "class", 1.2, 1.05, 1.4, np.nan)]
    figure = print_figure(50)
    columns = ["formant", "null", "ratio", "low", "high", "energy_ratio"]
    drawing("shares")(figure.subplots(), pd.DataFrame(rows, columns=columns))
    return figure


def _training() -> Figure:
    epoch = np.arange(1, 13)
    loss = {"train_loss": 1.6 * 0.75**epoch, "validation_loss": 0.3 + 1.3 * 0.75**epoch}
    figure = print_figure(50)
    drawing("training")(figure.subplots(), pd.DataFrame({"epoch": epoch, **loss}), "loss")
    return figure


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


def _strs() -> Figure:
    from phonoscope import response_spectrum
    from phonoscope.report.overlays import add_colour_bar

    figure = print_figure(62)
    axes = figure.subplots()
    mesh, label = drawing("strs")(axes, response_spectrum(first_layer(), vowels()[0][0], RATE))
    add_colour_bar(axes, mesh, label)
    return figure


def _strs_surface() -> Figure:
    from phonoscope import response_spectrum

    figure = print_figure(75)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.02, 0.1, 0.82, 0.85), projection="3d")
    drawing("strs-surface")(axes, response_spectrum(first_layer(), vowels()[0][0], RATE), max_hz=5000)
    return figure


def _crs() -> Figure:
    from phonoscope.filters.crs import cumulative_response
    from phonoscope.filters.nulls import learned_minus_null, null_responses

    bank, sounds = first_layer(), vowels()[0][:6]
    heard, null = cumulative_response(bank, sounds, RATE), null_responses(bank, sounds, n_seeds=10, seed=1)
    table = learned_minus_null(heard, null)
    figure = print_figure(50)
    drawing("crs")(figure.subplots(), table[table["frequency"] > 50], "#4477aa")
    return figure


def _wigner() -> Figure:
    figure = print_figure(65)
    drawing("wigner")(figure.subplots(), first_layer())
    return figure


def _layers() -> Figure:
    from phonoscope.layer_geometry.table import geometry
    from phonoscope.networks import build_network

    figure = print_figure(75)
    table = geometry(build_network("compact", 5), layers="all", null_draws=5)
    drawing("layers")(figure.subplots(), table, "mu_avg")
    return figure


def _methods() -> Figure:
    from phonoscope.report.style import dress

    rows = pd.DataFrame({"method": ["cam", "gradient", "occlusion"], "value": [0.6, 0.2, 0.8]})
    rows = rows.assign(low=rows["value"] - 0.1, high=rows["value"] + 0.1, chance=0.05)
    figure = print_figure(40)
    axes = figure.subplots()
    drawing("methods")(axes, rows, ["occlusion", "cam", "gradient"], lines=[0.0])
    dress(axes, x="agreement with band-stop (rank correlation)")
    return figure


def _truth() -> Figure:
    scores = pd.DataFrame({"f2": [0.7, 0.4, 0.1], "hum": [0.9, 0.6, 0.0]}, index=["band-stop", "cam", "gradient"])
    figure = print_figure(45)
    drawing("truth")(figure.subplots(), scores)
    return figure


EXAMPLES: dict[str, Callable[[], Figure]] = {
    "spectrogram-wide": _spectrogram_wide,
    "spectrogram-narrow": _spectrogram_narrow,
    "map": _token_map,
    "class-map": _class_map,
    "profile": _profile,
    "accuracy": _accuracy,
    "confusions": _confusions,
    "asymmetry": _asymmetry,
    "vowels": _vowel_chart,
    "shares": _shares,
    "training": _training,
    "strs": _strs,
    "strs-surface": _strs_surface,
    "crs": _crs,
    "wigner": _wigner,
    "layers": _layers,
    "methods": _methods,
    "truth": _truth,
}

_HEAD = """# Gallery

*Every figure, drawn by its own example. This page is made by `python -m phonoscope.report.gallery docs`.*

Each figure is one function that draws labelled arrays on a matplotlib `Axes`; of a finished run it can be had by its
name at the width of a journal's column. Sounds are those of synthetic talkers, maps and tables are made up: they
show the figures, not findings. `print_figure` gives an empty figure of one column; `vowels`, `made_up_map` and
what else is used stand in `phonoscope.report.gallery`. [How to read the figures](figures.md) tells the rest.
"""


def gallery_page() -> str:
    """Text of the page: what each figure shows and needs, its picture, and the code that drew it."""
    parts = [_HEAD]
    for name, kind in FIGURES.items():
        lines = inspect.getsource(EXAMPLES[name]).strip().splitlines()
        code = textwrap.dedent("\n".join(lines[1:-1]))  # the body, without ``def`` and ``return figure``
        says = f"{kind.says[0].upper()}{kind.says[1:]}"
        picture = f'<img src="{PICTURES}/{name}.png" alt="{says}" width="420" loading="lazy">'
        parts.append(
            f"## {name}\n\n{says}. Needs {kind.needs}.\n\n{picture}\n\n"
            f"<!-- shown: an example of the gallery, drawn when the pages are built -->\n```python\n{code}\n```\n"
        )
    return "\n".join(parts)


def write_gallery(docs: str | Path) -> list[Path]:
    """Write the page and its pictures into the folder of the documentation; returns the paths."""
    docs = Path(docs)
    written = [write_text(docs / PAGE, gallery_page())]
    for name, example in EXAMPLES.items():
        written.append(save_figure(example(), docs / PICTURES / f"{name}.png", dots_per_inch=_DOTS_PER_INCH))
    return written


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs")
    print(f"wrote {len(write_gallery(folder))} files into {folder}")
