"""Forward and backward passes of many examples, a few at a time: the one place where memory is portioned out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode, hooked, is_scripted
from phonoscope.networks.outside.sources import FileModel, FunctionModel, ScriptModel
from phonoscope.tracing import tensors_in

# Values that a model which cannot be looked into is taken to hold for each of its input: a first layer of 512 channels
# and a stride of 5, as wav2vec 2.0 has it, holds 100.
_HIDDEN = 100
# From examples (n, ...) and the token that each belongs to (n,) to logits (n, classes).
Forward = Callable[[Tensor, Tensor], Tensor]


def usual_memory(device: torch.device) -> int:
    """What passes may take, bytes: a processor is quickest with little at a time, other devices want to be filled."""
    return (32 if device.type == "cpu" else 256) * 2**20


@torch.no_grad()
def examples_at_a_time(network: nn.Module, inputs: Tensor, memory_bytes: int) -> int:
    """How many examples fit into a memory, by the outputs of all layers on one example; at least 1.

    What runs outside torch (ONNX, a function) is taken to be large: its own values cannot be counted.

    Parameters
    ----------
    network
        It is run once, in evaluation mode.
    inputs
        Network inputs, shape (n, channels, *spatial), of which the first is tried.
    memory_bytes
        The memory, bytes.
    """
    sizes = [inputs[:1].nbytes]

    def note(_name: str, _module: nn.Module, _args: object, output: object) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.nbytes)

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    outside = [module for _, module in leaves if isinstance(module, (FileModel, FunctionModel))]
    scripted = is_scripted(network) or any(isinstance(module, ScriptModel) for module in outside)
    sizes += [_HIDDEN * inputs[:1].nbytes for module in outside if not isinstance(module, ScriptModel)]
    watched = _Outputs(sizes) if scripted else hooked(leaves, note)
    with watched, evaluation_mode(network):
        network(inputs[:1].clone())
    # Outputs and their gradients live at the same time.
    return max(1, memory_bytes // (2 * sum(sizes)))


class _Outputs(TorchDispatchMode):
    """Notes the size of every operation's output, bytes: for TorchScript, whose layers take no hooks."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self._sizes = sizes

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = func(*args, **(kwargs or {}))
        self._sizes += [output.nbytes for output in tensors_in([outputs])]
        return outputs


def portions(count: int, most: int) -> Iterator[slice]:
    """Cut a range into slices of at most ``most``."""
    for start in range(0, count, most):
        yield slice(start, min(start + most, count))


def logits_and_gradients(forward: Forward, examples: Tensor, owners: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of examples, and the gradient of each one's weighted logits with respect to it.

    The user's parameters keep their gradients: nothing is accumulated into them.

    Parameters
    ----------
    forward
        From examples (n, ...) and their tokens (n,) to logits (n, classes).
    examples
        Shape (n, ...).
    owners
        Token of each example, shape (n,).
    weights
        Weights over the classes, shape (n, classes).

    Raises
    ------
    AttributionError
        If the logits do not depend on the examples in a differentiable way.
    """
    return _pass(forward, examples, owners, lambda _logits: weights)


def first_gradients(
    forward: Forward, examples: Tensor, owners: Tensor, weigh: Callable[[Tensor], Tensor], most: int
) -> tuple[Tensor, Tensor]:
    """Logits and gradients of untouched tokens whose target follows from their own logits.

    Parameters
    ----------
    forward, examples, owners
        See ``logits_and_gradients``.
    weigh
        From logits (n, classes) to the weights of the target, same shape.
    most
        Examples at a time.
    """
    if len(examples) <= most:
        return _pass(forward, examples, owners, weigh)
    logits = all_logits(forward, examples, owners, most)
    weights, gradients = weigh(logits), []
    for part in portions(len(examples), most):
        _, gradient = logits_and_gradients(forward, examples[part], owners[part], weights[part])
        gradients.append(gradient)
    return logits, torch.cat(gradients)


@torch.no_grad()
def all_logits(forward: Forward, examples: Tensor, owners: Tensor, most: int) -> Tensor:
    """Logits of examples, shape (n, classes).

    Parameters
    ----------
    forward, examples, owners
        See ``logits_and_gradients``.
    most
        Examples at a time.
    """
    # Copies: the network may work in place.
    return torch.cat([forward(examples[part].clone(), owners[part]) for part in portions(len(examples), most)])


def network_logits(network: nn.Module, inputs: Tensor, most: int) -> Tensor:
    """Logits of network inputs, shape (n, classes).

    Parameters
    ----------
    network
        Its logits are taken in the mode that it is in.
    inputs
        Shape (n, channels, *spatial).
    most
        Inputs at a time.
    """
    return all_logits(lambda examples, _owners: network(examples), inputs, torch.arange(len(inputs)), most)


def _pass(
    forward: Forward, examples: Tensor, owners: Tensor, weigh: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    leaf = examples.detach().requires_grad_()
    with torch.enable_grad():
        logits = forward(leaf.clone(), owners)  # a copy: the network may work in place
        total, gradient = (logits * weigh(logits.detach())).sum(), None
        if logits.requires_grad:
            (gradient,) = torch.autograd.grad(total, leaf, allow_unused=True)
    if gradient is None:
        raise AttributionError(
            "the logits do not depend on the input in a way that can be differentiated (is the network run without "
            "gradients or on rounded values?); choose a perturbation method, e.g. band-stop"
        )
    return logits.detach(), gradient
