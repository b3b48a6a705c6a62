"""Maps read from a store lie where `explain` placed them, for both kinds of front end."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform, explain
from phonoscope.attribution import write_maps
from phonoscope.viewer.placed import StoredMaps, edges

FRONT_ENDS = [Spectrogram(8000, rows=16, columns=8), Waveform(8000, 0.05)]


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=["pictures", "waveforms of one length"])
def test_stored_maps_lie_where_computed_ones_do(front_end: nn.Module, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(front_end.shape)), 2))
    classifier = Classifier(front_end, network, ["i", "u"])
    random = np.random.default_rng(0)
    sounds = [random.normal(size=n).astype(np.float32) for n in (300, 400, 700)]  # shorter, as long, and longer
    maps = explain(classifier, sounds, "i", "gradient", tokens=["a", "b", "c"])
    write_maps(tmp_path / "maps", [maps], len(maps))
    stored = StoredMaps(tmp_path / "maps")
    assert "a" in stored
    assert stored.get("d") is None
    for token, sound in zip("abc", sounds, strict=True):
        kept, computed = stored.get(token), maps.sel(token=token)
        assert kept is not None
        assert kept.values == pytest.approx(computed.values)
        for name in ("frequency", "seconds", "duration", "logit"):
            assert kept[name].values == pytest.approx(computed[name].values), name
        for kept_edges, computed_edges in zip(edges(kept), edges(computed), strict=True):
            assert kept_edges == pytest.approx(computed_edges)
        middle = len(sound) / 8000 / 2
        assert np.mean(edges(kept)[1][[0, -1]]) == pytest.approx(middle)
        assert np.mean(kept["seconds"]) == pytest.approx(middle)
