"""Bands of frequency for all methods that take bands away: one place that says where they lie, in Hz."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from phonoscope.attribution.maps import Placement
from phonoscope.axes import TimeAxis
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.scales import bark_to_hz, erb_to_hz, hz_to_bark, hz_to_erb


@dataclass(frozen=True)
class _Layout:
    """A scale on which all bands have the same width; ``width`` is the usual one, in units of the scale."""

    to_scale: Callable[[Any], Any]
    to_hz: Callable[[Any], Any]
    width: float
    unit: str


def _third_octaves(hz: Any) -> Any:
    """Third octaves above 1 kHz; whole numbers are edges of bands whose centres are 1000 · 2^(k/3) Hz."""
    return 3 * np.log2(np.maximum(hz, _LOWEST_EDGE_HZ) / 1000) + 0.5


# Lower edge of the third octave around 100 Hz: the lowest band takes in all that lies below.
_LOWEST_EDGE_HZ = 1000 * 2 ** (-10.5 / 3)

_LAYOUTS = {
    "hz": _Layout(lambda hz: hz, lambda value: value, 250.0, "Hz"),
    "third-octave": _Layout(_third_octaves, lambda value: 1000 * 2 ** ((value - 0.5) / 3), 1.0, "third octaves"),
    "bark": _Layout(hz_to_bark, bark_to_hz, 1.0, "Bark"),
    "erb": _Layout(hz_to_erb, erb_to_hz, 1.0, "ERB"),
}
LAYOUTS = tuple(_LAYOUTS)


@dataclass(frozen=True)
class Bands:
    """Bands from the lowest to the highest; ``edges`` (band, 2) are in Hz."""

    edges: np.ndarray

    def __len__(self) -> int:
        return len(self.edges)

    @property
    def centres(self) -> np.ndarray:
        """Middle of each band, Hz, shape (band,)."""
        return self.edges.mean(axis=1)

    @property
    def widths(self) -> np.ndarray:
        """Hz, shape (band,)."""
        return self.edges[:, 1] - self.edges[:, 0]

    def placement(self, classifier: Classifier, finest_hz: float | np.ndarray = 0.0) -> Placement:
        """Place one cell a band, over the whole token.

        Parameters
        ----------
        finest_hz
            What the method cannot resolve however narrow the bands are, or that for each band.

        Notes
        -----
        On an uneven layout ``cell_hz``, ``field_hz`` and ``resolution_hz`` are means over the bands, and the resolution
        of each is there too.
        """
        whole_axis = classifier.front_end.time_axis
        seconds = whole_axis.seconds if whole_axis.start_seconds is None else None  # else a sound fills part of it
        axis = TimeAxis(1, seconds)
        spacing = float(np.diff(self.centres).mean()) if len(self) > 1 else float(self.widths[0])
        width, whole, seen = float(self.widths.mean()), seconds or 1.0, np.maximum(self.widths, finest_hz)
        mean = max(width, float(np.mean(finest_hz)))
        placement = Placement("bands", self.centres, axis.centres, spacing, width, mean, whole, whole, whole, axis)
        return placement if np.allclose(seen, seen[0], rtol=1e-3) else replace(placement, resolution=seen)


def top_of(classifier: Classifier) -> float:
    """Upper end of what the classifier's front end shows the network, Hz."""
    axis = classifier.front_end.frequency_axis
    return classifier.sample_rate / 2 if axis is None else float(axis.max_hz)


def band_layout(layout: str, max_hz: float, width: float = 0.0, step: float = 0.0, *, overlap: float = 0.0) -> Bands:
    """Lay bands of equal width on a scale, from 0 Hz to the top.

    Parameters
    ----------
    layout
        ``hz``, ``third-octave``, ``bark`` or ``erb``: the scale on which the bands are equally wide.
    max_hz
        Upper edge of the last band; the last one is wider or narrower by up to half a step so that it ends there.
    width, step
        Width of the bands and distance between their lower edges, in Hz, third octaves, Bark or ERB. 0 takes the
        layout's usual width (250 Hz, 1, 1, 1), and a step that follows from the overlap.
    overlap
        Share of a band that the next one covers too, where no step is given; by default bands touch.

    Raises
    ------
    AttributionError
        If the layout is not known, or width and step are negative, leave gaps, or leave no two bands.
    """
    if layout not in _LAYOUTS:
        raise AttributionError(f"bands={layout} is not known; choose one of {', '.join(LAYOUTS)}")
    scale = _LAYOUTS[layout]
    low, top = float(scale.to_scale(0.0)), float(scale.to_scale(max_hz))
    width = width or scale.width
    step = step or width * (1 - overlap)
    if not 0 < step <= width or not width <= (top - low) / 2:
        raise AttributionError(
            f"bands={layout}, width={width:g}, step={step:g}: expected 0 < step ≤ width ≤ {(top - low) / 2:g} "
            f"{scale.unit}, so that at least two bands fit below {max_hz:g} Hz and no gap is left"
        )
    # Rounding must not decide whether one more band fits.
    count = int(np.floor((top - low - width) / step + 1e-9)) + 1
    starts = low + step * np.arange(count + 1)
    ends = np.minimum(starts + width, top)
    missing = top - ends[count - 1]
    keep = count + 1 if missing >= step / 2 else count
    starts, ends = starts[:keep], ends[:keep]
    ends[-1] = top
    edges = np.asarray(scale.to_hz(np.stack([starts, ends], axis=1)), dtype=float)
    edges[np.isclose(edges, max_hz, rtol=1e-9)] = max_hz
    edges[starts <= low, 0] = 0.0
    return Bands(np.maximum(edges, 0.0))
