"""Looking into a user's torch module without changing it: modes put back, layers found by name."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phonoscope.errors import AttributionError


@contextmanager
def evaluation_mode(module: nn.Module) -> Generator[None]:
    """Put a module and its children into evaluation mode, and each back into its own mode afterwards.

    Inside, gradients can be taken through recurrent layers on a GPU too (`recurrence_without_cudnn`).
    """
    modes = {m: m.training for m in module.modules()}
    module.eval()
    try:
        with recurrence_without_cudnn(module):
            yield
    finally:
        for m, mode in modes.items():
            m.training = mode


@contextmanager
def recurrence_without_cudnn(module: nn.Module) -> Generator[None]:
    """Run the recurrent layers of a module without cuDNN wherever gradients are recorded, inside the context.

    cuDNN refuses to go backward through a recurrent layer in evaluation mode; PyTorch's own kernels do not. All other
    layers keep cuDNN, and the global switch is as before as soon as the recurrent layer has run, on failure too.
    """
    before: list[bool] = []

    def switch_off(*_: Any) -> None:
        before.append(torch.backends.cudnn.enabled)
        torch.backends.cudnn.enabled = before[-1] and not torch.is_grad_enabled()

    def put_back(*_: Any) -> None:
        torch.backends.cudnn.enabled = before.pop()

    with ExitStack() as hooks:
        for layer in module.modules():
            if isinstance(layer, nn.RNNBase):
                hooks.enter_context(layer.register_forward_pre_hook(switch_off, prepend=True))
                hooks.enter_context(layer.register_forward_hook(put_back, always_call=True))
        yield


@contextmanager
def random_numbers_kept(device: torch.device | None = None) -> Generator[None]:
    """Leave all random numbers as they were: of Python, NumPy, and torch on the processor and a device (or on all)."""
    plain, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002 (the code of others draws from it)
    devices = None if device is None else [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        np.random.set_state(numbers)  # noqa: NPY002
        random.setstate(plain)


def weights_hash(module: nn.Module) -> str:
    """SHA-256 of the names and values of a module's weights."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def device_of(module: nn.Module) -> torch.device:
    """Device of a module's weights; the processor where it has none."""
    values = next(chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if values is None else values.device


def gradients_reach(function: Callable[[Tensor], Tensor], inputs: Tensor) -> bool:
    """Whether gradients of a function's scores, (batch, scores), reach its input, finite and not all zero.

    Each score weighs differently: the sum of some (a softmax) is constant, and any one alone may be cut off (a ReLU).
    """
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        scores = function(leaf)
        if not scores.requires_grad:
            return False
        try:
            weights = torch.arange(1, scores.shape[1] + 1).to(scores) / scores.shape[1]
            (gradient,) = torch.autograd.grad((scores * weights).sum(), leaf, allow_unused=True)
        except RuntimeError:  # a step without a derivative
            return False
    return gradient is not None and bool(gradient.isfinite().all()) and bool(gradient.any())


@contextmanager
def one_thread() -> Generator[None]:
    """Compute with one CPU thread inside the context."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def one_thread_if_small(module: nn.Module, *, weights: int = 1_000_000) -> AbstractContextManager[None]:
    """Let a network of fewer weights compute with one CPU thread inside the context.

    Its operations are too short to be shared out: on a busy machine threads that wait for each other cost more than
    they bring. With one thread the sums do not depend on the number of cores either: the same seed gives the same
    weights on every machine of the same type (another processor may add in another order).
    """
    return one_thread() if sum(parameter.numel() for parameter in module.parameters()) < weights else nullcontext()


@contextmanager
def hooked(modules: Iterable[tuple[str, nn.Module]], hook: Callable[..., Any]) -> Generator[None]:
    """Call ``hook(name, module, args, output)`` whenever one of the modules has run, inside the context.

    Transformer layers then run module by module: the quick path that torch takes in evaluation would pass hooks by.

    Parameters
    ----------
    modules
        Names and modules, as from ``network.named_modules()``.
    hook
        What it returns, unless that is None, takes the place of the output.

    Raises
    ------
    AttributionError
        If one of them is TorchScript: nobody can look into those while they run.
    """
    quick = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as hooks:
        hooks.callback(torch.backends.mha.set_fastpath_enabled, quick)
        torch.backends.mha.set_fastpath_enabled(False)
        for name, module in modules:
            refuse_scripted(name, module)
            hooks.enter_context(module.register_forward_hook(partial(hook, name)))
        yield


def layers_of(network: nn.Module) -> dict[str, nn.Module]:
    """Modules of a network by name, itself under the empty one.

    A network of ours that holds a model of others says so by an attribute ``holds``, the name under which it does: the
    modules then have the names that they have in that model, and the model itself that under which it is held.
    """
    return {name.removeprefix(_prefix(network)): module for name, module in network.named_modules()}


def _prefix(network: nn.Module) -> str:
    held = getattr(network, "holds", "")
    return f"{held}." if held else ""


def own_name(network: nn.Module, layer: str) -> str:
    """Name of a layer as `layers_of` has it: it may also be given as ``network.named_modules()`` has it."""
    return layer if layer in layers_of(network) else layer.removeprefix(_prefix(network))


def named_layer(network: nn.Module, layer: str) -> nn.Module:
    """Return the submodule called ``layer``; AttributionError lists the names when there is none."""
    modules, name = layers_of(network), own_name(network, layer)
    if name not in modules:
        raise AttributionError(f"the network has no layer {layer!r}; it has: {names_in_words(modules)}")
    return modules[name]


def names_in_words(modules: Iterable[str]) -> str:
    """Names of modules that do not lie deep, for a message."""
    return ", ".join(name for name in modules if name and name.count(".") <= 1)


def is_scripted(network: nn.Module) -> bool:
    """Whether a network, or a part of it, is TorchScript, whose layers cannot be observed while they run."""
    return any(isinstance(module, torch.jit.ScriptModule) for module in network.modules())


def refuse_scripted(name: str, module: nn.Module) -> None:
    """Raise AttributionError if a module, ``name`` in its network, is TorchScript and takes no hooks."""
    if isinstance(module, torch.jit.ScriptModule):
        raise AttributionError(
            f"{f'layer {name!r}' if name else 'the network'} is TorchScript, and the layers of TorchScript cannot be "
            "observed while they run; choose a method that works on the input, e.g. band-stop, or load the network "
            "from its Python code"
        )
