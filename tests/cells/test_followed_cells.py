"""Cells are followed wherever their dimension goes: moved, merged, cut, among channels, along shortcuts; or refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phonoscope.cells import effective_field, layer_grids, receptive_field
from phonoscope.errors import AttributionError


def ones(module):
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)
    return module


class Moved(nn.Module):
    """A convolution with positive weights, then a function; ``end`` sees what comes of it."""

    def __init__(self, function, dims=2):
        super().__init__()
        self.conv = ones((nn.Conv1d, nn.Conv2d)[dims - 1](1, 3, 3, 2, 1))
        self.end, self.function = nn.Identity(), function

    def forward(self, x):
        return self.end(self.function(self.conv(x))).flatten(1).mean(1, keepdim=True)


SCRAMBLED = {
    "flipped": lambda x: x.flip(2),
    "rolled": lambda x: x.roll(1, 2),
    "summed up": lambda x: x.cumsum(3),
    "picked by numbers": lambda x: x[:, :, torch.tensor([3, 0, 1, 2, 4, 5])],
    "enlarged": lambda x: F.interpolate(x, scale_factor=2),
    "transposed convolution": lambda x: F.conv_transpose2d(x, torch.ones(3, 1, 3, 3), padding=1),
    "torn apart": lambda x: x.unflatten(2, (2, 3)).transpose(2, 3),
    "multiplied with itself": lambda x: x @ x.mT,
    "weighted by what is flipped": lambda x: x * x.flip(2),
    "joined with what is flipped": lambda x: torch.cat([x, x.flip(2)], 1),
    "batch and time together": lambda x: x.transpose(1, 2).flatten(0, 1),
    "a place shared by two axes": lambda x: x + x.mT,
}


@pytest.mark.parametrize("name", SCRAMBLED)
def test_operations_that_scramble_cells_are_refused_not_guessed(name):
    with pytest.raises(AttributionError, match="'end'"):
        receptive_field(Moved(SCRAMBLED[name]), "end", torch.zeros(1, 1, 12, 12))


FOLLOWED = {
    "transposed": lambda x: x.transpose(2, 3),
    "transposed there and back": lambda x: x.mT.contiguous().mT,
    "channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (3,)),
    "channels last, linear": lambda x: F.linear(x.movedim(1, -1), torch.ones(5, 3)),
    "patches in a row": lambda x: x.flatten(2).transpose(1, 2),
    "patches in a row, the other way": lambda x: x.mT.flatten(2),
    "patches behind class tokens": lambda x: torch.cat([torch.ones(x.shape[0], 2, 3), x.flatten(2).mT], 1),
    "class tokens cut off again": lambda x: torch.cat([torch.ones(x.shape[0], 3, 2), x.flatten(2)], 2)[:, :, 2:],
    "patches in a row and back": lambda x: x.flatten(2).unflatten(2, (6, 5)),
    "heads": lambda x: x.flatten(2).mT.unflatten(2, (3, 1)).transpose(1, 2),
    "cut": lambda x: x[:, :, 1:, :-1],
    "every other": lambda x: x[..., ::2],
    "two halves": lambda x: torch.cat([x.chunk(2, 2)[1], x.narrow(2, 3, 3)], 1),
    "rows among the channels": lambda x: x.flatten(1, 2),
    "rows into the channels": lambda x: F.linear(x.transpose(1, 3).flatten(2), torch.ones(4, 18)),
    "a matrix over the columns": lambda x: x @ torch.ones(5, 4),
    "a matrix over the rows": lambda x: torch.ones(4, 6) @ x,
    "summed over rows": lambda x: x.amax(2),
    "one row": lambda x: x[:, :, 2],
    "stacked": lambda x: torch.stack([x, x.relu()], -1),
    "convolved along one axis": lambda x: F.conv1d(x.flatten(1, 2), torch.ones(4, 18, 3), padding=1),
    "a slope beside a gate": lambda x: x * x.mean((2, 3))[:, :, None, None].sigmoid(),
}


def whole(cells, length):
    return cells.extent >= length and cells.count == 1


@pytest.mark.parametrize("name", FOLLOWED)
def test_cells_are_followed_wherever_their_dimension_goes(name):
    """What lies outside a cell's field does not change it, what lies at the ends of the field does."""
    network, size = Moved(FOLLOWED[name]), (12, 10)
    inputs = torch.zeros(1, 1, *size)
    grid = layer_grids(network, inputs)["end"]
    taken = []
    network.end.register_forward_hook(lambda _m, _a, y: taken.append(grid.arranged(y)))
    for axis, length in enumerate(size):
        cells = grid.cells[axis]
        for position in range(length):
            x = inputs.clone()
            x.select(axis + 2, position).fill_(float("nan"))
            network(x)
            spoilt = taken[-1].isnan().movedim(axis + 2, 0).flatten(1).any(1).numpy()
            first = cells.first + cells.step * np.arange(cells.count)
            seen = (first <= position) & (position <= first + cells.extent - 1)
            if name == "a slope beside a gate":  # the gate sees all, and counts as one value
                assert spoilt[seen].all()
            else:
                assert np.array_equal(spoilt, seen), (axis, position)


def test_arranging_puts_every_cell_at_its_place_whatever_the_order_of_the_dimensions():
    class Numbered(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.end, self.function = nn.Identity(), function

        def forward(self, x):
            return self.end(self.function(x))

    x = torch.arange(2 * 2 * 3 * 4.0).reshape(2, 2, 3, 4)
    for function in (
        lambda x: x.permute(3, 0, 2, 1),
        lambda x: x.flatten(2).mT,
        lambda x: x.mT.flatten(2),
        lambda x: torch.cat([torch.ones(len(x), 2, 1), x.flatten(2), torch.ones(len(x), 2, 1)], 2),
        lambda x: x.permute(2, 0, 3, 1),
    ):
        grid = layer_grids(Numbered(function), x)["end"]
        assert torch.equal(grid.arranged(function(x)), x)


@pytest.mark.parametrize("shape", [(1, 64), (1, 1, 64)])
def test_sounds_are_followed_with_and_without_a_dimension_of_channels(shape):
    class Sound(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = ones(nn.Conv1d(1, 2, 5, 2))

        def forward(self, x):
            return self.conv(x[:, None] if x.dim() == 2 else x[:, 0].unsqueeze(1)).mean(2)

    (cells,) = receptive_field(Sound(), "conv", torch.zeros(shape))
    assert (cells.first, cells.last, cells.step, cells.count) == (0, 4, 2, 30)
    field = effective_field(Sound(), "conv", torch.randn(shape))
    assert field.centres == pytest.approx(cells.centres, abs=0.01)


def test_a_picture_of_one_column_is_followed_as_the_sound_it_is():
    """(batch, 1, samples, 1), padded by hand, then all frames in one dimension: as CREPE does."""

    class Column(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.end = nn.Conv2d(1, 4, (8, 1), (4, 1)), nn.Identity()

        def forward(self, x):
            y = F.max_pool2d(self.conv(F.pad(x[:, 0, :, None][:, None], (0, 0, 3, 3))), (2, 1), (2, 1))
            return self.end(y.permute(0, 2, 1, 3).reshape(len(y), y.shape[2], -1)).mean((1, 2))

    (cells,) = receptive_field(Column(), "end", torch.zeros(1, 1, 64))
    assert (cells.first, cells.last, cells.step, cells.count) == (-3, 8, 8, 8)


def test_frames_of_short_time_spectra_are_followed():
    class Spectra(nn.Module):
        def __init__(self, center):
            super().__init__()
            self.center, self.end = center, nn.Identity()

        def forward(self, x):
            spectra = torch.stft(x[:, 0], 16, 4, window=torch.ones(16), center=self.center, return_complex=True).abs()
            return self.end((torch.ones(3, 9) @ spectra).log1p()).mean(2)

    for center, first, count in ((True, -8, 17), (False, 0, 13)):
        (cells,) = receptive_field(Spectra(center), "end", torch.randn(1, 1, 64))
        assert (cells.first, cells.extent, cells.step, cells.count) == (first, 16, 4, count)

    class Frames(Spectra):
        def forward(self, x):
            return self.end(torch.fft.rfft(x[:, 0].unfold(1, 16, 4)).abs()).mean((1, 2))

    (cells,) = receptive_field(Frames(False), "end", torch.randn(1, 1, 64))
    assert (cells.first, cells.extent, cells.step, cells.count) == (0, 16, 4, 13)


class Shortcut(nn.Module):
    """Cells of a convolution, to which attention over all of them is added."""

    def __init__(self, batch_first=True):
        super().__init__()
        self.conv, self.batch_first = nn.Conv1d(1, 4, 4, 4), batch_first
        self.attention, self.end = nn.MultiheadAttention(4, 2, batch_first=batch_first), nn.Identity()

    def forward(self, x):
        y = self.conv(x).permute(0, 2, 1) if self.batch_first else self.conv(x).permute(2, 0, 1)
        return self.end(y + self.attention(y, y, y)[0]).flatten(0).mean()[None]


@pytest.mark.parametrize("batch_first", [True, False])
def test_cells_keep_their_place_along_a_shortcut_around_attention_but_see_everything(batch_first):
    torch.manual_seed(0)
    network, inputs = Shortcut(batch_first).eval(), torch.randn(1, 1, 40)
    (before,) = receptive_field(network, "conv", inputs)
    (after,) = receptive_field(network, "end", inputs)
    assert (before.extent, before.reach, after.extent) == (4, None, 40)
    assert np.array_equal(after.centres, before.centres)
    with pytest.raises(AttributionError, match="'attention'"):
        receptive_field(network, "attention", inputs)
    field = effective_field(network, "end", inputs)
    assert field.width_around(after.centres) >= field.width
    assert field.width_around(after.centres) > effective_field(network, "conv", inputs).width
