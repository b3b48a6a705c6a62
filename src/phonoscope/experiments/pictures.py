"""What a network sees of tokens: its front end's output, labelled like maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from phonoscope.attribution.maps import in_cells, input_placement, label_maps
from phonoscope.frontends import FrontEnd, pad_waveforms


def network_pictures(
    front_end: FrontEnd,
    waveforms: Sequence[np.ndarray],
    names: Sequence[str],
    device: torch.device | str = "cpu",
) -> xr.DataArray:
    """Return what a network sees of tokens: its front end's output, labelled like maps.

    Parameters
    ----------
    front_end
        On ``device``.
    waveforms
        1-D arrays at the front end's rate, without context.
    names
        Of the tokens.
    device
        Where the front end computes.

    Raises
    ------
    ClassifierError
        If the front end takes sounds as long as they are, and these are not equally long.
    """
    padded, lengths = pad_waveforms(waveforms)
    with torch.no_grad():
        values = in_cells(front_end, front_end(padded.to(device), lengths.to(device)))[:, 0].float().cpu().numpy()
    return label_maps(
        values,
        input_placement(front_end),
        tokens=names,
        durations=lengths.numpy() / front_end.sample_rate,
        time_axis=front_end.time_axis,
        columns={},
        attrs={"units": front_end.unit} | ({} if front_end.floor is None else {"floor": front_end.floor}),
    )
