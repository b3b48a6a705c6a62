"""Which part of the network's input each cell of a map stands for, so that maps of any coarseness are judged alike.

A map is spread over the input's own cells by overlap, at the places that its coordinates say; nothing is resized.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from phonoscope.attribution.method import Batch
from phonoscope.attribution.spaces import Sound
from phonoscope.axes import FrequencyAxis, cell_edges, hz_per_position
from phonoscope.errors import AttributionError
from phonoscope.evidence.case import Case

# From images (batch, frequency, time) and one random stream a token to images that say nothing about the tokens.
Null = Callable[[np.ndarray, Sequence[np.random.Generator]], np.ndarray]


def spread(maps: xr.DataArray, case: Case, batch: Batch, rows: slice) -> np.ndarray:
    """Spread maps over the cells of the network's input.

    A cell reaches half-way to its neighbours and to the edges of the axes. Its value is a mass: divided by the spacing
    of the cells it is a density, whose mean over each cell of the input is returned.

    Parameters
    ----------
    maps
        Dims (token, frequency, time), of all tokens of the case.
    case
        Classifier, tokens and targets, from `open_case`.
    batch
        Some tokens of the case.
    rows
        Those of the batch.

    Returns
    -------
    ndarray (batch, frequency, time) of the space's examples
        NaN where an example's cell does not belong to the token (frames behind the end of a sound).

    Raises
    ------
    AttributionError
        If there is not one map a token, or it is not finite.
    """
    if maps.sizes.get("token") != len(case) or set(maps.dims) != {"token", "frequency", "time"}:
        raise AttributionError(
            f"expected maps (token, frequency, time) of {len(case)} tokens, found {dict(maps.sizes)}; explain the same "
            "tokens that are judged"
        )
    values = maps.transpose("token", "frequency", "time").values[rows].astype(np.float64)
    if not np.isfinite(values).all():
        raise AttributionError("a map holds values that are not finite and cannot be judged")
    hz, time = maps["frequency"].values.astype(float), maps["time"].values.astype(float)
    classifier, space = case.setting.classifier, case.space
    axis, columns = classifier.front_end.frequency_axis, classifier.front_end.time_axis
    if isinstance(space, Sound):
        return _on_frames(values, hz, time, batch, space)
    assert axis is not None  # a picture has rows
    over_rows = _density(position_on(axis, hz), axis.rows)
    count = batch.inputs.shape[-1] if classifier.front_end.natural else columns.columns
    over_columns = _density(time / (columns.seconds or 1.0) * count, count)
    return over_rows @ values @ over_columns.T


def position_on(axis: FrequencyAxis, hz: np.ndarray) -> np.ndarray:
    """Rows below a frequency: 0 at the lower edge of the axis, ``rows`` at its upper edge; goes on evenly above it."""
    halves = np.arange(2 * axis.rows + 1) / 2
    known = axis.at(halves - 0.5)
    above = np.maximum(hz - axis.max_hz, 0.0) / hz_per_position(axis)
    return np.interp(hz, known, halves) + above


def _on_frames(values: np.ndarray, hz: np.ndarray, time: np.ndarray, batch: Batch, space: Sound) -> np.ndarray:
    bins = space.placement.frequency
    over_bins = _density(hz / bins[1] + 0.5, len(bins))
    rate, reach = space.setting.classifier.sample_rate, space.window_samples
    frames = space.examples(batch).shape[3]
    spread_out = np.full((len(values), len(bins), frames), np.nan)
    for token, length in enumerate(batch.token_lengths.tolist()):
        if space.time_axis.seconds is None:
            start = time * length
        else:
            start = (time + space.time_axis.start_in(length / rate)) * rate
        # Frame k stands for the samples a hop around its middle, k · hop − half a window.
        position = (start + reach / 2) / space.hop + 0.5
        first, behind = 1, min(frames, -(-(length + reach) // space.hop))
        over_frames = _density(position, frames)[first:behind]
        spread_out[token, :, first:behind] = over_bins @ values[token] @ over_frames.T
    return spread_out


def _density(centres: np.ndarray, count: int) -> np.ndarray:
    """From masses of cells to mean densities in unit intervals 0…count: a matrix (count, cells)."""
    spacing = np.gradient(centres) if len(centres) > 1 else np.array([float(count)])
    edges = cell_edges(centres, min(0.0, centres[0]), max(float(count), centres[-1]))
    edges[0], edges[-1] = -np.inf, np.inf  # nothing of the input is left without a cell
    low = np.maximum(np.arange(count)[:, None], edges[:-1])
    high = np.minimum(np.arange(1, count + 1)[:, None], edges[1:])
    return np.maximum(high - low, 0.0) / spacing


def ranks(scores: np.ndarray, random: Sequence[np.random.Generator]) -> np.ndarray:
    """Place of each cell in falling order of its score, from 0.

    Equal cells go by position, from a place that is drawn for each token: a cell of a coarse map goes in one piece, and
    a flat map favours no frequency.

    Parameters
    ----------
    scores
        Shape (batch, frequency, time); cells with NaN have no place.
    random
        One stream a token.

    Returns
    -------
    ndarray of the same shape
        NaN where the scores are.
    """

    def rank(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        position = _shift(np.arange(image.size).reshape(image.shape), rng).ravel()
        order = np.lexsort((position, -image.ravel()))
        places = np.empty(image.size)
        places[order] = np.arange(image.size)
        return places.reshape(image.shape)

    return _each(scores, random, rank)


def moved(images: np.ndarray, random: Sequence[np.random.Generator]) -> np.ndarray:
    """Put each image at another place: shifted round both axes, so that its values and their patches stay as they are.

    This is the fair chance level: it differs from the map in *where* alone. A map in random order falls to dust, and
    dust disturbs a network differently from patches.
    """
    return _each(images, random, _shift)


def shuffled(images: np.ndarray, random: Sequence[np.random.Generator]) -> np.ndarray:
    """Put the cells of the input in random order: the chance level of the literature."""
    return _each(images, random, lambda image, rng: rng.permutation(image.ravel()).reshape(image.shape))


NULLS: dict[str, Null] = {"moved": moved, "shuffled": shuffled}


def choose_null(name: str) -> Null:
    """Return a chance model by name; AttributionError names the choices."""
    if name not in NULLS:
        raise AttributionError(f"chance={name} is not known; choose one of {', '.join(NULLS)}")
    return NULLS[name]


def _shift(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if image.size < 2:
        return image
    by = np.unravel_index(int(random.integers(1, image.size)), image.shape)
    return np.roll(image, by, axis=(0, 1))


def _each(
    images: np.ndarray,
    random: Sequence[np.random.Generator],
    change: Callable[[np.ndarray, np.random.Generator], np.ndarray],
) -> np.ndarray:
    """Change the part of each token's image that is its own; the rest stays NaN."""
    changed = np.full(images.shape, np.nan)
    for token, rng in enumerate(random):
        columns = np.flatnonzero(~np.isnan(images[token, 0]))
        inside = slice(columns[0], columns[-1] + 1)
        changed[token][:, inside] = change(images[token][:, inside], rng)
    return changed
