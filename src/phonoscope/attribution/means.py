"""Exact means and variances of maps over declared tokens, streamed: all tokens, correct ones, errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

SUBSETS = ("all", "correct", "errors")


class StreamingMean:
    """Mean and variance of arrays that arrive in batches (Chan, Golub & LeVeque 1979), in float64.

    The result equals that of all arrays at once, whatever the order and size of the batches, up to rounding.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray | None = None
        self._squares: np.ndarray | None = None

    def update(self, values: np.ndarray) -> None:
        """Add arrays along the first axis, shape (n, ...)."""
        if len(values) == 0:
            return
        values = np.asarray(values, dtype=np.float64)
        mean = values.mean(axis=0)
        squares = ((values - mean) ** 2).sum(axis=0)
        if self.mean is None or self._squares is None:
            self.count, self.mean, self._squares = len(values), mean, squares
            return
        total = self.count + len(values)
        delta = mean - self.mean
        self._squares = self._squares + squares + delta**2 * (self.count * len(values) / total)
        self.mean = self.mean + delta * (len(values) / total)
        self.count = total

    @property
    def variance(self) -> np.ndarray | None:
        """Unbiased variance; None for fewer than two arrays."""
        if self._squares is None or self.count < 2:
            return None
        return self._squares / (self.count - 1)


class ClassMeans:
    """Streaming mean maps of each true class over all its tokens, the correctly classified ones and the errors.

    Maps must share their cells; on a stretched time axis the mean runs over relative time.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self._means = {(subset, label): StreamingMean() for subset in SUBSETS for label in self.labels}
        self._template: xr.DataArray | None = None

    def update(self, maps: xr.DataArray, true_labels: ArrayLike, predicted: ArrayLike) -> None:
        """Add a batch of maps.

        Parameters
        ----------
        maps
            Dims (token, frequency, time).
        true_labels, predicted
            True and predicted class of each token.
        """
        true = np.asarray(true_labels, dtype=object)
        right = true == np.asarray(predicted, dtype=object)
        chosen = {"all": np.ones(len(true), dtype=bool), "correct": right, "errors": ~right}
        values = np.asarray(maps.values)
        for (subset, label), mean in self._means.items():
            mean.update(values[(true == label) & chosen[subset]])
        if self._template is None:
            self._template = maps.isel(token=slice(0, 0))

    def result(self) -> xr.Dataset:
        """Return ``mean``, ``variance`` (subset, label, frequency, time), ``count`` (subset, label); NaN if empty."""
        if self._template is None:
            raise ValueError("no map was added")
        grid = (self._template.sizes["frequency"], self._template.sizes["time"])
        shape = (len(SUBSETS), len(self.labels), *grid)
        mean, variance = np.full(shape, np.nan), np.full(shape, np.nan)
        count = np.zeros(shape[:2], dtype=int)
        for (subset, label), streamed in self._means.items():
            at = SUBSETS.index(subset), self.labels.index(label)
            count[at] = streamed.count
            if streamed.mean is not None:
                mean[at] = streamed.mean
            if streamed.variance is not None:
                variance[at] = streamed.variance
        dims = ("subset", "label", "frequency", "time")
        return xr.Dataset(
            {"mean": (dims, mean), "variance": (dims, variance), "count": (dims[:2], count)},
            coords={
                "subset": list(SUBSETS),
                "label": np.asarray(self.labels, dtype=object),
                "frequency": self._template["frequency"],
                "time": self._template["time"],
            },
            attrs=dict(self._template.attrs),
        )
