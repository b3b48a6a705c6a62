"""Receptive fields: arithmetic against NaN probes, known ResNet numbers, effective fields of known filters."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from phonoscope.axes import FrequencyAxis
from phonoscope.cells import effective_field, layer_grids, receptive_field
from phonoscope.errors import AttributionError
from phonoscope.networks import build_network


def probe(network, layer, size):
    """Per dimension: lowest and highest input position that each output cell depends on (None for none), by NaN."""
    result = []
    for dimension in range(len(size)):
        seen = []
        for position in range(size[dimension]):
            x = torch.ones(1, 1, *size)
            x.select(dimension + 2, position).fill_(float("nan"))
            taken = []
            handle = network.get_submodule(layer).register_forward_hook(lambda _m, _a, y, taken=taken: taken.append(y))
            with torch.no_grad():
                network(x)
            handle.remove()
            rest = tuple(d for d in range(taken[-1].dim()) if d != dimension + 2)
            seen.append(taken[-1].isnan().sum(dim=rest).numpy() > 0)
        seen = np.array(seen)  # (input position, cell)
        result.append([np.flatnonzero(column) for column in seen.T])
    return result


def assert_agrees(network, layer, size):
    """Cells whose whole field lies inside the input see exactly its first and last position, others no more."""
    fields = receptive_field(network, layer, torch.zeros(1, 1, *size))
    for cells, columns, length in zip(fields, probe(network, layer, size), size, strict=True):
        assert cells.count == len(columns)
        for index, positions in enumerate(columns):
            first, last = cells.first + index * cells.step, cells.last + index * cells.step
            if first >= 0 and last <= length - 1:
                assert (positions.min(), positions.max()) == (first, last)
            elif len(positions):
                assert positions.min() >= first
                assert positions.max() <= last


class Averaging(nn.Module):
    """Wraps layers; all weights are positive, so that a NaN is never multiplied by zero."""

    def __init__(self, *layers):
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return self.body(x).flatten(1).mean(1, keepdim=True)


def ones(module):
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)
    return module


class Branches(nn.Module):
    """A branch with a larger field that is added, or joined as channels."""

    def __init__(self, kernel, dilation, join, dims):
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d)[dims - 1]
        self.conv = conv(1, 1, kernel, padding="same", dilation=dilation)
        self.join = join

    def forward(self, x):
        y = self.conv(x)
        return x + y if self.join == "sum" else torch.cat([x, y], dim=1).mean(1, keepdim=True)


class Functional(nn.Module):
    """Plain functions instead of modules, some with keywords, and padding done by hand."""

    def __init__(self, kernel, stride, dims):
        super().__init__()
        self.kernel, self.stride, self.dims = kernel, stride, dims
        self.weight = nn.Parameter(torch.ones(1, 1, *[kernel] * dims))

    def forward(self, x):
        conv = (F.conv1d, F.conv2d)[self.dims - 1]
        pool = (F.max_pool1d, F.max_pool2d)[self.dims - 1]
        x = F.pad(x, (1, 2) * self.dims)
        x = conv(x, weight=self.weight, stride=self.stride)
        return pool(x, kernel_size=2, stride=1)


@st.composite
def layers(draw, dims):
    conv, maximum, mean = ((nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d), (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d))[dims - 1]
    kind = draw(st.sampled_from(["conv", "same", "max", "mean", "pad", "branches", "functional"]))
    kernel, stride, dilation = (draw(st.integers(1, 3)) for _ in range(3))
    if kind == "conv":
        return conv(1, 1, kernel, stride, padding=draw(st.integers(0, 2)), dilation=dilation)
    if kind == "same":
        return conv(1, 1, draw(st.integers(1, 4)), padding="same", dilation=dilation)
    if kind == "max":
        return maximum(kernel, draw(st.sampled_from([None, 1, 2])), padding=kernel // 2, dilation=1)
    if kind == "mean":
        return mean(kernel, draw(st.sampled_from([None, 1, 2])), padding=kernel // 2)
    if kind == "pad":
        return (nn.ConstantPad1d, nn.ConstantPad2d)[dims - 1](draw(st.integers(0, 2)), 0.0)
    if kind == "branches":
        return Branches(draw(st.sampled_from([1, 3, 4])), dilation, draw(st.sampled_from(["sum", "cat"])), dims)
    return Functional(kernel, stride, dims)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2).flatmap(lambda d: st.tuples(st.just(d), st.lists(layers(dims=d), min_size=1, max_size=4))))
def test_receptive_fields_agree_with_nan_probes(drawn):
    dims, chosen = drawn
    network = ones(Averaging(*chosen))
    size = (37,) if dims == 1 else (26, 23)
    try:
        with torch.no_grad():
            network(torch.zeros(1, 1, *size))
    except RuntimeError:
        return  # the layers shrink the input to nothing
    assert_agrees(network, "body", size)


def test_kernels_strides_and_paddings_may_differ_between_dimensions():
    network = ones(
        Averaging(
            nn.Conv2d(1, 1, (5, 3), (2, 1), (2, 0), (1, 2)), nn.MaxPool2d((1, 2), (1, 3)), nn.AvgPool2d((3, 1), 1)
        )
    )
    assert_agrees(network, "body", (31, 29))
    rows, columns = receptive_field(network, "body", torch.zeros(1, 1, 31, 29))
    assert (rows.step, columns.step) == (2, 3)
    assert (rows.extent, columns.extent) == (9, 6)


class Split(nn.Module):
    """The second half of the channels takes the wide way: the field is that of the wide way."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        self.wide = nn.Conv2d(1, 1, 7, padding=3)
        self.end = nn.Identity()

    def forward(self, x):
        a, b = self.conv(x).chunk(2, dim=1)
        return self.end(torch.cat([a, self.wide(b)], dim=1)).mean((1, 2, 3))


class Gate(nn.Module):
    """Squeeze and excitation: one number a channel does not move the cells."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.gate = nn.Linear(2, 2)
        self.end = nn.Identity()

    def forward(self, x):
        y = self.conv(x)
        return self.end(y * self.gate(y.mean((2, 3))).sigmoid()[:, :, None, None])


def test_both_halves_of_a_split_are_followed():
    (rows, _) = receptive_field(Split(), "end", torch.zeros(1, 1, 16, 16))
    assert (rows.first, rows.last) == (-3, 3)


def test_gates_of_one_number_a_channel_do_not_move_cells():
    (rows, columns) = receptive_field(Gate(), "end", torch.zeros(1, 1, 16, 12))
    assert rows.extent == columns.extent == 3
    assert (rows.count, columns.count) == (16, 12)


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


def test_resnet_stages_lie_on_multiples_of_their_stride_at_any_size():
    network = build_network("resnet18", 3)
    for stage, stride in (("layer1", 4), ("layer2", 8), ("layer3", 16), ("layer4", 32)):
        for cells in receptive_field(network, stage, torch.zeros(1, 1, 96, 160)):
            assert cells.step == stride
            assert cells.centres == pytest.approx(stride * np.arange(cells.count))
    assert [c.count for c in receptive_field(network, "layer4", torch.zeros(1, 1, 96, 160))] == [3, 5]


def test_resnet101_sees_971_positions_and_the_resized_picture_would_be_half_a_stride_off():
    (rows, _) = receptive_field(build_network("resnet101", 3), "layer4", torch.zeros(1, 1, 224, 64))
    assert rows.extent == 971
    resized = (np.arange(7) + 0.5) * 224 / 7 - 0.5  # where drawing 7 cells as an image of 224 rows puts them
    assert resized - rows.centres == pytest.approx(np.full(7, 15.5))
    axis = FrequencyAxis(224, 8000.0)
    assert np.diff([axis.at(rows.centres[3]), axis.at(resized[3])])[0] == pytest.approx(553.6, abs=0.1)


def test_the_network_is_left_as_it_was_and_may_work_in_place():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.conv(x.sub_(3.0)).mean((2, 3))

    network, inputs = InPlace().train(), torch.rand(2, 1, 8, 8)
    before = inputs.clone()
    receptive_field(network, "conv", inputs)
    effective_field(network, "conv", inputs)
    assert torch.equal(inputs, before)
    assert not inputs.requires_grad
    assert network.training
    assert all(p.grad is None for p in network.parameters())
    assert not network.conv._forward_hooks


def test_unknown_layers_are_answered_with_the_names_of_those_there_are():
    with pytest.raises(AttributionError, match=r"'layer9'.*body.*body\.0"):
        receptive_field(Averaging(nn.Conv2d(1, 1, 1)), "layer9", torch.zeros(1, 1, 4, 4))
    with pytest.raises(AttributionError, match="no layer"):
        effective_field(Averaging(nn.Conv2d(1, 1, 1)), "layer9", torch.zeros(1, 1, 4, 4))


def test_effective_field_of_a_linear_filter_is_the_spread_of_its_squared_taps():
    taps = np.array([1.0, -3.0, 5.0, 2.0, 0.5])
    network = Averaging(nn.Conv2d(1, 1, (5, 1), (2, 1), bias=False))
    network.body[0].weight.data = torch.tensor(taps, dtype=torch.float32).view(1, 1, 5, 1)
    field = effective_field(network, "body", torch.randn(3, 1, 21, 4))
    density = taps**2 / (taps**2).sum()
    mean = density @ np.arange(5)
    sd = np.sqrt(density @ np.arange(5) ** 2 - mean**2)
    assert field.centres == pytest.approx(mean + 2 * np.arange(9), rel=1e-5)
    assert field.widths == pytest.approx(np.full(9, 2 * sd), rel=1e-4)
    assert field.width == pytest.approx(2 * sd, rel=1e-4)


def test_effective_field_is_measured_along_the_dimension_asked_for_and_repeats():
    network = Averaging(nn.Conv2d(1, 3, (7, 1), padding=(3, 0)))
    x = torch.randn(2, 1, 20, 9)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    rows = effective_field(network, "body", x, dimension=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(rows.widths, effective_field(network, "body", x, dimension=0).widths)
    assert effective_field(network, "body", x, dimension=1).widths == pytest.approx(np.zeros(9), abs=1e-3)
    assert rows.width > 1


def test_cells_that_do_not_depend_on_the_input_have_no_width():
    network = Averaging(nn.Conv2d(1, 1, 3), nn.ReLU())
    network.body[0].weight.data.fill_(1.0)
    network.body[0].bias.data.zero_()
    x = torch.ones(1, 1, 12, 12)
    x[:, :, :6] = -1.0
    field = effective_field(network, "body", x)
    assert np.isnan(field.widths[:4]).all()
    assert np.isfinite(field.widths[6:]).all()
    # a row of three equal taps: variance 2/3
    assert field.width == pytest.approx(2 * np.sqrt(2 / 3), rel=1e-3)
    assert np.isnan(effective_field(network, "body", -torch.ones(1, 1, 12, 12)).width)
