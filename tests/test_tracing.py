"""Torch functions read as they run: names, arguments, and windows that give the output's own shape."""

import gc

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from phonoscope.tracing import TensorNotes, name_of, tensors_changed, tensors_in, window_of


class Calls(TorchFunctionMode):
    """Writes down every call."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.made.append((name_of(func), args, kwargs or {}, result))
        return result


def windows(run):
    """Windows of the calls that slide one, each with the output."""
    with Calls() as calls:
        run()
    read = [(window_of(name.removesuffix("_with_indices"), a, k), r) for name, a, k, r in calls.made]
    return [(window, output) for window, output in read if window is not None]


@given(
    dims=st.integers(1, 3),
    kind=st.sampled_from(["conv", "max_pool", "avg_pool"]),
    kernel=st.integers(1, 3),
    stride=st.sampled_from([None, 1, 2, 3]),
    dilation=st.integers(1, 2),
    half=st.booleans(),
    named=st.booleans(),
)
def test_the_window_that_is_read_predicts_the_shape(dims, kind, kernel, stride, dilation, half, named):
    inputs, padding = torch.zeros(1, 1, *[11, 10, 9][:dims]), kernel // 2 if half else 0
    options = {"padding": padding} | ({} if kind == "avg_pool" else {"dilation": dilation})
    if stride is not None:
        options["stride"] = stride
    size = {"weight": torch.zeros(1, 1, *[kernel] * dims)} if kind == "conv" else {"kernel_size": kernel}
    function = getattr(functional, f"{kind}{dims}d")

    def run():
        return function(inputs, **size, **options) if named else function(inputs, *size.values(), **options)

    read = windows(run)
    assert read
    for window, output in read:
        assert window.stride == ((stride or (1 if kind == "conv" else kernel)),) * dims
        sizes = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(
                inputs.shape[2:], window.kernel, window.stride, window.padding, window.dilation, strict=True
            )
        ]
        assert list(output.shape[2:]) == sizes


def test_arguments_are_read_by_position_too_and_transposed_convolutions_have_another_order():
    inputs, weight = torch.zeros(1, 2, 8), torch.zeros(2, 1, 3)
    (window, _), *_ = windows(lambda: functional.conv_transpose1d(inputs, weight, None, 2, 1, 1, 1, 3))
    assert (window.kernel, window.stride, window.padding, window.dilation) == ((3,), (2,), (1,), (3,))
    (window, _), *_ = windows(lambda: functional.conv1d(inputs, torch.zeros(1, 2, 5), None, 2, 1, 2))
    assert (window.kernel, window.stride, window.padding, window.dilation) == ((5,), (2,), (1,), (2,))


@pytest.mark.parametrize(("kernel", "before"), [(1, 0), (3, 2), (4, 3), (5, 4)])
def test_same_padding_is_what_stands_before_the_first_position(kernel, before):
    weight = torch.zeros(1, 1, kernel)
    (window, _), *_ = windows(lambda: functional.conv1d(torch.zeros(1, 1, 9), weight, padding="same", dilation=2))
    assert window.padding == (before,)
    (window, _), *_ = windows(lambda: functional.conv1d(torch.zeros(1, 1, 9), weight, padding="valid"))
    assert window.padding == (0,)


def test_functions_without_a_window_and_properties():
    assert windows(lambda: torch.zeros(2, 3).mT.relu()) == []
    with Calls() as calls:
        _ = torch.zeros(2, 3).mT
    assert [name for name, *_ in calls.made][-1] == "mT"


def test_tensors_are_taken_out_of_lists_at_any_depth():
    a, b, c = (torch.zeros(k) for k in (1, 2, 3))
    assert [t.numel() for t in tensors_in([a, 5, [b, ("x", [c])], None])] == [1, 2, 3]


def test_notes_belong_to_one_tensor_however_many_come_and_go():
    first = torch.zeros(3)
    notes = TensorNotes(first, "first")
    for number in range(200):
        tensor = torch.zeros(3)
        assert tensor not in notes
        assert notes.get(tensor) is None
        if number % 2:
            notes[tensor] = str(number)
        del tensor
        gc.collect(0)
    assert notes[first] == "first"
    notes.forget(first)
    assert first not in notes


def test_every_tensor_among_arguments_is_changed_at_any_depth_and_nothing_else():
    arguments = (torch.ones(2), [torch.zeros(1), "name"], {"weight": torch.ones(1), "stride": (1, 2)})
    changed = tensors_changed(arguments, lambda tensor: tensor + 1)
    assert (changed[0].tolist(), changed[1][0].tolist(), changed[2]["weight"].tolist()) == ([2, 2], [1], [2])
    assert (type(changed), changed[1][1], changed[2]["stride"]) == (tuple, "name", (1, 2))
    assert arguments[0].tolist() == [1, 1]
