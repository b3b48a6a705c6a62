"""What the logit loses when part of the input is put out of sight: rectangles, or whole bands of frequency.

Only forward passes, of (token × window) pairs, in the network's picture or in the sound's STFT coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from phonoscope.attribution.bands import Bands, band_layout, top_of
from phonoscope.attribution.local import LocalPass, OffTapeError, passes_locally, recorded_pass
from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting, unpromised
from phonoscope.attribution.passes import all_logits, portions
from phonoscope.attribution.spaces import BASELINES, Space, choose_space
from phonoscope.errors import AttributionError

# Below this, passes of whole inputs of many windows at a time are as quick as local ones of one window.
_FEWEST_TOKENS = 8

# From tokens (n,) and the number of a window to what is put into its rows: (n, channels, rows, frames).
Fill = Callable[[Tensor, int], Tensor]
# From tokens (n,) and logits of what is left of them (n, classes) to what their targets lose, (n,).
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Windows:
    """Rectangles over the cells of a map: ``rows`` and ``columns`` (window, 2), first cell and first beyond."""

    rows: np.ndarray
    columns: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def prepare_occlusion(
    setting: Setting,
    *,
    height_hz: float,
    width: float,
    step_hz: float,
    step: float,
    fill: str,
    space: str,
) -> Prepared:
    """Occlusion by rectangles (Zeiler & Fergus 2014): what the logit loses without each of them.

    The loss of a window is spread evenly over its cells, and a cell gets the mean over the windows that cover it: maps
    of windows that do not overlap sum to the sum of the losses.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    height_hz, width
        Size of the rectangles: Hz, and a share of the time axis, 0 to 1.
    step_hz, step
        Distance between neighbours, in the same units and no more than the size; 0 for half of it.
    fill
        A baseline of the space, or ``shuffled`` (the same place of random reference tokens, not in the sound) or
        ``in-painted`` (levels interpolated between the rows below and above).
    space
        ``picture``, ``sound`` or ``auto``, see ``choose_space``.
    """
    where = choose_space(setting, space)
    placement = where.placement
    seconds = (placement.time_axis or setting.classifier.front_end.time_axis).seconds or 1.0
    top = max(top_of(setting.classifier), float(placement.frequency[-1]))
    rows = _slide(placement.frequency, top, height_hz, step_hz, "height_hz", "step_hz")
    columns = _slide(placement.time / seconds, 1.0, width, step, "width", "step")
    windows = Windows(np.repeat(rows, len(columns), axis=0), np.tile(columns, (len(rows), 1)))
    cells = (np.diff(windows.rows) * np.diff(windows.columns))[:, 0]
    covered = np.zeros((len(placement.frequency), len(placement.time)), dtype=np.float32)
    for r, c in zip(windows.rows, windows.columns, strict=True):
        covered[r[0] : r[1], c[0] : c[1]] += 1
    filled = _filling(where, setting, fill, windows)
    locally = where.reads == "inputs" and passes_locally(setting.classifier.network, setting.probe)

    def function(batch: Batch) -> Attributed:
        logits, losses = _losses(where, setting, batch, windows, filled, locally)
        maps = losses.new_zeros(len(losses), *covered.shape)
        for number, (r, c) in enumerate(zip(windows.rows, windows.columns, strict=True)):
            maps[:, r[0] : r[1], c[0] : c[1]] += (losses[:, number] / cells[number])[:, None, None]
        return Attributed(maps / torch.from_numpy(covered).to(maps), logits, unpromised(logits))

    return Prepared(function, placement.no_finer(height_hz, width * seconds), reads=where.reads)


def prepare_band_occlusion(
    setting: Setting,
    *,
    bands: str,
    width: float,
    step: float,
    fill: str,
    space: str,
) -> Prepared:
    """Occlusion of whole bands: what the logit loses without each of them; one cell a band.

    Bands too narrow to hold a row are left out.

    Parameters
    ----------
    setting, fill, space
        As of ``prepare_occlusion``.
    bands
        ``hz``, ``third-octave``, ``bark`` or ``erb``.
    width, step
        In the units of ``bands``, see ``band_layout``; 0 for the usual width, and for bands half a width apart.
    """
    where = choose_space(setting, space)
    frequency, columns = where.placement.frequency, len(where.placement.time)
    laid = band_layout(bands, top_of(setting.classifier), width, step, overlap=0.5)
    rows = np.searchsorted(frequency, laid.edges)
    rows[-1, 1] = np.searchsorted(frequency, laid.edges[-1, 1], side="right")
    held = rows[:, 1] > rows[:, 0]
    if held.sum() < 2:
        raise AttributionError(f"band-occlusion(bands={bands}, width={width:g}): the bands are narrower than a row")
    windows = Windows(rows[held], np.tile([0, columns], (int(held.sum()), 1)))
    filled = _filling(where, setting, fill, windows)
    locally = where.reads == "inputs" and passes_locally(setting.classifier.network, setting.probe)

    def function(batch: Batch) -> Attributed:
        logits, losses = _losses(where, setting, batch, windows, filled, locally)
        return Attributed(losses[:, :, None], logits, unpromised(logits))

    shown = Bands(laid.edges[held])
    placement = shown.placement(setting.classifier, where.placement.resolution_at(shown.centres))
    return Prepared(function, placement, reads=where.reads)


def _slide(centres: np.ndarray, top: float, width: float, step: float, wide: str, far: str) -> np.ndarray:
    """First and last cell (exclusive) of windows that slide over cells from 0 to the top, shape (window, 2)."""
    step = step or width / 2
    if not 0 < step <= width or not width <= top:
        raise AttributionError(
            f"occlusion({wide}={width:g}, {far}={step:g}): expected 0 < {far} ≤ {wide} ≤ {top:g}, which leaves no gap"
        )
    count = max(1, int(np.ceil((top - width) / step - 1e-9)) + 1)
    starts = np.minimum(step * np.arange(count), top - width)
    # Rounding must not decide on which side of an edge a centre lies.
    slack = 1e-9 * top
    cells = np.searchsorted(centres, np.stack([starts, starts + width], axis=1) - slack)
    cells[-1, 1] = len(centres)
    return np.unique(cells[cells[:, 1] > cells[:, 0]], axis=0)


def _filling(where: Space, setting: Setting, fill: str, windows: Windows) -> Callable[[Batch, Tensor], Fill]:
    """Return the function that makes the fill of a batch."""
    if fill == "in-painted":
        if ((windows.rows[:, 0] == 0) & (windows.rows[:, 1] == len(where.placement.frequency))).any():
            raise AttributionError("fill=in-painted needs something below or above each window; make them narrower")
        return lambda _batch, examples: _in_painted(where, examples, windows)
    if fill == "shuffled":
        if where.reads != "inputs":
            raise AttributionError("fill=shuffled needs tokens that fill the same picture; choose fill=mean on sounds")
        reference = setting.reference.inputs

        def shuffled(batch: Batch, examples: Tensor) -> Fill:
            drawn = [np.random.default_rng((setting.seed, seed)) for seed in batch.seeds]
            chosen = torch.tensor(np.array([r.integers(len(reference), size=len(windows)) for r in drawn]))
            return lambda owners, number: reference[chosen[owners.cpu(), number], :, slice(*windows.rows[number])].to(
                examples
            )

        return shuffled
    try:
        neutral = where.neutral(fill)
    except AttributionError as error:
        raise AttributionError(f"fill={fill} is not known; choose {BASELINES}, shuffled or in-painted") from error

    def constant(batch: Batch, examples: Tensor) -> Fill:
        values = neutral(batch, examples)
        return lambda owners, number: values[owners, :, slice(*windows.rows[number])]

    return constant


def _in_painted(where: Space, examples: Tensor, windows: Windows) -> Fill:
    """Levels on straight lines between the rows below and above; at the ends of the axis, that of the one there is."""
    frequency = torch.from_numpy(where.placement.frequency).to(examples)

    def interpolated(levels: Tensor, number: int) -> Tensor:
        first, last = windows.rows[number]
        below, above = max(first - 1, 0), min(last, levels.shape[2] - 1)
        if first == 0:
            below = above
        if last == levels.shape[2]:
            above = below
        way = (frequency[first:last] - frequency[below]) / (frequency[above] - frequency[below]).clamp_min(1e-9)
        ends = levels[:, :, [below]], levels[:, :, [above]]
        return ends[0] if above == below else ends[0] + way[:, None] * (ends[1] - ends[0])

    if where.reads == "inputs":
        return lambda owners, number: interpolated(examples[owners], number).expand(
            -1, -1, int(np.diff(windows.rows[number])[0]), -1
        )
    least = torch.finfo(examples.dtype).tiny
    size = examples.square().sum(1, keepdim=True).sqrt()
    levels, directions = size.clamp_min(least).log(), examples / size.clamp_min(least)
    return lambda owners, number: (
        directions[owners, :, slice(*windows.rows[number])] * interpolated(levels[owners], number).exp()
    )


@torch.no_grad()
def _losses(
    where: Space,
    setting: Setting,
    batch: Batch,
    windows: Windows,
    filling: Callable[[Batch, Tensor], Fill],
    locally: bool,
) -> tuple[Tensor, Tensor]:
    """Logits of the tokens (batch, classes), and what each token's target loses with each window, (batch, window)."""
    examples = where.examples(batch)
    forward, filled, count = where.forward(batch), filling(batch, examples), len(examples)
    tokens = torch.arange(count, device=examples.device)
    first = None
    if locally and min(count, setting.examples) >= _FEWEST_TOKENS:
        first = recorded_pass(setting.classifier.network, examples[: setting.examples])
    if first is not None and count <= setting.examples:
        logits = first.logits
    else:
        logits = all_logits(forward, examples, tokens, setting.examples)
    weights = batch.weigh(logits)

    def loss(owners: Tensor, after: Tensor) -> Tensor:
        return ((logits[owners] - after) * weights[owners]).sum(1)

    if first is not None:
        try:
            return logits, _locally(setting, first, examples, windows, filled, loss)
        except OffTapeError:  # the network takes another way for other values
            pass
    return logits, _wholly(where, setting, batch, examples, windows, filled, loss)


def _locally(
    setting: Setting, first: LocalPass, examples: Tensor, windows: Windows, filled: Fill, loss: Loss
) -> Tensor:
    """Losses window by window, by passes that compute again only what it can change."""
    losses = first.logits.new_zeros(len(examples), len(windows))
    tokens = torch.arange(len(examples), device=examples.device)
    for part in portions(len(examples), setting.examples):
        passed = first if part.start == 0 else recorded_pass(setting.classifier.network, examples[part])
        for number, (r, c) in enumerate(zip(windows.rows.tolist(), windows.columns.tolist(), strict=True)):
            new = filled(tokens[part], number)[..., slice(*c)]
            differs = (new != examples[part, :, slice(*r), slice(*c)]).flatten(1).any(1)
            if bool(differs.any()):
                losses[part, number] = loss(tokens[part], passed(new, (r[0], r[1]), (c[0], c[1]))) * differs
    return losses


def _wholly(
    where: Space, setting: Setting, batch: Batch, examples: Tensor, windows: Windows, filled: Fill, loss: Loss
) -> Tensor:
    """Losses by whole passes of (token × window) pairs."""
    forward, count = where.forward(batch), len(examples)
    columns, last = cell_of_frame(where, batch, examples), len(where.placement.time)
    losses = examples.new_zeros(count * len(windows))
    for part in portions(count * len(windows), setting.examples):
        pairs = torch.arange(part.start, part.stop, device=examples.device)
        owners, numbers = pairs % count, pairs // count
        changed = examples[owners]  # a copy, which the network may overwrite
        differs = torch.zeros(len(pairs), dtype=torch.bool, device=examples.device)
        for number in range(int(numbers[0]), int(numbers[-1]) + 1):
            mine = slice(max(number * count - part.start, 0), (number + 1) * count - part.start)
            rows = changed[mine, :, slice(*windows.rows[number])]
            new = filled(owners[mine], number)
            first, beyond = windows.columns[number]
            if (first, beyond) != (0, last):
                inside = (columns[owners[mine]] >= first) & (columns[owners[mine]] < beyond)
                new = torch.where(inside[:, None, None], new, rows)
            differs[mine] = (new != rows).flatten(1).any(1)
            rows.copy_(new)
        if not bool(differs.all()):  # a window that changes nothing costs no pass
            pairs, owners, changed = pairs[differs], owners[differs], changed[differs]
        if len(pairs):
            losses[pairs] = loss(owners, forward(changed, owners))
    return losses.view(len(windows), count).T


def cell_of_frame(where: Space, batch: Batch, examples: Tensor) -> Tensor:
    """Column of the map into which each frame of the examples goes, shape (batch, frames).

    `to_map` adds up frames; its transpose, the gradient, hands the number of each column back to its frames.

    Parameters
    ----------
    where
        The space that the examples belong to.
    batch, examples
        Tokens, and what the space makes of them.
    """
    probe = torch.zeros_like(examples[:, :1, :1]).requires_grad_()
    with torch.enable_grad():
        maps = where.to_map(probe, batch)
        numbers = torch.arange(maps.shape[2], device=maps.device).to(maps)
        (columns,) = torch.autograd.grad((maps * numbers).sum(), probe)
    return columns[:, 0, 0].round().long()
