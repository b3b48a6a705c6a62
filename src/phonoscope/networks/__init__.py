"""Networks: modules from a front end's output to logits, built by name; any other module by import path."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from phonoscope.errors import ClassifierError
from phonoscope.registry import Registry

if TYPE_CHECKING:
    from torch import nn

OUTSIDE = "outside"  # models of others, see `phonoscope.models`

NETWORKS: Registry[Callable[..., nn.Module]] = Registry(
    "network",
    {
        "compact": "phonoscope.networks.compact:Compact",
        "compact-local": "phonoscope.networks.compact:compact_local",
        "resnet-small": "phonoscope.networks.small_resnet:SmallResNet",
        "resnet18": "phonoscope.networks.resnet:resnet18",
        "resnet50": "phonoscope.networks.resnet:resnet50",
        "resnet101": "phonoscope.networks.resnet:resnet101",
        "patch-transformer": "phonoscope.networks.patch_transformer:PatchTransformer",
        "segmental": "phonoscope.networks.raw_waveform:segmental",
        "sub-segmental": "phonoscope.networks.raw_waveform:sub_segmental",
        "multi-resolution": "phonoscope.networks.raw_waveform:multi_resolution",
        "res_tssdnet": "phonoscope.networks.tssdnet:res_tssdnet",
        "inc_tssdnet": "phonoscope.networks.tssdnet:inc_tssdnet",
        OUTSIDE: "phonoscope.networks.outside:outside",
    },
    error=ClassifierError,
)


def build_network(name: str, n_classes: int, **options: Any) -> nn.Module:
    """Build a network by its name in ``NETWORKS`` or by import path.

    The contract of a network: a callable that takes ``n_classes`` and options of its own (JSON values) and returns an
    ``nn.Module`` from what the front end makes, (batch, 1, rows, columns) or (batch, 1, samples), standardised, to
    logits (batch, n_classes). In evaluation mode the logits of a token must not depend on the others of its batch.
    ``feature_layers``, a list of names of its layers, may say which ones ``ps.geometry`` measures. An import path runs
    the code of its module: ask ``NETWORKS.refuse_import`` first where it stands in a file.

    Parameters
    ----------
    name
        A registered name, that of an entry point in the group ``phonoscope.networks``, or ``package.module:name``.
    n_classes
        Number of logits.
    options
        Passed on to the callable.

    Raises
    ------
    ClassifierError
        If the name is not known, or the callable does not take the options or does not return a module.
    """
    from torch import nn

    make = NETWORKS.find(name)
    try:
        network = make(n_classes=n_classes, **options)
    except TypeError as error:
        raise ClassifierError(f"network {name!r} does not take the options {sorted(options)}: {error}") from error
    if not isinstance(network, nn.Module):
        raise ClassifierError(f"network {name!r} is a {type(network).__name__}, not a torch.nn.Module")
    return network
