"""The table of the room: one row a layer, each measure beside the same measure of random weights of that shape."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.errors import ClassifierError
from phonoscope.layer_geometry.gap import largest_gap
from phonoscope.layer_geometry.layers import Layer, assemble, layers_of_network, layers_of_state
from phonoscope.layer_geometry.measures import COMPARED, dictionary_measures, marchenko_pastur_edges
from phonoscope.layer_geometry.null import null_law
from phonoscope.left_out import LeftOut
from phonoscope.networks.starts import FREE

if TYPE_CHECKING:
    from torch import Tensor, nn

    Source = nn.Module | Mapping[str, Tensor] | str | Path

NULL_DRAWS = 20
BEYOND_SD = 3.0
_JUDGED = ("B", "beta_avg", "mu", "mu_avg")
# Inputs of networks on spectrograms, tried after the usual waveforms: only to follow the connections.
_ANY_RATE = 16_000  # Hz, of models that do not say theirs: weights know of none
_PICTURES = ((1, 1, 64, 32), (1, 1, 224, 224), (1, 3, 224, 224))


def geometry(
    source: Source,
    *,
    network: str | nn.Module | None = None,
    layers: Sequence[str] | str | None = None,
    blocks: Mapping[str, Sequence[str]] | None = None,
    alignment: str = "left",
    null_draws: int = NULL_DRAWS,
    gap: bool = True,
    example: Tensor | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure the geometry of every layer's weights, each filter a vector: frame bounds, coherence, angles, gap.

    Parameters
    ----------
    source
        A network or classifier, a state dict, or a checkpoint: a file of weights or the folder of a saved classifier.
    network
        For a state dict or file: the network it belongs to, by its name in ``NETWORKS`` or as a module that takes the
        weights. Without it, every stored weight is one layer, and dilations, groups and blocks are not known.
    layers
        Names of layers, or of modules whose layers to take; ``"all"`` for all. By default those that the network
        declares as its feature layers (without the dense head, as in the paper), all when it declares none.
    blocks
        Layers that form one block of parallel branches, by the name of the block. By default the network is run once
        on noise to find convolutions that read the same features and are concatenated; ``{}`` for no blocks.
    alignment
        How kernels of a block are padded to a common length: ``left`` (behind, as in the paper) or ``centre`` (on
        both sides, as most networks pad their branches).
    null_draws
        Draws of random weights for the null; 0 for none. Large layers get fewer (never less than five), see
        ``null_draws`` in the table.
    gap
        Whether to look for the largest gap.
    example
        One input of the network, if it takes no usual waveform.
    seed
        Of the random weights.

    Returns
    -------
    DataFrame
        One row a layer, in the order of execution. ``layer``, ``kind``, ``branches``, ``alignment``, ``residual``
        (its output is added to a path around it; missing when the network was not run), the measures of
        ``dictionary_measures``, ``mu_gap`` (its upper bound), ``mu_gap_low``, ``gap_exact``, ``beta_gap``; for each
        measure of ``COMPARED``, ``<measure>_null``, ``<measure>_null_sd`` and ``<measure>_z`` (distance from the null
        in its standard deviations); ``null``: ``free filters``, ``parameters`` (of computed filters, drawn anew),
        ``fixed`` or ``unknown`` (no null); ``mp_A``, ``mp_A_nonzero``, ``mp_B``: Marchenko–Pastur edges;
        ``beyond_null``: which of B, beta_avg, mu, mu_avg lie more than three standard deviations from it. Angles in
        degrees.
        ``attrs["left_out"]`` and ``attrs["notes"]`` say what was not measured or not known, ``attrs["settings"]``
        what was asked.

    Raises
    ------
    ClassifierError
        If the source cannot be read, weights are not finite, or a name is not known.

    Examples
    --------
    >>> from torch import nn
    >>> table = geometry(nn.Conv1d(1, 16, 7))
    >>> int(table.loc[0, "N"]), int(table.loc[0, "K"])
    (7, 16)
    """
    if isinstance(source, (str, Path)):
        source = read_source(source, network)
    available, left_out, notes, declared = _layers(source, network, blocks, example)
    chosen = _select(available, declared if layers is None else layers)
    skipped = [layer.name for layer in available if layer not in chosen]
    if layers is None and declared is not None:
        chosen = _renamed(chosen, declared)
    rows = [_row(layer, alignment, null_draws, gap, seed) for layer in chosen]
    table = pd.DataFrame(rows)
    if "residual" in table:
        table["residual"] = table["residual"].astype("boolean")
    report = LeftOut()
    report.add("parameter", "belongs to no convolution, dense or recurrent layer", len(left_out), left_out)
    report.add("layer", "not among the layers asked for", len(skipped), skipped)
    notes += [f"{layer.name}: {layer.untrained.words}" for layer in chosen if layer.untrained.kind != FREE.kind]
    table.attrs["left_out"], table.attrs["notes"] = report.entries(), notes
    table.attrs["settings"] = {"alignment": alignment, "null_draws": null_draws, "gap": gap, "seed": seed}
    return table


def compare_geometry(checkpoints: Mapping[str, Source], **options: Any) -> pd.DataFrame:
    """Measure several checkpoints or epochs of one network, and how each differs from the first.

    Parameters
    ----------
    checkpoints
        Sources of ``geometry`` by the name they get in the table.
    options
        As for ``geometry``, the same for all.

    Returns
    -------
    DataFrame
        The tables of ``geometry`` one below the other with a first column ``checkpoint``; ``<measure>_change`` is the
        difference from the same layer of the first checkpoint (missing where that has no such layer).
    """
    if not checkpoints:
        raise ClassifierError("no checkpoint was given to compare")
    tables = []
    for name, source in checkpoints.items():
        table = geometry(source, **options)
        table.insert(0, "checkpoint", name)
        tables.append(table)
    first = tables[0].set_index("layer")
    for table in tables:
        for measure in COMPARED:
            table[f"{measure}_change"] = table[measure] - table["layer"].map(first[measure])
    whole = pd.concat(tables, ignore_index=True)
    whole.attrs = dict(tables[0].attrs)
    return whole


def read_source(
    path: str | Path,
    network: str | nn.Module | None = None,
    key: str | None = None,
    trust_imports: bool = False,
    said: Mapping[str, Any] | None = None,
) -> nn.Module | Mapping[str, Tensor]:
    """Model, or weights of a file, as `geometry` takes them.

    Parameters
    ----------
    path
        File of weights, or a model as of `phonoscope.load`.
    network
        Of the weights, as of `geometry`: given one, a folder's weights are read, and its classifier is not built.
    key
        Where in a file the weights lie, as of ``read_checkpoint``.
    trust_imports
        Allow code to be imported that the path, or the folder of a classifier, names.
    said
        What is said of a model, as of `phonoscope.load`.

    Raises
    ------
    ClassifierError
        If it cannot be read, or is an ONNX file, whose weights cannot be seen.
    """
    from phonoscope.models.loading import load_weights
    from phonoscope.networks.checkpoints import is_torchscript, is_weights, read_checkpoint
    from phonoscope.networks.outside.sources import file_content, script_weights

    file = Path(path)
    if file.suffix.lower() == ".onnx" and file.is_file():
        raise ClassifierError(
            f"{path} is an ONNX model, whose layers cannot be seen: measure the network that it was exported from"
        )
    if network is None and file.is_file() and is_torchscript(file):
        return script_weights(file_content(file))
    bare = file.is_dir() and not (file / "config.json").is_file()  # weights alone
    if network is not None or bare or is_weights(file) or file.suffix in (".pth", ".pt", ".safetensors"):
        return read_checkpoint(file, key)
    return load_weights(path, trust_imports=trust_imports, rate=_ANY_RATE, **(said or {}))


def _layers(
    source: Source,
    network: str | nn.Module | None,
    blocks: Mapping[str, Sequence[str]] | None,
    example: Tensor | None,
) -> tuple[list[Layer], list[str], list[str], Sequence[str] | None]:
    """Find all layers of a source, parameters left out, notes, and the feature layers that the network declares."""
    from torch import nn

    from phonoscope.networks.checkpoints import fill, network_with
    from phonoscope.networks.trace import trace, trace_any

    if isinstance(source, Mapping) and isinstance(network, str):
        source = network_with(network, source)
    elif isinstance(source, Mapping) and isinstance(network, nn.Module):
        filled = copy.deepcopy(network)  # the caller's module keeps its own weights
        fill(filled, source, type(filled).__name__)
        source = filled
    if isinstance(source, Mapping):
        layers, left_out = layers_of_state(source, blocks)
        note = "weights without their network: dilations, groups, blocks and residual connections are not known"
        return layers, left_out, [note], None
    if not isinstance(source, nn.Module):
        raise ClassifierError(
            f"cannot measure a {type(source).__name__}; give a network, its state_dict, or a checkpoint file"
        )
    # In a classifier the network alone has weights.
    inner = getattr(source, "network", None) if hasattr(source, "front_end") else None
    module = inner if isinstance(inner, nn.Module) else source
    notes: list[str] = []
    try:
        followed = trace(module, example) if example is not None else trace_any(module, _PICTURES)
    except ClassifierError as error:
        if example is not None:
            raise
        followed = None
        notes.append(f"the network could not be followed, so blocks and residual connections are not known: {error}")
    layers, left_out = layers_of_network(module, followed, blocks)
    return layers, left_out, notes, getattr(module, "feature_layers", None)


def _select(layers: list[Layer], wanted: Sequence[str] | str | None) -> list[Layer]:
    if wanted is None or wanted == "all":
        return layers
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if not any(_within(layer.name, name) for layer in layers):
            known = ", ".join(layer.name for layer in layers)
            raise ClassifierError(f"there is no layer {name!r} to measure; there are: {known}")
    return [layer for layer in layers if any(_within(layer.name, name) for name in names)]


def _renamed(layers: list[Layer], declared: Sequence[str]) -> list[Layer]:
    """Call a layer by the name that the network declares, where that is the only one in it."""
    names = {}
    for name in declared:
        inside = [layer.name for layer in layers if _within(layer.name, name)]
        if len(inside) == 1:
            names[inside[0]] = name
    return [replace(layer, name=names.get(layer.name, layer.name)) for layer in layers]


def _within(layer: str, name: str) -> bool:
    return layer == name or layer.startswith(f"{name}.")


def _row(layer: Layer, alignment: str, null_draws: int, gap: bool, seed: int) -> dict[str, Any]:
    dictionaries = assemble(layer.weights, layer.kernels, alignment)
    measured = dictionary_measures(dictionaries, precision=layer.precision)
    row: dict[str, Any] = {
        "layer": layer.name,
        "kind": layer.kind,
        "branches": len(layer.kernels),
        "alignment": alignment if len({k.spans for k in layer.kernels}) > 1 else None,
        "residual": layer.residual,
        **measured,
    }
    if gap and measured["rank"]:
        bounds = largest_gap(dictionaries, measured["rank"] == measured["N"])
        row |= {"mu_gap": bounds.high, "mu_gap_low": bounds.low, "gap_exact": bounds.exact}
        row["beta_gap"] = math.degrees(math.acos(min(bounds.high, 1.0)))
    alive = measured["K"] - measured["dead"]
    lower, upper = marchenko_pastur_edges(measured["N"], max(alive, 1))
    row |= {"mp_A": 0.0 if alive < measured["N"] else lower, "mp_A_nonzero": lower, "mp_B": upper}
    row["null"] = layer.untrained.kind
    if null_draws > 0 and not layer.untrained.can_be_drawn:
        row |= {f"{name}{end}": math.nan for name in COMPARED for end in ("_null", "_null_sd", "_z")}
        row |= {"null_draws": 0, "beyond_null": ""}
    elif null_draws > 0:
        law, draws = null_law(layer.kernels, alignment, null_draws, seed, layer.untrained.draw)
        for name in COMPARED:
            mean, sd = law[name]
            # A bound that is 0 for every weight of this shape says nothing, however it is drawn.
            z = (measured[name] - mean) / sd if sd > np.finfo(float).eps * max(abs(mean), 1.0) else math.nan
            row |= {f"{name}_null": mean, f"{name}_null_sd": sd, f"{name}_z": z}
        row["null_draws"] = draws
        row["beyond_null"] = ", ".join(name for name in _JUDGED if abs(row[f"{name}_z"]) > BEYOND_SD)
    return row
