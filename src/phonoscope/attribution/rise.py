"""Random masks: which cells, when they stay in sight, go along with a higher logit (RISE, Petsiuk et al. 2018)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from phonoscope.attribution.bands import top_of
from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting, unpromised
from phonoscope.attribution.occlusion import cell_of_frame
from phonoscope.attribution.passes import all_logits, portions
from phonoscope.attribution.spaces import choose_space
from phonoscope.errors import AttributionError


def prepare_rise(
    setting: Setting,
    *,
    masks: int,
    height_hz: float,
    width: float,
    keep: float,
    fill: str,
    space: str,
) -> Prepared:
    """RISE (Petsiuk et al. 2018) with signed logits and without its bias towards cells that are often in sight.

    Masks are random patches, joined by straight lines and shifted at random. The map is the sample covariance of the
    logit with each cell's visibility over the sum of that visibility's covariances with all cells: for a linear network
    its expectation is the evidence of the cells, smoothed by the patches. (The original multiplies logit and mask: a
    constant logit then paints the mean mask.)

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    masks
        Masks for each token, at least 2.
    height_hz, width
        Size of the patches: Hz, and a share of the time axis, 0 to 1.
    keep
        Probability that a patch is in sight, between 0 and 1.
    fill
        Baseline of the space that takes the place of what is out of sight.
    space
        ``picture``, ``sound`` or ``auto``, see ``choose_space``.
    """
    where = choose_space(setting, space)
    placement = where.placement
    frequency, time = placement.frequency, placement.time
    seconds = (placement.time_axis or setting.classifier.front_end.time_axis).seconds or 1.0
    top = max(top_of(setting.classifier), float(frequency[-1]))
    if masks < 2 or not 0 < keep < 1 or not 0 < height_hz <= top or not 0 < width <= 1:
        raise AttributionError(
            f"rise(masks={masks}, height_hz={height_hz:g}, width={width:g}, keep={keep:g}): expected at least 2 masks, "
            f"patches of up to {top:g} Hz and a share of up to 1, and keep between 0 and 1"
        )
    neutral = where.neutral(fill)
    along = Patches(frequency, height_hz), Patches(time / seconds, width)
    spread = torch.from_numpy(np.outer(along[0].reach, along[1].reach) * keep * (1 - keep))

    @torch.no_grad()
    def function(batch: Batch) -> Attributed:
        examples = where.examples(batch)
        forward, nothing, count = where.forward(batch), neutral(batch, examples), len(examples)
        tokens = torch.arange(count, device=examples.device)
        logits = all_logits(forward, examples, tokens, setting.examples)
        weights, columns = batch.weigh(logits), cell_of_frame(where, batch, examples)
        maps = logits.new_zeros(count, len(frequency), len(time))
        for token in range(count):
            drawn = _Draw(along, np.random.default_rng((setting.seed, batch.seeds[token])), masks, keep)
            scores, visible = [], maps.new_zeros(2, *maps.shape[1:])
            for part in portions(masks, setting.examples):
                mask = drawn.masks(part).to(examples)
                owner = tokens[token : token + 1].expand(len(mask))
                shown = mask[:, None, :, columns[token]]
                after = forward(nothing[owner] + shown * (examples[owner] - nothing[owner]), owner)
                score = ((after - logits[owner]) * weights[owner]).sum(1)  # small numbers lose less to rounding
                scores.append(score)
                visible += torch.stack([torch.einsum("n,nft->ft", score, mask), mask.sum(0)])
            mean = torch.cat(scores).mean()
            maps[token] = (visible[0] - mean * visible[1]) / (masks - 1)
        return Attributed(maps / spread.to(maps), logits, unpromised(logits))

    return Prepared(function, placement.no_finer(height_hz, width * seconds), reads=where.reads)


class Patches:
    """Straight lines between random values ``size`` apart, along one dimension of the cells, shifted at random.

    Parameters
    ----------
    centres
        Of the cells, from 0 on, in the unit of ``size``.
    """

    def __init__(self, centres: np.ndarray, size: float) -> None:
        self.at = np.asarray(centres, dtype=float) / size
        self.knots = int(np.floor(self.at[-1])) + 3

    def weights(self, shift: np.ndarray) -> np.ndarray:
        """Weight of each knot in each cell for shifts of 0 to 1 patch, shape (shift, cell, knot)."""
        position = self.at[None, :, None] + np.asarray(shift)[:, None, None]
        return np.maximum(0.0, 1 - np.abs(position - np.arange(self.knots)))

    @property
    def covariance(self) -> np.ndarray:
        """Mean over all shifts of the product of two cells' weights, shape (cell, cell): a cubic B-spline."""
        distance = np.abs(self.at[:, None] - self.at[None])
        near, far = 2 / 3 - distance**2 + distance**3 / 2, (2 - distance) ** 3 / 6
        return np.where(distance < 1, near, np.where(distance < 2, far, 0.0))

    @property
    def reach(self) -> np.ndarray:
        """Sum of each cell's covariances with all cells, shape (cell,)."""
        return self.covariance.sum(axis=1)


class _Draw:
    """The masks of one token: knots and shifts are drawn at once, masks made a few at a time."""

    def __init__(self, along: tuple[Patches, Patches], random: np.random.Generator, masks: int, keep: float) -> None:
        self.along = along
        self.knots = (random.random((masks, along[0].knots, along[1].knots)) < keep).astype(np.float32)
        self.shifts = random.random((2, masks))

    def masks(self, part: slice) -> Tensor:
        """Visibility of every cell, 0 to 1, shape (mask, frequency, time)."""
        rows, columns = (patches.weights(shift[part]) for patches, shift in zip(self.along, self.shifts, strict=True))
        return torch.from_numpy((rows @ self.knots[part] @ columns.transpose(0, 2, 1)).astype(np.float32))
