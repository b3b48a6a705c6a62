"""Reading weights from checkpoint files of other people's training, never the code that may lie beside them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError

# Where training scripts put the weights among epoch, loss and optimiser state.
_KEYS = ("model_state_dict", "state_dict", "model", "network", "net", "weights")
_PREFIXES = ("module.", "_orig_mod.")  # added by data-parallel and compiled modules


def read_checkpoint(path: str | Path, key: str | None = None) -> dict[str, Tensor]:
    """Read the weights of a checkpoint: a ``.safetensors`` file, a PyTorch file, or a folder with model.safetensors.

    PyTorch files are loaded as weights only: a pickled optimiser or network beside the weights is never executed; if
    it is more than plain values, the file is refused.

    Parameters
    ----------
    path
        File or folder.
    key
        Where in the file the weights lie, e.g. ``model_state`` or ``teacher.encoder``. By default they are looked for
        under the usual names, then everywhere: one mapping of names to tensors is taken, of several one must be named.

    Returns
    -------
    dict of str to Tensor
        Names as in ``network.state_dict()``, without the prefixes that parallel or compiled training adds.

    Raises
    ------
    ClassifierError
        If there is no such file, it holds code, or no mapping of names to tensors is found in it, or several.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise ClassifierError(f"weights cannot be read: no checkpoint at {path}; give a .pth, .pt or .safetensors file")
    if is_torchscript(path):
        raise ClassifierError(
            f"{path} is a TorchScript archive: a compiled network, not a file of weights. Save its weights with "
            "torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE) and give that file"
        )
    state = _state_in(_content_of(path), path, key)
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def is_torchscript(path: str | Path) -> bool:
    """Whether a file is a TorchScript archive: a network compiled by ``torch.jit``, with its code."""
    # A file of weights may hold the bytes of an archive, which a search from its end would find.
    if Path(path).suffix == ".safetensors" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def is_weights(path: str | Path) -> bool:
    """Whether a path is a file of weights alone: no ONNX model, no TorchScript archive, no configuration."""
    path = Path(path)
    return path.is_file() and path.suffix.lower() not in (".onnx", ".json") and not is_torchscript(path)


def _content_of(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except Exception as error:
            raise ClassifierError(f"{path} cannot be read, it is not a safetensors file: {error}") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        pickled = re.search(r"GLOBAL (\S+)", str(error))
        # PyTorch's own message goes on to say how the protection is switched off: nobody shall be told that here.
        reason = f"it holds {pickled[1]}" if pickled else str(error).partition("\n")[0].partition("weights_only")[0]
        raise ClassifierError(
            f"{path} cannot be read as plain weights ({reason}). Files that hold pickled objects are not opened: "
            "save the network's state_dict() where the file was made"
        ) from error


def _state_in(content: Any, path: Path, key: str | None) -> dict[str, Tensor]:
    states = dict(_states(content))
    if key is not None:
        if key in states:
            return states[key]
        known = f"; there are weights under: {', '.join(filter(None, states))}" if any(states) else ""
        raise ClassifierError(f"{path} holds no names with tensors under {key!r}{known}")
    if usual := next((states[name] for name in ("", *_KEYS) if name in states), None):
        return usual
    deeper = [name for name in states if set(name.split(".")) & set(_KEYS)]
    chosen = list(states) if len(states) == 1 else deeper
    if len(chosen) == 1:
        return states[chosen[0]]
    if states:
        raise ClassifierError(
            f"{path} holds several sets of weights: {', '.join(states)}. Choose one by its name (--key on the command "
            "line)"
        )
    keys = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
    raise ClassifierError(f"{path} holds no names with tensors (it has: {keys}); expected a network's state_dict")


def _states(content: Any, at: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Mappings of names to tensors at any depth, each with the way to it; what optimisers keep is none."""
    if not isinstance(content, Mapping) or not content or not all(isinstance(name, str) for name in content):
        return
    if all(isinstance(value, Tensor) for value in content.values()):
        yield at, dict(content)
        return
    for name, value in content.items():
        yield from _states(value, f"{at}.{name}" if at else name)


def load_network(name: str, checkpoint: str | Path, *, key: str | None = None, **options: Any) -> nn.Module:
    """Build a network by its name in ``NETWORKS`` and load a checkpoint into it, in evaluation mode.

    Parameters
    ----------
    name, options
        As of ``build_network``; the number of classes is that of the checkpoint.
    checkpoint, key
        As of ``read_checkpoint``.

    Raises
    ------
    ClassifierError
        If the checkpoint cannot be read or is one of another network.
    """
    return network_with(name, read_checkpoint(checkpoint, key), **options)


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
