"""Seeing the probabilities of every attention in a forward pass, however it is computed, and where its tokens lie.

Nothing of the network is touched: its torch functions are read while they run.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from phonoscope.cells import BATCH, CellTracker, Grid
from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode, hooked, layers_of
from phonoscope.tracing import argument, name_of

# From probabilities (…, queries, keys) and values (…, keys, channels) to the probabilities that the network uses.
Seen = Callable[[Tensor, Tensor], Tensor]

_PRODUCTS = frozenset(("matmul", "bmm", "__matmul__"))
# What may lie between a softmax and the product with the values.
_IN_BETWEEN = frozenset(
    (
        "dropout",
        "to",
        "type_as",
        "type",
        "float",
        "half",
        "bfloat16",
        "clone",
        "contiguous",
        "view",
        "reshape",
        "nan_to_num",
    )
)


class AttentionWatch(TorchFunctionMode):
    """Hands the probabilities of every attention of a forward pass to ``seen``, in the order in which they are used.

    Attention is what is called so (``scaled_dot_product_attention``, ``multi_head_attention_forward``), and any softmax
    over the last dimension whose result is multiplied with a matrix.
    """

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen
        self._softmaxes: dict[int, Tensor] = {}  # kept alive, for only then are identities unique

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, name_of(func)
        if name == "scaled_dot_product_attention":
            return self._attend(*args, **kwargs)
        if name == "multi_head_attention_forward":
            return self._attend_with_heads(func, args, kwargs)
        if name in _PRODUCTS and id(args[0]) in self._softmaxes:
            return func(self._seen(args[0], args[1]), *args[1:], **kwargs)
        result = func(*args, **kwargs)
        along = argument(args, kwargs, 1, "dim") if name == "softmax" and result.dim() > 2 else None
        over_keys = along is not None and along % result.dim() == result.dim() - 1
        if over_keys or (name in _IN_BETWEEN and args and id(args[0]) in self._softmaxes):
            self._softmaxes[id(result)] = result
        return result

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """``scaled_dot_product_attention`` in words of torch's documentation."""
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
        scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if is_causal:
            scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -math.inf)
        elif attn_mask is not None:
            scores = scores + attn_mask
        probabilities = scores.softmax(-1)
        if dropout_p:
            probabilities = functional.dropout(probabilities, dropout_p)
        return self._seen(probabilities, value) @ value

    def _attend_with_heads(self, func: Any, args: Any, kwargs: Any) -> tuple[Tensor, Tensor | None]:
        """Torch's own function, with this attention in it, and the same weights returned if they are asked for."""
        used: list[Tensor] = []

        def attend(*inner: Any, **options: Any) -> Tensor:
            before, self._seen = self._seen, lambda p, v: used.append(p) or before(p, v)
            try:
                return self._attend(*inner, **options)
            finally:
                self._seen = before

        names = {"has_torch_function": lambda _tensors: False, "scaled_dot_product_attention": attend}
        body = FunctionType(func.__code__, {**func.__globals__, **names}, argdefs=func.__defaults__)
        given = inspect.signature(func).bind(*args, **kwargs)
        given.apply_defaults()
        wanted, averaged = given.arguments["need_weights"], given.arguments["average_attn_weights"]
        output, _ = body(**{**given.arguments, "need_weights": False})
        if not wanted:
            return output, None
        weights = used[-1].mean(1) if averaged else used[-1]
        return output, weights if given.arguments["query"].dim() == 3 else weights[0]


@dataclass(frozen=True)
class Tokens:
    """The tokens of a transformer.

    Parameters
    ----------
    grid
        Of a tensor (batch, tokens).
    layer
        The last layer before the first attention whose cells are the tokens.
    calls
        Which attentions of a pass mix these tokens, by number.
    read
        What share of the answer is read from each token at the end, shape (tokens,): the same of all that are read (a
        class token; every token, where their mean is taken).
    values
        Numbers in all probabilities of one input.
    """

    grid: Grid
    layer: str
    calls: tuple[int, ...]
    read: Tensor
    values: int


def find_tokens(network: nn.Module, inputs: Tensor) -> Tokens:
    """Find the tokens that a network's self-attention mixes, and their places on the input.

    Parameters
    ----------
    network
        It is run twice and left as it was.
    inputs
        A few network inputs, shape (batch, channels, *axes).

    Raises
    ------
    AttributionError
        If there is no self-attention, its tokens cannot be placed, or they are merged on the way.
    """
    inputs = inputs[:2].detach()
    pair = torch.cat([inputs[:1]] * 2)
    tracker = CellTracker(pair)
    layers: dict[str, tuple[Grid, int]] = {}
    attentions: list[
        tuple[int, Grid | None]
    ] = []  # number of tokens, 0 where it is not from tokens to tokens; their grid

    def note(name: str, _module: nn.Module, _args: object, output: object) -> None:
        grid = tracker.of(output) if isinstance(output, Tensor) else None
        if name and grid is not None and grid.can_be_arranged:
            layers.pop(name, None)
            layers[name] = grid, len(attentions)

    def see(probabilities: Tensor, values: Tensor) -> Tensor:
        queries, keys = probabilities.shape[-2:]
        attentions.append((keys if queries == keys else 0, _tokens_of(tracker.of(values), len(pair))))
        return probabilities

    with (
        hooked(layers_of(network).items(), note),
        evaluation_mode(network),
        torch.no_grad(),
        tracker,
        AttentionWatch(see),
    ):
        network(pair)
    if not attentions:
        raise AttributionError(
            "this network has no attention that can be seen: it is no transformer, or a compiled one. Choose a method "
            "that works on any network, e.g. integrated-gradients"
        )
    placed = [(number, count, grid) for number, (count, grid) in enumerate(attentions) if count and grid is not None]
    if not placed:
        raise AttributionError(
            "this network attends, but not from tokens to tokens whose places in the input are known. Choose a method "
            "that works on the input, e.g. integrated-gradients"
        )
    first, count, grid = placed[0]
    if any(other != count for _, other, _ in placed):
        counts = ", ".join(str(other) for other in dict.fromkeys(other for _, other, _ in placed))
        raise AttributionError(
            f"the tokens of this transformer are merged or cut on the way ({counts} of them), so attention cannot be "
            "followed through it. Choose another method, e.g. integrated-gradients"
        )
    before = [name for name, (cells, seen) in layers.items() if seen <= first and cells.cells == grid.cells]
    if not before:
        raise AttributionError("the tokens of this transformer are no layer's output; choose another method")
    calls = tuple(n for n, (tokens, _) in enumerate(attentions) if tokens == count)
    read, values = _read_out(network, inputs, calls)
    return Tokens(grid, before[-1], calls, read, values)


def _tokens_of(grid: Grid | None, batch: int) -> Grid | None:
    """Grid (batch, tokens) of values (batch, heads, tokens, channels), however batch and heads are laid out."""
    if grid is None or len(grid.labels) < 3:
        return None
    *others, tokens, channels = grid.labels
    clean = all(set(labels) <= {BATCH} for labels in others) and not channels and BATCH not in tokens
    if not clean or not tokens or not any(others):
        return None
    alone = Grid(grid.sizes, grid.cells, ({BATCH: np.arange(batch)}, tokens))
    return alone if alone.can_be_arranged else None


def attentions_of(
    network: nn.Module, inputs: Tensor, calls: Sequence[int], keep: Callable[[Tensor], Tensor] = lambda p: p
) -> tuple[Tensor, list[Tensor]]:
    """Logits and the probabilities of some attentions of a pass, each (batch, heads, tokens, tokens) or laid out flat.

    Parameters
    ----------
    network
        It is run once, in the mode that it is in.
    inputs
        Shape (batch, channels, *axes).
    calls
        Which attentions, by number.
    keep
        What is kept of the probabilities.
    """
    kept: list[Tensor] = []
    wanted, number = set(calls), -1

    def see(probabilities: Tensor, _values: Tensor) -> Tensor:
        nonlocal number
        number += 1
        if number in wanted:
            if torch.is_grad_enabled() and not probabilities.requires_grad:
                probabilities = probabilities.detach().requires_grad_()
            kept.append(keep(probabilities))
        return probabilities

    with AttentionWatch(see):
        return network(inputs.clone()), kept


def gradients_of(total: Tensor, attentions: Sequence[Tensor]) -> list[Tensor]:
    """Gradient of a number with respect to each attention's probabilities; zero where it does not depend on them."""
    if not total.requires_grad:
        raise AttributionError(
            "the logits do not depend on the attention in a way that can be differentiated; choose a perturbation "
            "method, e.g. band-stop"
        )
    gradients = torch.autograd.grad(total, attentions, allow_unused=True)
    return [torch.zeros_like(a) if g is None else g for a, g in zip(attentions, gradients, strict=True)]


def over_heads(values: Tensor, batch: int) -> Tensor:
    """Mean over the heads: (batch, tokens, tokens)."""
    return values.reshape(batch, -1, *values.shape[-2:]).mean(1)


def _read_out(network: nn.Module, inputs: Tensor, calls: Sequence[int]) -> tuple[Tensor, int]:
    """Which tokens the logits are read from, and how many numbers the probabilities of one input are.

    The tokens that are read are those whose last attention has a part in the logits.
    """
    with evaluation_mode(network), torch.enable_grad():
        logits, kept = attentions_of(network, inputs.clone().requires_grad_(), calls)
        top = logits.amax(1).sum()
        last = over_heads(gradients_of(top, kept)[-1].abs(), len(inputs)).sum((0, 2))
    read = (last > 1e-6 * last.max()).to(inputs.dtype)
    if not bool(read.any()):
        raise AttributionError("the logits do not depend on the last attention of this network; choose another method")
    return read / read.sum(), sum(a.numel() for a in kept) // len(inputs)
