"""A method joined with occlusion: evidence counts where taking the place away matters too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from phonoscope.attribution.maps import Placement
from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting, unpromised
from phonoscope.attribution.occlusion import prepare_occlusion


def prepare_joined(setting: Setting, inner: Prepared, *, height_hz: float, width: float, fill: str) -> Prepared:
    """Multiply the maps of a method by the size of what occlusion says of the same place.

    Slopes are sharp and noisy, occlusion is steady and coarse; what both agree on is mostly right. With a map m and
    the occlusion o of a token, the result is m · \\|o\\|, scaled so that the sum of its absolute values is that of m.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    inner
        The method that is wrapped, made ready.
    height_hz, width, fill
        Of the occlusion, see ``prepare_occlusion``.
    """
    patches = {"height_hz": height_hz, "width": width, "step_hz": 0.0, "step": 0.0}
    occlusion = prepare_occlusion(setting, **patches, fill=fill, space="auto")
    nearest = _nearest(occlusion.placement, inner.placement)

    @torch.no_grad()
    def function(batch: Batch) -> Attributed:
        made = inner.function(batch)
        maps = made.maps if made.maps.dim() == 3 else made.maps[:, None]
        weights = occlusion.function(batch).maps.abs()[:, nearest[0]][:, :, nearest[1]]
        joined = maps * weights.to(maps)
        scale = _total(maps) / _total(joined).clamp_min(torch.finfo(maps.dtype).tiny)
        return Attributed(joined * scale, made.logits, unpromised(made.logits))

    return replace(inner, function=function, completeness="")


def _total(maps: Tensor) -> Tensor:
    return maps.abs().sum((1, 2), keepdim=True)


def _nearest(of: Placement, to: Placement) -> tuple[Tensor, Tensor]:
    """For each row and column of a grid the nearest one of another."""
    rows = np.abs(of.frequency[:, None] - to.frequency).argmin(axis=0)
    columns = np.abs(of.time[:, None] - to.time).argmin(axis=0)
    return torch.from_numpy(rows), torch.from_numpy(columns)
