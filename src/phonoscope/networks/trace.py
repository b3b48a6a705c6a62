"""Following a forward pass to every weight: what sees the input, what runs in parallel, what bypasses."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from phonoscope.errors import ClassifierError
from phonoscope.modules import evaluation_mode
from phonoscope.tracing import TensorNotes, argument, arguments_of, name_of, tensors_in, window_of

CONVOLUTIONS = tuple(f"{kind}{dims}d" for kind in ("conv", "conv_transpose") for dims in (1, 2, 3))
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
_PRODUCTS = ("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "baddbmm", "addmm", "einsum", "tensordot", "bilinear")
_SUMS = ("add", "add_", "__add__", "__radd__", "__iadd__")
_CONCATENATIONS = ("cat", "concat", "concatenate", "hstack")
_PROBE_SAMPLES = (16_000, 3_200, 96_000, 64_600, 32_000, 48_000, 8_000)
_FIXED_SAMPLES = (1024, 512, 400, 256, 1536, 64_000, 160_000, 480_000)  # of networks that take one length alone
_PROBE_SEED = 0


@dataclass(frozen=True)
class InputGrid:
    """Where a tensor that is still the waveform lies on it: position ``i`` is input sample ``first + i * step``."""

    first: int
    step: int
    count: int
    input_samples: int


@dataclass(frozen=True, eq=False)
class Use:
    """One use of a weight in a forward pass.

    ``before`` are the uses (by position) whose outputs this one reads without another weight between; ``kind`` is
    ``convolution``, ``transposed convolution``, ``linear``, ``recurrent`` or ``product``. ``parameters`` are the names
    of the network's parameters that the weight of a convolution is, or is computed from: none for a fixed one.
    """

    name: str
    kind: str
    weight: Tensor | None = None
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    sees_input: bool = False
    before: frozenset[int] = frozenset()
    grid: InputGrid | None = None
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trace:
    """What a forward pass did.

    Attributes
    ----------
    example
        The input.
    uses
        Every use of a weight, in the order of execution.
    parallel
        Positions of convolutions that read the same features and whose outputs are concatenated.
    residual
        Positions of weights whose output is added to a path around them.
    transforms
        Names of Fourier transforms that the input itself went through.
    """

    example: Tensor
    uses: list[Use] = field(default_factory=list)
    parallel: list[tuple[int, ...]] = field(default_factory=list)
    residual: set[int] = field(default_factory=set)
    transforms: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Origin:
    """What a tensor was made from: the input alone (``is_input``), the last weights on its way, all weights."""

    is_input: bool
    last: frozenset[int] = frozenset()
    all: frozenset[int] = frozenset()


class _Tracer(TorchFunctionMode):
    """Carries an ``_Origin`` along every torch function of a forward pass."""

    def __init__(self, network: nn.Module, inputs: Tensor, current: Callable[[], str], result: Trace) -> None:
        super().__init__()
        self._inputs = inputs
        self._current = current
        self._parameters = {id(parameter): name for name, parameter in network.named_parameters()}
        self._trace = result
        self._origins: TensorNotes[_Origin] = TensorNotes(inputs, _Origin(is_input=True))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, name_of(func)
        operands = tensors_in([*args, *kwargs.values()])
        known = [(a, self._origins[a]) for a in operands if a in self._origins]
        made = self._follow(name, args, kwargs, operands, known) if known else None
        result = func(*args, **kwargs)
        for output in tensors_in([args[0] if name == "__setitem__" else result]):
            self._origins.forget(output)
            if made is not None:
                self._origins[output] = made
        return result

    def _follow(
        self, name: str, args: Any, kwargs: Any, operands: list[Tensor], known: list[tuple[Tensor, _Origin]]
    ) -> _Origin:
        origins = [origin for _, origin in known]
        merged = _Origin(
            is_input=all(o.is_input for o in origins),
            last=frozenset().union(*(o.last for o in origins)),
            all=frozenset().union(*(o.all for o in origins)),
        )
        # A weight that was computed from the features (attention, hypernetworks) is not a weight of the network.
        learned = name in CONVOLUTIONS or name == "linear" or name in _RECURRENT
        if learned or (name in _PRODUCTS and len(operands) > len(known)):
            return self._use(name, args, kwargs, merged)
        transforms = name.startswith(("fft_", "stft", "istft")) and merged.is_input
        if transforms:
            self._trace.transforms.append(name.removeprefix("fft_"))
        if name == "multi_head_attention_forward":  # one function, whose last weight is the output projection
            return self._noted(Use(f"{self._current()}.out_proj", "linear", before=merged.last), merged)
        if transforms or name in _PRODUCTS:
            return replace(merged, is_input=False)
        if name in _SUMS and len(known) == 2 and known[0][0].shape == known[1][0].shape:
            (_, first), (_, second) = known
            if first.last != second.last:
                self._trace.residual.update((first.last - second.all) | (second.last - first.all))
        if name in _CONCATENATIONS and len(known) > 1:
            self._join(origins)
        return merged

    def _use(self, name: str, args: Any, kwargs: Any, merged: _Origin) -> _Origin:
        common: dict[str, Any] = {"name": self._current(), "sees_input": merged.is_input, "before": merged.last}
        if name in CONVOLUTIONS:
            use = self._convolution(name, args, kwargs, common)
        elif name == "linear":
            use = Use(kind="linear", weight=argument(args, kwargs, 1, "weight").detach(), **common)
        else:
            use = Use(kind="recurrent" if name in _RECURRENT else "product", **common)
        return self._noted(use, merged)

    def _noted(self, use: Use, merged: _Origin) -> _Origin:
        self._trace.uses.append(use)
        index = len(self._trace.uses) - 1
        return _Origin(is_input=False, last=frozenset([index]), all=merged.all | {index})

    def _convolution(self, name: str, args: Any, kwargs: Any, common: dict[str, Any]) -> Use:
        given, window = arguments_of(name, args, kwargs), window_of(name, args, kwargs)
        assert window is not None
        return Use(
            kind="transposed convolution" if "transpose" in name else "convolution",
            weight=given["weight"].detach(),
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            groups=given.get("groups", 1),
            grid=_place_on_input(given["input"], self._inputs, given["weight"]) if common["sees_input"] else None,
            parameters=tuple(
                dict.fromkeys(self._parameters[i] for i in _leaves(given["weight"]) if i in self._parameters)
            ),
            **common,
        )

    def _join(self, origins: Sequence[_Origin]) -> None:
        members = tuple(member for o in origins if len(o.last) == 1 for member in o.last)
        if len(set(members)) < len(origins):
            return
        uses = [self._trace.uses[m] for m in members]
        alike = {(u.kind, u.before, u.sees_input, u.groups, _channels(u)) for u in uses}
        if len(alike) == 1 and uses[0].kind == "convolution":
            self._trace.parallel.append(members)


def _channels(use: Use) -> tuple[int, int]:
    return (0, 0) if use.weight is None else (use.weight.shape[1], use.weight.dim())


def _leaves(weight: Tensor) -> list[int]:
    """Identities of the tensors that a weight is computed from, as far as gradients reach; of itself if it is one."""
    leaves, seen, to_see = [id(weight)], set(), [weight.grad_fn]
    while to_see:
        node = to_see.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(id(node.variable))
        to_see += [before for before, _ in node.next_functions]
    return leaves


def wide_dimension(shape: Sequence[int], otherwise: Sequence[int] = ()) -> int | None:
    """Dimension in which a window has more than one tap; the last, or the largest of ``otherwise``, if it has none.

    None if there are several: it works on a picture.
    """
    wide = [d for d, size in enumerate(shape) if size > 1]
    if not wide:
        return max(range(len(otherwise)), key=lambda d: otherwise[d]) if otherwise else len(shape) - 1
    return wide[0] if len(wide) == 1 else None


def _place_on_input(tensor: Tensor, inputs: Tensor, weight: Tensor) -> InputGrid | None:
    """Find which input sample each position of ``tensor`` stands for, by the largest entry of its gradient.

    Padding, cutting and decimation before the first layer are seen in this way whatever function made them, and
    whichever dimension time lies in: that in which the window of the layer is wide, and the longest of the input.
    """
    grid = tensor.shape[tensor.dim() - weight.dim() + 2 :]
    wide = wide_dimension(weight.shape[2:], grid)
    if wide is None or not tensor.requires_grad or grid[wide] < 4:
        return None
    count, dimension = grid[wide], tensor.dim() - len(grid) + wide
    time = max(range(inputs.dim()), key=lambda d: inputs.shape[d])
    value = tensor.real if tensor.is_complex() else tensor
    seen = []
    for position in (count // 2, count // 2 + 1):
        total = value.select(dimension, position).sum()
        (gradient,) = torch.autograd.grad(total, inputs, retain_graph=True, allow_unused=True)
        if gradient is None:
            return None
        seen.append(int(gradient.abs().movedim(time, -1).flatten(0, -2).sum(0).argmax()))
    step = seen[1] - seen[0]
    if step < 1:
        return None
    return InputGrid(seen[0] - (count // 2) * step, step, count, inputs.shape[time])


@contextmanager
def module_names(network: nn.Module) -> Generator[Callable[[], str]]:
    """Tell, while the network runs, the name of the innermost module that is running (and takes hooks)."""
    running: list[str] = [""]

    def enter(name: str, *_: Any) -> None:
        running.append(name)

    def leave(*_: Any) -> None:
        running.pop()

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if not isinstance(module, torch.jit.ScriptModule):
                hooks.enter_context(module.register_forward_pre_hook(partial(enter, name)))
                hooks.enter_context(module.register_forward_hook(leave))
        yield lambda: running[-1]


@contextmanager
def _differentiable(network: nn.Module) -> Generator[None]:
    """Let gradients reach frozen parameters too: they tell what a weight is computed from."""
    frozen = [p for p in network.parameters() if not p.requires_grad and (p.is_floating_point() or p.is_complex())]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def trace(network: nn.Module, example: Tensor) -> Trace:
    """Run the network once on ``example`` and note every use of a weight.

    Parameters
    ----------
    network
        Any module; it is run in evaluation mode and left as it was (modes, gradients, random state).
    example
        One input of the network.

    Returns
    -------
    Trace

    Raises
    ------
    ClassifierError
        If the network does not take the example.
    """
    result = Trace(example)
    inputs = example.detach().clone().requires_grad_(True)
    try:
        with (
            torch.random.fork_rng(),
            evaluation_mode(network),
            torch.enable_grad(),
            _differentiable(network),
            module_names(network) as current,
            _Tracer(network, inputs, current, result),
        ):
            network(inputs)
    except ClassifierError:
        raise
    except Exception as error:  # what a foreign network raises on an input it does not take is its own affair
        raise ClassifierError(
            f"the network does not take an input of shape {tuple(example.shape)}: {type(error).__name__}: {error}"
        ) from error
    return result


def _samples_of(network: nn.Module) -> tuple[int, ...]:
    """Length that a network from elsewhere was tried with, if it takes no other, samples."""
    seconds, rate = getattr(network, "window_seconds", None), getattr(network, "sample_rate", None)
    fixed = getattr(network, "exact", False) and seconds and rate
    return (round(seconds * rate),) if fixed else ()


def trace_any(network: nn.Module, besides: Sequence[tuple[int, ...]] = ()) -> Trace:
    """Trace with the first probe that the network accepts: noise of the usual shapes and lengths of a waveform.

    A network from elsewhere that takes one length alone is given that.

    Other shapes, ``besides`` those, are tried last.

    Raises
    ------
    ClassifierError
        If it accepts none of them.
    """
    known = _samples_of(network)
    lengths = (*known, *_PROBE_SAMPLES, *_FIXED_SAMPLES)
    waveforms = [shape for n in lengths for shape in ((1, 1, n), (1, n))]
    parameter = next(network.parameters(), torch.zeros(1))
    generator = torch.Generator().manual_seed(_PROBE_SEED)
    first_problem = ""
    for shape in (*waveforms, *besides):
        probe = torch.randn(shape, generator=generator).to(parameter.device)
        if parameter.is_floating_point():
            probe = probe.to(parameter.dtype)
        try:
            return trace(network, probe)
        except ClassifierError as error:
            first_problem = first_problem or str(error)
    raise ClassifierError(
        f"the network takes no waveform of {', '.join(map(str, lengths))} samples, neither as (batch, 1, "
        f"samples) nor as (batch, samples) ({first_problem[:200]}). Pass one input that it takes as example="
    )
