"""Receptive fields: arithmetic against NaN probes, known ResNet numbers, effective fields of known filters."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from phonoscope.axes import FrequencyAxis
from phonoscope.cells import effective_field, receptive_field
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
