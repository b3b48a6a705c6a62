"""Every figure by name: what it shows, what it needs, the function that draws it, and drawing it from a run.

In a notebook: ``from phonoscope.report.figures import draw; draw("profile", axes, profile, max_hz=4000, colour="k")``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from phonoscope.errors import PhonoscopeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from phonoscope.report.content import Content


class FigureKind(NamedTuple):
    """One figure: ``draw`` and ``of_run`` are "module:function" in `phonoscope.report`, imported when they are used.

    ``draw`` takes an Axes and labelled arrays; ``of_run`` takes an `Ask`; ``choices`` are the options of the command
    line that mean something for it.
    """

    says: str
    needs: str
    draw: str
    of_run: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ask:
    """What is asked of a figure of a run; None leaves the choice to the figure."""

    content: Content
    label: str | None = None
    token: str | None = None
    method: str | None = None
    scale: str = "hz"
    sign: str = "signed"
    columns: int = 1
    width_mm: float | None = None


WHOLE_RECORDINGS = ("waveform", "spoof")  # kinds of runs whose tables have a row for each of several networks

FIGURES: dict[str, FigureKind] = {
    "spectrogram-wide": FigureKind(
        "wide-band spectrogram with formant speckles and the tiers of the alignment",
        "a waveform; formant tracks and tiers if there are any",
        "speech:draw_speech",
        "figures_of_sounds:wide_band",
        ("class", "token"),
    ),
    "spectrogram-narrow": FigureKind(
        "narrow-band spectrogram: harmonics instead of formants",
        "a waveform",
        "speech:draw_speech",
        "figures_of_sounds:narrow_band",
        ("class", "token"),
    ),
    "map": FigureKind(
        "map of one token over its spectrogram, in Hz and Bark",
        "a spectrogram (frequency, time) in dB and a map (frequency, time)",
        "overlays:draw_overlay",
        "figures_of_sounds:token_map",
        ("class", "token", "method", "sign"),
    ),
    "class-map": FigureKind(
        "mean map of a class with its formants; what does not differ from chance is hatched",
        "a mean map (frequency, time); formant bands, mask of chance and mean spectrogram if there are any",
        "maps:draw_class_map",
        "figures_of_tables:class_map",
        ("class", "method"),
    ),
    "profile": FigureKind(
        "importance against frequency with its bootstrap band, chance, energy and formants",
        "a profile (frequency, mean, low, high)",
        "profiles:draw_profile",
        "figures_of_tables:profile",
        ("class",),
    ),
    "accuracy": FigureKind(
        "accuracy of network, classes and baselines with intervals",
        "estimates (what, kind, estimate, low, high)",
        "confusions:draw_accuracy",
        "figures_of_tables:accuracy",
    ),
    "confusions": FigureKind(
        "confusion matrix with counts and row per cents, and the asymmetries beside those of people",
        "a confusion table (true, predicted, count, row_percent)",
        "confusions:draw_confusions",
        "figures_of_tables:confusions",
    ),
    "asymmetry": FigureKind(
        "pairs of classes confused more one way than the other, beside 20 listeners",
        "an asymmetry table",
        "asymmetry:draw_asymmetry",
        "figures_of_tables:asymmetry",
    ),
    "vowels": FigureKind(
        "vowel chart with ellipses and trajectories, in Hz, Bark or Lobanov's z",
        "a formant table and the vowel of each row",
        "vowel_chart:draw_vowel_chart",
        "figures_of_tables:vowels",
        ("scale",),
    ),
    "shares": FigureKind(
        "share of the map in formants over chance, with intervals",
        "shares of one class (formant, null, ratio, low, high)",
        "shares:draw_ratios",
        "figures_of_tables:shares",
        ("class",),
    ),
    "training": FigureKind(
        "training curves, one line a fold",
        "metrics, one row an epoch",
        "confusions:draw_training",
        "figures_of_tables:training",
    ),
    "strs": FigureKind(
        "short-time response spectrum of a first layer as a heat map",
        "a response spectrum (frequency, time)",
        "filters:draw_strs",
        "figures_of_sounds:strs",
        ("class", "token"),
    ),
    "strs-surface": FigureKind(
        "the same as a surface over time and frequency",
        "a response spectrum (frequency, time), axes with the projection 3d",
        "filters:draw_surface",
        "figures_of_sounds:strs_surface",
        ("class", "token"),
    ),
    "crs": FigureKind(
        "cumulative response spectra of the classes with the band of random weights",
        "a table of learned responses beside their null",
        "filters:draw_crs",
        "figures_of_sounds:crs",
        ("class",),
    ),
    "wigner": FigureKind(
        "Wigner–Ville contours of all filters over their total energy",
        "a filter bank",
        "filters:draw_wigner",
        "figures_of_sounds:wigner",
    ),
    "layers": FigureKind(
        "coherence of every layer beside random weights, residual connections marked",
        "a table of geometry, one row a layer",
        "geometry:draw_layers",
        "figures_of_sounds:layers",
    ),
    "methods": FigureKind(
        "one measure of evidence over all methods, with chance",
        "a measure (method, value, low, high, chance)",
        "evidence_figures:draw_measure",
        "figures_of_tables:methods",
    ),
    "truth": FigureKind(
        "how well methods find planted cues: methods × cues, 0 is chance and 1 all",
        "a table of scores (method × cue), such as the benchmark that comes with phonoscope",
        "truth:draw_truth",
        "figures_of_tables:truth",
    ),
}


def draw(name: str, axes: Axes, *data: Any, **options: Any) -> Axes:
    """Draw a figure on axes of your own and return them; data and options as the figure's function takes them.

    Raises
    ------
    PhonoscopeError
        If no figure has this name.
    """
    drawing(name)(axes, *data, **options)
    return axes


def drawing(name: str) -> Callable[..., Any]:
    """Return the function that draws a figure on axes."""
    return _found(_kind(name).draw)


def figure_of_run(
    run_folder: str | Path,
    name: str,
    *,
    label: str | None = None,
    token: str | None = None,
    method: str | None = None,
    scale: str = "hz",
    sign: str = "signed",
    columns: int = 1,
    width_mm: float | None = None,
) -> Figure:
    """Draw a figure of a finished run at the width of one or two columns of a journal.

    Parameters
    ----------
    run_folder : path
    name : str
        One of `FIGURES`.
    label : str, optional
        Class; the first one, or all where the figure has room for them.
    token : str, optional
        Name of a token; a typical one of the class by default.
    method : str, optional
        Of the maps; the run's own by default. Maps that the run does not hold are computed for the token.
    scale : {"hz", "bark", "lobanov"}
        Of the vowel chart.
    sign : {"signed", "positive"}
        Of the map.

    Raises
    ------
    PhonoscopeError
        If the run has no such class or token, or lacks what the figure needs; `save_figure` writes the result.
    """
    from phonoscope.report.content import read_content

    kind = _kind(name)
    given = {"class": label, "token": token, "method": method}
    for choice, value in given.items():
        if value is not None and choice not in kind.choices:
            raise PhonoscopeError(f"--{choice} means nothing for the figure {name}, which shows {kind.says}")
    content = read_content(run_folder)
    if content.facts.get("kind") in WHOLE_RECORDINGS and kind.of_run.startswith("figures_of_tables"):
        raise PhonoscopeError(
            f"the figure {name} is for runs on phones; this run is on whole recordings, with a table for each network: "
            "its report has them, and spectrograms, strs, crs, wigner and layers can be drawn"
        )
    if label is not None and label not in content.labels:
        raise PhonoscopeError(f"the run has no class {label!r}; it has {', '.join(content.labels)}")
    return _found(kind.of_run)(Ask(content, label, token, method, scale, sign, columns, width_mm))


def _kind(name: str) -> FigureKind:
    if name not in FIGURES:
        raise PhonoscopeError(f"there is no figure {name!r}; there are {', '.join(FIGURES)}")
    return FIGURES[name]


def _found(place: str) -> Callable[..., Any]:
    module, function = place.split(":")
    return getattr(import_module(f"phonoscope.report.{module}"), function)
