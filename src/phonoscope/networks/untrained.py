"""Filters as a layer has them before its training: the honest null of what it has learned.

Free filters can be anything, so random ones are drawn freely. Filters that are computed from a few parameters
(band-passes from two cut-off frequencies, Gabor atoms from a centre and a width) cannot: their parameters are drawn
anew, and the layer's own computation makes the filters.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from phonoscope.errors import ClassifierError
from phonoscope.modules import evaluation_mode
from phonoscope.networks.remade import begun, rebuilding, resetting
from phonoscope.networks.starts import FIXED, FOURIER, FREE, Untrained, free_filters
from phonoscope.networks.trace import CONVOLUTIONS, Use, module_names
from phonoscope.tracing import arguments_of, name_of

Values = dict[str, Tensor]


def untrained(network: nn.Module, uses: Sequence[Use], example: Tensor, start: nn.Module | None = None) -> Untrained:
    """Find out how the filters of convolutions are drawn as they are before a training.

    Parameters that a layer draws at random when it is made (``reset_parameters``, or its class called again) are drawn
    so. Where a layer always begins with the same values, such as filters evenly spaced in mel, as many filters are
    drawn from the density of these: at random places between neighbours, all parameters of a filter together. An
    untrained layer then lies in the middle of the draws, and training shows where it moved filters to where few began.

    Parameters
    ----------
    network
        It is left as it was.
    uses
        The convolutions, in the order of execution.
    example
        One input of the network.
    start
        The same network before its training, for layers that cannot be made anew.
    """
    if all(is_fourier_basis(use.weight) for use in uses if use.weight is not None):
        return FOURIER
    modules, values = dict(network.named_modules()), dict(network.named_parameters())
    free = [_is_parameter(use, values) or _is_weight_norm(modules.get(use.name), use) for use in uses]
    if all(free):
        return FREE
    wanted = sorted({name for use, plain in zip(uses, free, strict=True) if not plain for name in use.parameters})
    if not wanted and not any(free):
        return FIXED
    owners: dict[str, list[str]] = {}
    for name in wanted:
        owners.setdefault(name.rpartition(".")[0].split("parametrizations")[0].rstrip("."), []).append(name)
    names, shapes = [use.name for use in uses], [use.weight.shape for use in uses if use.weight is not None]
    drawing, said = [], []
    for owner, own in owners.items():
        drawn = _drawing(modules[owner], owner, {name: values[name].detach() for name in own}, shapes, start)
        if drawn is None:
            return Untrained(
                "unknown",
                f"the first values of the parameters of {owner or 'the network'} are not known: "
                f"{type(modules[owner]).__name__} has no reset_parameters, and its attributes do not say how to make "
                "it anew. So there are no random layers to compare with; give the weights before training instead "
                "(--initial-weights)",
            )
        drawing.append(drawn[0])
        said.append(drawn[1])

    def draw(seed: int) -> list[np.ndarray]:
        fresh = {
            name: value for number, part in enumerate(drawing) for name, value in part(_seed(seed, number)).items()
        }
        weights = [weight.cpu().numpy().copy() for weight in _filters(network, names, example, fresh)]
        generator = np.random.default_rng(seed)
        return [free_filters(w, generator) if plain else w for w, plain in zip(weights, free, strict=True)]

    how = "; ".join(dict.fromkeys(said)) or "free filters, beside fixed ones"
    return Untrained("parameters", f"the layer's parameters drawn anew: {how}", draw, "density" in how)


def is_fourier_basis(weights: Tensor) -> bool:
    """Whether filters are window × cosine at equal steps of frequency from 0 Hz, then window × sine (if any).

    Networks that compute a short-time spectrum by a convolution keep these as if they were weights.
    """
    if weights.is_complex() or weights.dim() != 3 or weights.shape[1] != 1 or len(weights) < 4:
        return False
    rows = weights.detach().squeeze(1).double()
    taps = rows.shape[1]
    for count in {len(rows), len(rows) // 2}:
        for length in (taps, 2 * (count - 1)):  # of the transform: a window may be shorter
            phase = 2 * torch.pi / max(length, 1) * torch.outer(torch.arange(count), torch.arange(taps)).to(rows)
            basis = torch.cat([phase.cos(), phase.sin()])[: len(rows)] * rows[0]
            if len(basis) < len(rows):
                continue
            error = (rows - torch.sign((rows * basis).sum(1, keepdim=True)) * basis).abs().max()
            if float(error) < 1e-4 * float(rows[0].abs().max()):
                return True
    return False


def _is_parameter(use: Use, values: Mapping[str, Tensor]) -> bool:
    """Whether filters are free: one parameter, in whatever shape, not something computed from parameters."""
    if len(use.parameters) != 1 or use.weight is None:
        return False
    parameter = values[use.parameters[0]].detach()
    if parameter.shape == use.weight.shape:
        return torch.equal(parameter, use.weight)
    flat = [tensor.flatten() for tensor in (parameter, use.weight)]
    flat = [(torch.view_as_real(t) if t.is_complex() else t).flatten().sort().values for t in flat]
    return torch.equal(*flat)


def _is_weight_norm(module: nn.Module | None, use: Use) -> bool:
    """Whether filters are a length and a direction each: these can be anything, and begin as PyTorch draws them."""
    if not isinstance(module, nn.modules.conv._ConvNd):
        return False
    if {name.rpartition(".")[2] for name in use.parameters} == {"weight_g", "weight_v"}:
        return True
    if not nn.utils.parametrize.is_parametrized(module, "weight"):
        return False
    steps = list(module.get_submodule("parametrizations.weight").children())[:2]
    steps = [step for step in steps if not isinstance(step, nn.ParameterList)]
    return len(steps) == 1 and type(steps[0]) is nn.utils.parametrizations._WeightNorm


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def _drawing(
    module: nn.Module, owner: str, values: Values, shapes: Sequence[Sequence[int]], start: nn.Module | None
) -> tuple[Callable[[int], Values], str] | None:
    """From a seed to new values of a module's parameters, and in words how; None if nobody can see how they begin."""
    if (
        isinstance(module, (nn.modules.conv._ConvNd, nn.Linear))
        and _reparametrised(module, owner, values, 0) is not None
    ):
        return (
            lambda seed: _reparametrised(module, owner, values, seed) or {},
            "weights as PyTorch initialises them, parametrised anew",
        )
    prefix = f"{owner}." if owner else ""
    within = {name: name.removeprefix(prefix) for name in values}

    def fresh(make: Callable[[], nn.Module], seed: int) -> Values | None:
        made = begun(make, list(within.values()), seed)
        return made if made is None else _like({name: made[short] for name, short in within.items()}, values)

    ways = ((resetting(module), "by its reset_parameters"), (rebuilding(module, shapes), "as its class makes it"))
    for make, words in ways:
        if make is None:
            continue
        first, second = fresh(make, 0), fresh(make, 1)
        if first is None or second is None:
            continue
        if all(torch.equal(first[name], second[name]) for name in values):
            return partial(_scattered, first), f"from the density of its first values, {words}"
        return lambda seed, make=make: fresh(make, seed) or {}, f"at random, {words}"
    if start is not None and (first := _like(dict(start.named_parameters()), values)) is not None:
        return partial(_scattered, first), "from the density of the weights before training"
    return None


def _like(fresh: Mapping[str, Tensor], values: Values) -> Values | None:
    """Fresh values of parameters, on the device of these; None if they are of another shape."""
    if any(name not in fresh or fresh[name].shape != value.shape for name, value in values.items()):
        return None
    return {name: fresh[name].detach().to(value) for name, value in values.items()}


def _reparametrised(module: nn.Module, owner: str, values: Values, seed: int) -> Values | None:
    """What a parametrised weight of a torch layer is made of, when the weight is drawn as PyTorch does.

    None if its filters are computed from other parameters.
    """
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor):
        return None
    generator = torch.Generator().manual_seed(seed)
    bound = math.prod(weight.shape[1:]) ** -0.5
    fresh = (torch.rand(weight.shape, generator=generator) * 2 - 1).to(weight.detach()) * bound
    if nn.utils.parametrize.is_parametrized(module, "weight"):
        module = copy.deepcopy(module)
        try:
            module.weight = fresh
        except NotImplementedError:  # a parametrisation that cannot be inverted
            return None
        prefix = f"{owner}.parametrizations.weight." if owner else "parametrizations.weight."
        inside = module.get_submodule("parametrizations.weight").state_dict()
        new = {f"{prefix}{name}": value for name, value in inside.items()}
        return new if new.keys() >= values.keys() else None
    return _like(dict.fromkeys(values, fresh), values)


def _scattered(first: Values, seed: int) -> Values:
    """Parameters of as many filters, each at a random place between neighbours among the first values."""
    generator = np.random.default_rng(seed)
    places: dict[int, np.ndarray] = {}
    drawn = {}
    for name, value in first.items():
        axis = next((d for d, size in enumerate(value.shape) if size > 1), None)
        if axis is None:  # one value for all filters
            drawn[name] = value
            continue
        count = value.shape[axis]
        if count not in places:
            places[count] = np.clip(generator.uniform(-0.5, count - 0.5, count), 0, count - 1)
        below = np.floor(places[count]).astype(int)
        above = np.minimum(below + 1, count - 1)
        share = torch.as_tensor(places[count] - below).to(value)
        share = share.view([-1 if d == axis else 1 for d in range(value.dim())])
        lower, upper = (value.index_select(axis, torch.as_tensor(i).to(value.device)) for i in (below, above))
        drawn[name] = lower * (1 - share) + upper * share
    return drawn


class _Enough(BaseException):  # it ends a forward pass, and no model may take it for an error
    pass


class _Weights(TorchFunctionMode):
    """Takes the weights of the convolutions that some modules apply, and ends the forward pass when it has them all."""

    def __init__(self, names: Sequence[str], current: Callable[[], str], weights: list[Tensor]) -> None:
        super().__init__()
        self._names, self._current, self._weights = list(names), current, weights

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, name_of(func)
        if name in CONVOLUTIONS and self._current() in self._names:
            self._weights.append(arguments_of(name, args, kwargs)["weight"].detach())
            if len(self._weights) == len(self._names):
                raise _Enough
        return func(*args, **kwargs)


def _filters(network: nn.Module, names: Sequence[str], example: Tensor, values: Values) -> list[Tensor]:
    """Weights of convolutions by the layers' own computation, with other values of some of the network's parameters."""
    weights: list[Tensor] = []
    with (
        torch.random.fork_rng(),
        evaluation_mode(network),
        torch.no_grad(),
        module_names(network) as current,
        _Weights(names, current, weights),
    ):
        try:
            torch.func.functional_call(network, values, (example.clone(),))
        except _Enough:
            return weights
    return _incomplete(names, weights)


def _incomplete(names: Sequence[str], weights: Sequence[Tensor]) -> NoReturn:
    raise ClassifierError(
        f"the layers {', '.join(names)} ran {len(weights)} convolutions, expected {len(names)}: a network that does "
        "not do the same each time cannot be compared with itself before training"
    )
