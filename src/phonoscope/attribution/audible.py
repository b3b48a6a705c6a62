"""Causal audio methods: bands are filtered out of the sound itself, and the untouched classifier hears the rest."""

from __future__ import annotations

import numpy as np
import torch

from phonoscope.attribution.bands import band_layout, top_of
from phonoscope.attribution.hearing import Filtering, Hearing
from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting
from phonoscope.band_filters import EDGE_HZ

_CURVE = (
    "sum of the map = logit of the target − its logit for nothing (silence, or the fill alone); what is left over is "
    "the effect of what lies above the axis"
)


def prepare_band_stop(
    setting: Setting,
    *,
    bands: str = "hz",
    width: float = 0.0,
    step: float = 0.0,
    depth_db: float = -40.0,
    edge_hz: float = EDGE_HZ,
    match: bool = True,
    fill: str = "none",
) -> Prepared:
    """What the logit loses when a band is filtered out of the sound; one cell a band.

    ``bands`` is ``hz``, ``third-octave``, ``bark`` or ``erb``; ``width`` and ``step`` are in its units, 0 for the
    usual ones (half a width apart). Zero-phase filters take the band down to ``depth_db`` with raised-cosine edges;
    ``match`` then brings the token back to its level. ``fill`` puts noise in its place: ``noise`` at the level of the
    band's neighbours, ``mean`` (or ``mean:CLASS``) at the level that the band has on average, which also shows
    evidence that lies in the *absence* of sound.
    """
    laid = band_layout(bands, top_of(setting.classifier), width, step, overlap=0.5)
    how = Filtering(depth_db, edge_hz, match, fill)

    def function(batch: Batch) -> Attributed:
        hearing = Hearing(setting, batch, how, laid.edges)
        return hearing.attributed(hearing.logit[:, None] - hearing.of(1 - hearing.passed))

    return Prepared(function, laid.placement(setting.classifier), reads="sounds")


def prepare_notch(
    setting: Setting,
    *,
    bands: str = "hz",
    width: float = 100.0,
    step: float = 0.0,
    depth_db: float = -40.0,
    edge_hz: float = 50.0,
    match: bool = True,
    fill: str = "none",
) -> Prepared:
    """Band-stop with narrow bands: a notch that is swept over the sound; see ``band-stop``."""
    return prepare_band_stop(
        setting, bands=bands, width=width, step=step, depth_db=depth_db, edge_hz=edge_hz, match=match, fill=fill
    )


def prepare_band_pass(
    setting: Setting,
    *,
    bands: str = "hz",
    width: float = 0.0,
    step: float = 0.0,
    depth_db: float = -80.0,
    edge_hz: float = EDGE_HZ,
    match: bool = True,
    fill: str = "none",
) -> Prepared:
    """What a band alone brings: logit for the band alone − logit for nothing (silence, or the fill alone).

    The rest is taken down to ``depth_db``, deeper than by band-stop since it must not outweigh a soft band. Options as
    for ``band-stop``; a ``fill`` of noise has no neighbours here: choose ``none`` or ``mean``.
    """
    laid = band_layout(bands, top_of(setting.classifier), width, step, overlap=0.5)
    how = Filtering(depth_db, edge_hz, match, fill).without_neighbours("band-pass")

    def function(batch: Batch) -> Attributed:
        hearing = Hearing(setting, batch, how, laid.edges)
        return hearing.attributed(hearing.of(hearing.passed) - hearing.of_nothing[:, None])

    return Prepared(function, laid.placement(setting.classifier), reads="sounds")


def prepare_low_pass(
    setting: Setting,
    *,
    bands: str = "hz",
    width: float = 0.0,
    depth_db: float = -80.0,
    edge_hz: float = EDGE_HZ,
    match: bool = True,
    fill: str = "none",
) -> Prepared:
    """Low-pass curve: what the logit gains when the cut-off rises from one band's lower edge to its upper one.

    The gains sum to the logit for all below the top of the axis − logit for nothing (silence, or the fill alone);
    what is left over is the effect of what lies above the axis. Options as for ``band-pass``; bands touch.
    """
    laid = band_layout(bands, top_of(setting.classifier), width)
    how = Filtering(depth_db, edge_hz, match, fill).without_neighbours("low-pass")
    below = np.stack([np.zeros(len(laid)), laid.edges[:, 1]], axis=1)

    def function(batch: Batch) -> Attributed:
        hearing = Hearing(setting, batch, how, below)
        curve = torch.cat([hearing.of_nothing[:, None], hearing.of(hearing.passed)], dim=1)
        return hearing.attributed(curve.diff(dim=1), hearing.logit - hearing.of_nothing)

    return Prepared(function, laid.placement(setting.classifier), _CURVE, reads="sounds")


def prepare_high_pass(
    setting: Setting,
    *,
    bands: str = "hz",
    width: float = 0.0,
    depth_db: float = -80.0,
    edge_hz: float = EDGE_HZ,
    match: bool = True,
    fill: str = "none",
) -> Prepared:
    """High-pass curve: what the logit loses when the cut-off rises from one band's lower edge to its upper one.

    The losses sum to the token's logit − logit for what lies above the axis; what is left over is the effect of that
    alone, against nothing. Options as for ``band-pass``; bands touch.
    """
    laid = band_layout(bands, top_of(setting.classifier), width)
    how = Filtering(depth_db, edge_hz, match, fill).without_neighbours("high-pass")
    below = np.stack([np.zeros(len(laid)), laid.edges[:, 1]], axis=1)
    at_top = bool(laid.edges[-1, 1] >= setting.classifier.sample_rate / 2)

    def function(batch: Batch) -> Attributed:
        hearing = Hearing(setting, batch, how, below[:-1] if at_top else below)
        curve = [hearing.logit[:, None], hearing.of(1 - hearing.passed)]
        curve += [hearing.of_nothing[:, None]] if at_top else []
        losses = -torch.cat(curve, dim=1).diff(dim=1)
        return hearing.attributed(losses, hearing.logit - hearing.of_nothing)

    return Prepared(function, laid.placement(setting.classifier), _CURVE, reads="sounds")
