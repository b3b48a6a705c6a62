"""Networks: modules from a front end's output to logits, built by name; any other module by import path."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import nn

from phonoscope.errors import ClassifierError


def _compact(n_classes: int, **options: Any) -> nn.Module:
    from phonoscope.networks.compact import Compact

    return Compact(n_classes, **options)


def _local(n_classes: int, **options: Any) -> nn.Module:
    return _compact(n_classes, plan="local", **options)


def _resnet(depth: int) -> Callable[..., nn.Module]:
    def build(n_classes: int, **options: Any) -> nn.Module:
        from phonoscope.networks.resnet import ResNet

        return ResNet(depth, n_classes, **options)

    return build


def _raw_waveform(front_end: str) -> Callable[..., nn.Module]:
    def build(n_classes: int, **options: Any) -> nn.Module:
        from phonoscope.networks.raw_waveform import RawWaveform

        return RawWaveform(front_end, n_classes, **options)

    return build


def _tssdnet(kind: str) -> Callable[..., nn.Module]:
    def build(n_classes: int, **options: Any) -> nn.Module:
        from phonoscope.networks.tssdnet import TSSDNet

        return TSSDNet(kind, n_classes, **options)

    return build


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "compact": _compact,
    "compact-local": _local,
    "resnet18": _resnet(18),
    "resnet50": _resnet(50),
    "resnet101": _resnet(101),
    "segmental": _raw_waveform("segmental"),
    "sub-segmental": _raw_waveform("sub-segmental"),
    "multi-resolution": _raw_waveform("multi-resolution"),
    "res_tssdnet": _tssdnet("res"),
    "inc_tssdnet": _tssdnet("inc"),
}


def build_network(name: str, n_classes: int, **options: Any) -> nn.Module:
    """Build a network by its name in ``NETWORKS`` or by import path.

    Parameters
    ----------
    name
        A registered name, or ``package.module:callable``: the callable gets ``n_classes`` and the options and returns
        a module from (batch, 1, rows, columns), or (batch, 1, samples), to logits (batch, n_classes).

    Raises
    ------
    ClassifierError
        If the name is not known or the callable does not return a module.
    """
    if name in NETWORKS:
        try:
            return NETWORKS[name](n_classes, **options)
        except TypeError as error:
            raise ClassifierError(f"network {name!r} does not take these options: {error}") from error
    if ":" not in name:
        raise ClassifierError(
            f"network {name!r} is not known; choose one of {', '.join(NETWORKS)}, or give package.module:callable"
        )
    module_name, _, attribute = name.partition(":")
    try:
        factory = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ClassifierError(f"network {name!r} cannot be imported: {error}") from error
    try:
        network = factory(n_classes=n_classes, **options)
    except TypeError as error:
        raise ClassifierError(
            f"{name} cannot be called with n_classes and the options {sorted(options)}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ClassifierError(f"{name} returned {type(network).__name__}, not a torch.nn.Module")
    return network
