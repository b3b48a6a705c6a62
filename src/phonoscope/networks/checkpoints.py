"""Reading weights from checkpoint files of other people's training, never the code that may lie beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError

# Where training scripts put the weights among epoch, loss and optimiser state.
_KEYS = ("model_state_dict", "state_dict", "model", "network", "net", "weights")
_PREFIXES = ("module.", "_orig_mod.")  # added by data-parallel and compiled modules


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a checkpoint: a ``.safetensors`` file, a PyTorch file, or a folder with model.safetensors.

    PyTorch files are loaded as weights only: a pickled optimiser or network beside the weights is never executed; if
    it is more than plain values, the file is refused.

    Returns
    -------
    dict of str to Tensor
        Names as in ``network.state_dict()``, without the prefixes that parallel or compiled training adds.

    Raises
    ------
    ClassifierError
        If there is no such file, it holds code, or no mapping of names to tensors is found in it.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise ClassifierError(f"weights cannot be read: no checkpoint at {path}; give a .pth, .pt or .safetensors file")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except Exception as error:
            raise ClassifierError(f"{path} cannot be read, it is not a safetensors file: {error}") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first_line = str(error).partition("\n")[0]
        raise ClassifierError(
            f"{path} cannot be read as plain weights ({first_line}). Files that hold pickled objects are not opened: "
            "save the network's state_dict() where the file was made"
        ) from error
    state = _find_state(content)
    if state is None:
        keys = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise ClassifierError(
            f"{path} holds no names with tensors (it has: {keys}); expected a state_dict, alone or under one of "
            f"{', '.join(_KEYS)}"
        )
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _find_state(content: Any) -> dict[str, Tensor] | None:
    if not isinstance(content, Mapping) or not content:
        return None
    if all(isinstance(value, Tensor) for value in content.values()):
        return dict(content)
    return next((inner for key in _KEYS if (inner := _find_state(content.get(key))) is not None), None)


def load_network(name: str, checkpoint: str | Path, **options: Any) -> nn.Module:
    """Build a network by its name in ``NETWORKS`` and load a checkpoint into it, in evaluation mode.

    Parameters
    ----------
    name, options
        As of ``build_network``; the number of classes is that of the checkpoint.
    checkpoint
        Path, as of ``read_checkpoint``.

    Raises
    ------
    ClassifierError
        If the checkpoint cannot be read or is one of another network.
    """
    return network_with(name, read_checkpoint(checkpoint), **options)


def network_with(name: str, state: Mapping[str, Tensor], **options: Any) -> nn.Module:
    """Build a network by its name with these weights; the number of classes is that of the last weight matrix.

    Parameters
    ----------
    name, options
        As of ``build_network``.
    state
        Names and weights as in ``network.state_dict()``.

    Raises
    ------
    ClassifierError
        If the weights are those of another network.
    """
    from phonoscope.networks import build_network

    matrices = [value for value in state.values() if value.dim() == 2]
    if not matrices:
        raise ClassifierError("these weights hold no dense layer, so the number of classes is not known")
    network = build_network(name, len(matrices[-1]), **options)
    fill(network, state, repr(name))
    return network.eval()


def fill(network: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Load weights into a network; ClassifierError names a few of those that do not fit.

    Parameters
    ----------
    network
        Changed in place.
    state
        Weights by name, as of ``network.state_dict()``.
    name
        What the error calls the network.
    """
    expected = network.state_dict()
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in expected]
    other = [key for key in expected if key in state and expected[key].shape != state[key].shape]
    if missing or unknown or other:
        problems = [
            f"{what} {', '.join(keys[:3])}{' …' if len(keys) > 3 else ''}"
            for what, keys in (("it lacks", missing), ("it has besides", unknown), ("of another shape are", other))
            if keys
        ]
        raise ClassifierError(
            f"these weights are of another network, not those of the network {name}: {'; '.join(problems)}. Choose the "
            "network that they were made for"
        )
    network.load_state_dict(dict(state), strict=False)
