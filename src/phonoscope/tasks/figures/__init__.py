"""Every figure by its name, see `phonoscope.tasks.figures.figure.Figure` for what a figure is.

In a notebook: ``from phonoscope.tasks.figures import draw; draw("profile", axes, profile, max_hz=4000, colour="k")``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phonoscope.errors import PhonoscopeError
from phonoscope.registry import Registry
from phonoscope.tasks.figures.figure import Figure, FigureRequest, figure_of_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FIGURES", "Figure", "FigureRequest", "draw", "figure_of_run", "find_figure"]

_HERE, _PHONES = "phonoscope.tasks.figures", "phonoscope.tasks.phones.figures"
_AUDIT = "phonoscope.tasks.audit.figures"
_OUTSIDE, _PERCEIVE = "phonoscope.tasks.outside.figures", "phonoscope.tasks.perceive"

FIGURES: Registry[Figure] = Registry(
    "figure",
    {
        "spectrogram-wide": f"{_HERE}.tokens:WIDE",
        "spectrogram-narrow": f"{_HERE}.tokens:NARROW",
        "map": f"{_HERE}.tokens:TOKEN_MAP",
        "class-map": f"{_HERE}.class_map:CLASS_MAP",
        "profile": f"{_HERE}.profile:PROFILE",
        "accuracy": f"{_HERE}.recognition:ACCURACY",
        "confusions": f"{_HERE}.recognition:CONFUSIONS",
        "asymmetry": f"{_HERE}.recognition:ASYMMETRY",
        "vowels": f"{_PHONES}.vowels:VOWELS",
        "shares": f"{_PHONES}.shares:SHARES",
        "training": f"{_HERE}.recognition:TRAINING",
        "time-profile": f"{_OUTSIDE}:TIME_PROFILE",
        "phones": f"{_OUTSIDE}:STRETCHES",
        "reliability": f"{_OUTSIDE}:RELIABILITY",
        "identification": f"{_PERCEIVE}.figures:IDENTIFICATION",
        "cue-weights": f"{_PERCEIVE}.figures:CUE_WEIGHTS",
        "classification-image": f"{_PERCEIVE}.image_figures:CLASSIFICATION_IMAGE",
        "territory": f"{_PERCEIVE}.territory_figures:TERRITORY",
        "shortcuts": f"{_AUDIT}:SHORTCUTS_FIGURE",
        "strs": f"{_HERE}.weights:STRS",
        "strs-surface": f"{_HERE}.weights:SURFACE",
        "crs": f"{_HERE}.weights:CRS",
        "wigner": f"{_HERE}.weights:WIGNER",
        "layers": f"{_HERE}.weights:LAYERS",
        "methods": f"{_HERE}.evidence:METHODS",
        "truth": f"{_HERE}.evidence:TRUTH",
    },
)


def find_figure(name: str) -> Figure:
    """Return the figure of a name, or of a ``package.module:name`` that its user typed.

    Raises
    ------
    PhonoscopeError
        If there is none.
    """
    figure = FIGURES.find(name)
    if not isinstance(figure, Figure):
        raise PhonoscopeError(f"{name} is a {type(figure).__name__}; a phonoscope.tasks.figures.Figure is expected")
    return figure


def draw(name: str, axes: Axes, *data: Any, **options: Any) -> Axes:
    """Draw a figure on axes of your own and return them.

    Parameters
    ----------
    name : str
        One of `FIGURES`, or ``package.module:name``.
    axes : Axes
    *data, **options
        As the figure's function takes them.

    Raises
    ------
    PhonoscopeError
        If no figure has this name.
    """
    find_figure(name).draw(axes, *data, **options)
    return axes
