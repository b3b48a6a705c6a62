"""Causal audio methods: bands are filtered out of the sound itself, and the untouched classifier hears the rest.

Their options: ``bands`` is ``hz``, ``third-octave``, ``bark`` or ``erb``; ``width`` and ``step`` are in its units, 0
for the usual ones (half a width apart); the others are those of `Filtering`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from phonoscope.attribution.bands import Bands, band_layout, top_of
from phonoscope.attribution.filtered_sounds import FilteredSounds
from phonoscope.attribution.filtering import Filtering
from phonoscope.attribution.method import Attributed, Prepared, Setting

_CURVE = (
    "sum of the map = logit of the target − its logit for nothing (silence, or the fill alone); what is left over is "
    "the effect of what lies above the axis"
)


def prepare_band_stop(setting: Setting, *, bands: str, width: float, step: float, **filtering: Any) -> Prepared:
    """What the logit loses when a band is filtered out of the sound; one cell a band.

    With narrow bands it is the notch that is swept over the sound.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    bands, width, step
        Layout, width and distance of the bands as in ``band_layout``; where ``step`` is 0 they overlap by half.
    filtering
        Fields of ``Filtering``: how bands are taken out.
    """

    def attributed(sounds: FilteredSounds) -> Attributed:
        return sounds.attributed(sounds.logit[:, None] - sounds.of(1 - sounds.passed))

    layout = band_layout(bands, top_of(setting.classifier), width, step, overlap=0.5)
    return _prepared(setting, layout, layout.edges, Filtering(**filtering), attributed)


def prepare_band_pass(setting: Setting, *, bands: str, width: float, step: float, **filtering: Any) -> Prepared:
    """What a band alone brings: logit for the band alone − logit for nothing (silence, or the fill alone).

    The rest is taken down deeper than by band-stop, since it must not outweigh a soft band. A ``fill`` of noise has no
    neighbours here: choose ``none`` or ``mean``.

    Parameters
    ----------
    setting, bands, width, step
        As of ``prepare_band_stop``.
    filtering
        Fields of ``Filtering``: how all but the band is taken out.
    """

    def attributed(sounds: FilteredSounds) -> Attributed:
        return sounds.attributed(sounds.of(sounds.passed) - sounds.of_nothing[:, None])

    layout = band_layout(bands, top_of(setting.classifier), width, step, overlap=0.5)
    return _prepared(setting, layout, layout.edges, Filtering(**filtering).without_neighbours("band-pass"), attributed)


def prepare_low_pass(setting: Setting, *, bands: str, width: float, **filtering: Any) -> Prepared:
    """Low-pass curve: what the logit gains when the cut-off rises from one band's lower edge to its upper one.

    The gains sum to the logit for all below the top of the axis − logit for nothing (silence, or the fill alone);
    what is left over is the effect of what lies above the axis. Bands touch.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    bands, width
        Layout and width of the bands as in ``band_layout``; their edges are the cut-offs.
    filtering
        Fields of ``Filtering``: how the rest is taken out. A ``fill`` of noise is refused.
    """

    def attributed(sounds: FilteredSounds) -> Attributed:
        curve = torch.cat([sounds.of_nothing[:, None], sounds.of(sounds.passed)], dim=1)
        return sounds.attributed(curve.diff(dim=1), sounds.logit - sounds.of_nothing)

    layout = band_layout(bands, top_of(setting.classifier), width)
    how = Filtering(**filtering).without_neighbours("low-pass")
    return _prepared(setting, layout, _below(layout), how, attributed, _CURVE)


def prepare_high_pass(setting: Setting, *, bands: str, width: float, **filtering: Any) -> Prepared:
    """High-pass curve: what the logit loses when the cut-off rises from one band's lower edge to its upper one.

    The losses sum to the token's logit − logit for what lies above the axis; what is left over is the effect of that
    alone, against nothing. Bands touch.

    Parameters
    ----------
    setting, bands, width, filtering
        As of ``prepare_low_pass``.
    """
    layout = band_layout(bands, top_of(setting.classifier), width)
    how = Filtering(**filtering).without_neighbours("high-pass")
    at_top = bool(layout.edges[-1, 1] >= setting.classifier.sample_rate / 2)
    below = _below(layout)[:-1] if at_top else _below(layout)

    def attributed(sounds: FilteredSounds) -> Attributed:
        curve = [sounds.logit[:, None], sounds.of(1 - sounds.passed)]
        curve += [sounds.of_nothing[:, None]] if at_top else []
        losses = -torch.cat(curve, dim=1).diff(dim=1)
        return sounds.attributed(losses, sounds.logit - sounds.of_nothing)

    return _prepared(setting, layout, below, how, attributed, _CURVE)


def _below(layout: Bands) -> np.ndarray:
    """What lies below the upper edge of each band, Hz, shape (band, 2)."""
    return layout.edges * [0, 1]


def _prepared(
    setting: Setting,
    layout: Bands,
    edges: np.ndarray,
    how: Filtering,
    attributed: Callable[[FilteredSounds], Attributed],
    completeness: str = "",
) -> Prepared:
    """From what is made of sounds that are filtered at these edges to a method with one cell a band."""
    return Prepared(
        lambda batch: attributed(FilteredSounds(setting, batch, how, edges)),
        layout.placement(setting.classifier),
        completeness,
        reads="sounds",
    )
