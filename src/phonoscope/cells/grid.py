"""Cells of a layer and where they lie in its output: which dimension of a tensor runs over which axis of the input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

BATCH = -1  # stands among the axes for the batch
# Number of the cell, along each axis that a dimension runs over, at each position; -1 where there is none (a class
# token). Patches in one row run over two axes.
Labels = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class Cells:
    """Where the cells of one axis of a layer look, in positions of the network's input.

    Cell ``i`` sees the input positions ``first + i * step`` to ``last + i * step`` (inclusive, before clipping at the
    input's borders). ``reach`` is given where attention, or the like, was added to the cells on the way: each then sees
    so many positions, all there are, but keeps the place that it has without the addition.
    """

    first: float
    last: float
    step: float
    count: int
    reach: int | None = None

    @property
    def extent(self) -> float:
        """Theoretical receptive field, input positions."""
        return self.last - self.first + 1 if self.reach is None else self.reach

    @property
    def centres(self) -> np.ndarray:
        """Centre of each cell's own field, shape (count,), input positions."""
        return (self.first + self.last) / 2 + self.step * np.arange(self.count)

    def part(self, start: int, step: int, count: int) -> Cells:
        """Every ``step``-th cell from ``start`` on."""
        moved = start * self.step
        return replace(self, first=self.first + moved, last=self.last + moved, step=self.step * step, count=count)


@dataclass(frozen=True)
class Grid:
    """What the dimensions of a tensor run over.

    Parameters
    ----------
    sizes
        Positions of each axis of the network's input.
    cells
        Of each axis; a single one where no dimension runs over the axis.
    labels
        Of each dimension of the tensor; none for channels.
    """

    sizes: tuple[int, ...]
    cells: tuple[Cells, ...]
    labels: tuple[Labels, ...]

    @classmethod
    def of_input(cls, inputs: Tensor) -> Grid:
        """Return the grid of a network's input, shape (batch, channels, *axes) or (batch, samples)."""
        batch, *sizes = inputs.shape if inputs.dim() == 2 else (inputs.shape[0], *inputs.shape[2:])
        channels = [{}] * (inputs.dim() - 1 - len(sizes))
        labels = [{axis: np.arange(n)} for axis, n in enumerate(sizes)]
        cells = tuple(Cells(0, 0, 1, n) for n in sizes)
        return cls(tuple(sizes), cells, ({BATCH: np.arange(batch)}, *channels, *labels))

    def axes_of(self, dimension: int) -> list[int]:
        """Axes of the input that a dimension runs over."""
        return [axis for axis in self.labels[dimension] if axis != BATCH]

    def with_labels(self, dimension: int, labels: Labels) -> Grid:
        """Return the grid with other labels on one dimension."""
        changed = list(self.labels)
        changed[dimension] = labels
        return replace(self, labels=tuple(changed))

    def with_cells(self, axis: int, cells: Cells) -> Grid:
        """Return the grid with other cells on one axis."""
        changed = list(self.cells)
        changed[axis] = cells
        return replace(self, cells=tuple(changed))

    def mixed(self, dimension: int) -> Grid | None:
        """All positions of a dimension become one value, or channels: what it ran over is seen as a whole."""
        grid: Grid = self
        if BATCH in self.labels[dimension]:
            return None
        for axis in self.axes_of(dimension):
            grid = grid.with_cells(axis, Cells(0, self.sizes[axis] - 1, self.sizes[axis], 1))
        return grid.with_labels(dimension, {})

    def without(self, dimension: int) -> Grid:
        """Return the grid without a dimension of channels."""
        return replace(self, labels=(*self.labels[:dimension], *self.labels[dimension + 1 :]))

    def inserted(self, dimension: int) -> Grid:
        """Return the grid with a dimension of channels more."""
        return replace(self, labels=(*self.labels[:dimension], {}, *self.labels[dimension:]))

    def reordered(self, order: Sequence[int]) -> Grid:
        """Return the grid of a tensor whose dimensions were permuted."""
        return replace(self, labels=tuple(self.labels[dimension] for dimension in order))

    def sliced(self, dimension: int, positions: slice | int) -> Grid | None:
        """Return the grid of a part of a dimension; one of which a single position is taken stays, without labels."""
        labels = self.labels[dimension]
        if BATCH in labels:
            kept = labels[BATCH][positions]
            return self if isinstance(positions, slice) and len(kept) == len(labels[BATCH]) else None
        if isinstance(positions, slice):
            grid = self.with_labels(dimension, {axis: numbers[positions] for axis, numbers in labels.items()})
            return grid.numbered_anew(dimension)
        grid = self
        for axis, numbers in labels.items():
            number, size = int(numbers[positions]), self.sizes[axis]
            cell = Cells(0, size - 1, size, 1) if number < 0 else self.cells[axis].part(number, 1, 1)
            grid = grid.with_cells(axis, cell)
        return grid.with_labels(dimension, {})

    def numbered_anew(self, dimension: int) -> Grid:
        """Count the cells of a dimension that runs over one axis, in even steps, from 0 on."""
        axes = self.axes_of(dimension)
        if len(axes) != 1:
            return self
        (axis,), numbers = axes, self.labels[dimension][axes[0]]
        steps = np.unique(np.diff(numbers))
        if len(numbers) == 0 or numbers[0] < 0 or len(steps) > 1 or (len(steps) == 1 and steps[0] <= 0):
            return self
        cells = self.cells[axis].part(int(numbers[0]), int(steps[0]) if len(steps) else 1, len(numbers))
        return self.with_cells(axis, cells).with_labels(dimension, {axis: np.arange(len(numbers))})

    def slid(self, dimension: int, change: Callable[[Cells], Cells]) -> Grid | None:
        """Change the cells of a dimension under a sliding window, or padding; None if it is no row of cells."""
        axes = self.axes_of(dimension)
        if not self.labels[dimension]:
            return self
        if len(self.labels[dimension]) > 1 or len(axes) != 1:
            return None
        (axis,) = axes
        if not np.array_equal(self.labels[dimension][axis], np.arange(self.cells[axis].count)):
            return None
        cells = change(self.cells[axis])
        return self.with_cells(axis, cells).with_labels(dimension, {axis: np.arange(cells.count)})

    def reshaped(self, old: Sequence[int], new: Sequence[int]) -> Grid | None:
        """Return the grid of a tensor of shape ``old`` seen in the shape ``new``; None if cells are torn apart."""
        labels: list[Labels] = []
        for before, after in _blocks(old, new):
            sizes = [new[d] for d in after]
            if len(before) == len(after) == 1:
                labels.append(self.labels[before[0]])
                continue
            block: list[dict[int, np.ndarray]] = [{} for _ in after]
            for position, dimension in enumerate(before):
                rest = math.prod(old[d] for d in before[position + 1 :])
                for axis, numbers in self.labels[dimension].items():
                    repeats = math.prod(sizes) // (len(numbers) * rest)
                    spread = np.tile(np.repeat(numbers, rest), repeats).reshape(sizes)
                    runs = [d for d in range(len(sizes)) if (np.diff(spread, axis=d) != 0).any()]
                    if len(runs) > 1:
                        return None
                    if runs:
                        block[runs[0]][axis] = np.moveaxis(spread, runs[0], 0).reshape(sizes[runs[0]], -1)[:, 0]
            labels += block
        return replace(self, labels=tuple(labels))

    @property
    def can_be_arranged(self) -> bool:
        """Whether there are cells, each axis and the batch lies along one dimension, and every cell is there."""
        axes = [axis for labels in self.labels for axis in labels]
        present = [axis for axis in axes if axis != BATCH]
        apart = all(len(labels) == 1 for labels in self.labels if BATCH in labels)
        return (
            apart
            and len(present) > 0
            and axes.count(BATCH) == 1
            and len(set(present)) == len(present)
            and all(self.cells[axis].count == 1 for axis in range(len(self.cells)) if axis not in present)
            and all(self._order(d) is not None for d in range(len(self.labels)) if self.axes_of(d))
        )

    def arranged(self, tensor: Tensor) -> Tensor:
        """Return a tensor of this grid in the shape (batch, channels, *cells), one dimension an axis of the input.

        Class tokens and the like, which have no place, are left out.
        """
        shape: list[int] = []
        runs: list[int | None] = []
        for dimension, labels in enumerate(self.labels):
            order = self._order(dimension) if self.axes_of(dimension) else None
            if order is None:
                shape.append(tensor.shape[dimension])
                runs.append(BATCH if BATCH in labels else None)
                continue
            if not np.array_equal(order, np.arange(tensor.shape[dimension])):
                tensor = tensor.index_select(dimension, torch.from_numpy(order).to(tensor.device))
            counts = [self.cells[axis].count for axis in sorted(labels)]
            shape += [*counts, len(order) // math.prod(counts)]
            runs += [*sorted(labels), None]
        channels = [d for d, axis in enumerate(runs) if axis is None]
        present = [axis for axis in range(len(self.cells)) if axis in runs]
        batch = runs.index(BATCH)
        order = [batch, *channels, *(runs.index(axis) for axis in present)]
        counts = [cells.count for cells in self.cells]
        return (
            tensor.reshape(shape).permute(order).reshape(shape[batch], math.prod(shape[d] for d in channels), *counts)
        )

    def _order(self, dimension: int) -> np.ndarray | None:
        """Positions along a dimension, ordered by cell; None if a cell has none, or fewer than the others."""
        axes = sorted(self.axes_of(dimension))
        numbers = np.stack([self.labels[dimension][axis] for axis in axes])
        positions = np.flatnonzero((numbers >= 0).all(axis=0))
        order = positions[np.lexsort(numbers[::-1, positions])]
        counts = [self.cells[axis].count for axis in axes]
        each, rest = divmod(len(order), math.prod(counts))
        if each == 0 or rest:
            return None
        expected = np.repeat(np.indices(counts).reshape(len(axes), -1), each, axis=1)
        return order if np.array_equal(numbers[:, order], expected) else None


def _blocks(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Match the dimensions of two shapes of one tensor, in the smallest groups that hold the same values."""
    blocks, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        before, after = list(range(i, min(i + 1, len(old)))), list(range(j, min(j + 1, len(new))))
        i, j = i + len(before), j + len(after)
        while (have := math.prod(old[d] for d in before)) != (want := math.prod(new[d] for d in after)):
            if have < want:
                before.append(i)
                i += 1
            else:
                after.append(j)
                j += 1
        blocks.append((before, after))
    return blocks
