"""`phonoscope export praat`: what Praat reads back is what the run holds, in Hz and in seconds of the recording."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phonoscope.attribution.store import read_maps, write_maps
from phonoscope.corpora.praat_matrix import even_axis, write_matrix
from phonoscope.corpora.textgrid import Interval, read_textgrid
from phonoscope.corpora.tier_layers import layered_tiers, name_beside
from phonoscope.errors import CorpusError, ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.experiments.praat_export import export_praat

HOSTILE = 'say "hm"\n<script>'


@pytest.fixture
def hostile(finished, tmp_path: Path) -> Path:
    """The run with words that have quotes and line ends."""
    folder = shutil.copytree(finished[0], tmp_path / "run")
    tokens = pd.read_parquet(folder / "tokens.parquet")
    attrs, tokens["word"] = tokens.attrs, HOSTILE
    tokens.attrs = attrs
    tokens.to_parquet(folder / "tokens.parquet", index=False)
    return folder


def matrix(path: Path) -> tuple[dict[str, float], np.ndarray]:
    """Numbers of the head of a matrix, and its values, read by the letter."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[:2] == ['File type = "ooTextFile"', 'Object class = "Matrix"']
    head = {name: float(value) for name, _, value in (line.partition(" = ") for line in lines[3:13])}
    values = [float(line.split(" = ")[1]) for line in lines if line.startswith("z [") and " = " in line]
    return head, np.reshape(values, (int(head["ny"]), int(head["nx"])))


def test_every_tested_token_has_its_class_peak_and_importance(finished, phonoscope, tmp_path: Path) -> None:
    answer = phonoscope("export", "praat", finished[0], "--out", tmp_path / "praat", "--json")
    assert answer.status == 0, answer.err
    run, maps = Run(finished[0]), Run(finished[0]).maps()
    tested = run.tokens[run.tokens["fold"].notna()].set_index("token")
    assert answer.json["tokens"] == len(tested) == maps.sizes["token"]
    assert answer.json["absent"] == answer.json["left_out"] == []
    assert len(answer.json["textgrids"]) == tested["recording"].nunique()
    assert len(answer.json["matrices"]) == 10
    predicted, seen = run.predictions.set_index("token"), 0
    for recording, rows in tested.groupby("recording"):
        grid = read_textgrid((tmp_path / "praat" / str(recording)).with_suffix(".TextGrid"))
        assert not grid.warnings
        assert grid.tier_names == ["phone", "word", "cam: class → predicted", "cam: peak Hz", "cam: importance"]
        said = {i.start: i for i in grid.tier("cam: class → predicted").intervals if i.label}
        phones = {i.start: i for i in grid.tier("phone").intervals if i.label}
        for token, row in rows.iterrows():
            own = maps.sel(token=token)
            guess = predicted.loc[token]
            interval = said[row["start"]]
            assert interval.end == row["end"]
            assert interval.label == f"{row['class']} → {guess['predicted']} {guess['p_' + guess['predicted']]:.2f}"
            assert phones[row["start"]][1:] == (row["end"], row["phone"])
            positive = own.clip(min=0).sum("frequency")
            inside = [
                i
                for i in grid.tier("cam: importance").intervals
                if i.label and row["start"] <= (i.start + i.end) / 2 < row["end"]
            ]
            if not float(positive.sum()) > 0:
                assert inside == []
                continue
            shares = (positive / positive.sum()).values
            assert [float(i.label) for i in inside] == pytest.approx(list(shares), abs=0.00501)
            for one, centre in zip(inside, own["seconds"].values + row["start"], strict=True):
                assert one.start <= centre <= one.end
            time = row["start"] + float(own["seconds"][int(positive.values.argmax())])
            (point,) = [p for p in grid.tier("cam: peak Hz").points if abs(p.time - time) < 1e-9]
            profile = own.sum("time")
            assert point.label == f"{float(profile['frequency'][int(profile.values.argmax())]):.0f}"
            seen += 1
    assert seen > 10


def test_praat_reads_every_file_with_these_values_and_axes(hostile: Path, tmp_path: Path) -> None:
    parselmouth = pytest.importorskip("parselmouth")
    result = export_praat(hostile, tmp_path / "praat", tokens=5)
    for path in result.textgrids:
        praat, ours = parselmouth.read(str(path)), read_textgrid(path)
        assert praat.class_name == "TextGrid"
        assert (praat.xmin, praat.xmax) == (ours.xmin, ours.xmax)
        call = parselmouth.praat.call
        assert call(praat, "Get number of tiers") == len(ours.tiers)
        for number, tier in enumerate(ours.tiers, 1):
            if tier.kind == "point":
                found = [
                    (
                        call(praat, "Get time of point", number, k),
                        call(praat, "Get label of point", number, k),
                    )
                    for k in range(1, len(tier.points) + 1)
                ]
                assert found == [tuple(point) for point in tier.points]
                continue
            assert call(praat, "Get number of intervals", number) == len(tier.intervals)
            for k in range(1, len(tier.intervals) + 1, 3):
                found = tuple(
                    call(praat, f"Get {what}", number, k)
                    for what in ("start time of interval", "end time of interval", "label of interval")
                )
                assert found == tuple(tier.intervals[k - 1])
        labels = {i.label for i in ours.tier("word").intervals}
        assert labels == {"", 'say "hm" <script>'}
    maps, tokens = Run(hostile).maps(), Run(hostile).tokens.set_index("token")
    names = {token.replace(":", "_"): token for token in tokens.index}
    assert len(result.matrices) == 5
    for path in result.matrices:
        token = names[path.relative_to(tmp_path / "praat" / "matrices").with_suffix("").as_posix()]
        praat, own = parselmouth.read(str(path)), maps.sel(token=token)
        assert praat.class_name == "Matrix"
        np.testing.assert_array_equal(praat.values, own.values)
        np.testing.assert_allclose(praat.ys(), own["frequency"], rtol=1e-9)
        np.testing.assert_allclose(praat.xs(), tokens.loc[token, "start"] + own["seconds"], rtol=1e-9)
        assert (praat.ymin, praat.ymax) == (0.0, 4000.0)
        assert (praat.xmin, praat.xmax) == (tokens.loc[token, "start"], tokens.loc[token, "end"])


def test_tokens_are_chosen_by_name_and_absent_recordings_are_told(finished, phonoscope, tmp_path: Path) -> None:
    folder = shutil.copytree(finished[0], tmp_path / "run")
    tokens = pd.read_parquet(folder / "tokens.parquet")
    tokens.attrs["roots"] = dict.fromkeys(tokens.attrs["roots"], (tmp_path / "gone").as_posix())
    tokens.to_parquet(folder / "tokens.parquet", index=False)
    tested = tokens[tokens["fold"].notna()]
    name = str(tested["token"].iloc[3])
    answer = phonoscope("export", "praat", folder, "--tokens", name, "--out", tmp_path / "praat", "--json")
    assert answer.status == 0, answer.err
    assert sorted(answer.json["absent"]) == sorted(tested["recording"].unique())
    (only,) = answer.json["matrices"]
    assert only.endswith(name.replace(":", "_") + ".Matrix")
    for path in answer.json["textgrids"]:
        grid = read_textgrid(path)
        assert grid.xmax == max(i.end for i in grid.tier("phone").intervals if i.label)
    said = phonoscope("export", "praat", folder, "--tokens", "0", "--out", tmp_path / "praat")
    assert "recording not found" in said.out
    assert said.out.splitlines()[-1].startswith(f"wrote {tmp_path / 'praat'}")
    unknown = phonoscope("export", "praat", folder, "--tokens", "nobody:0001", "--out", tmp_path / "other")
    assert (unknown.status, unknown.out) == (1, "")
    assert "nobody:0001" in unknown.err
    assert not (tmp_path / "other").exists()
    with pytest.raises(ExperimentError, match="no maps by rise; it has maps by: cam"):
        export_praat(folder, tmp_path / "other", method="rise")


def test_maps_that_are_not_finite_are_left_out_and_told(finished, tmp_path: Path) -> None:
    folder = shutil.copytree(finished[0], tmp_path / "run")
    maps = read_maps(folder / "maps" / "cam", slice(None)).copy(deep=True)
    maps[2] = np.nan
    maps[3] = -1.0  # nothing speaks for the class
    write_maps(folder / "maps" / "cam", [maps], maps.sizes["token"])
    result = export_praat(folder, tmp_path / "praat", tokens=1000)
    assert result.left_out == [str(maps["token"].values[2])]
    assert result.tokens == len(result.matrices) == maps.sizes["token"] - 1
    json.dumps({**result.to_dict(), "run": "", "textgrids": [], "matrices": []})
    points = sum(len(read_textgrid(path).tier("cam: peak Hz").points) for path in result.textgrids)
    assert points <= maps.sizes["token"] - 2


def test_uneven_axes_are_made_even_without_new_values(tmp_path: Path) -> None:
    centres = np.array([100.0, 200.0, 400.0, 800.0])
    axis, taken = even_axis(centres, 0.0, 1000.0)
    assert (axis.first, axis.step, axis.count, axis.low, axis.high) == (100.0, 100.0, 8, 0.0, 1000.0)
    # Edges of the cells: 150, 300 and 600 Hz; an edge belongs to the upper cell.
    np.testing.assert_array_equal(taken, [0, 1, 2, 2, 2, 3, 3, 3])
    values = np.arange(8.0).reshape(4, 2)[taken]
    write_matrix(tmp_path / "a.Matrix", values, even_axis(np.array([0.25, 0.75]), 0.0, 1.0)[0], axis)
    head, read = matrix(tmp_path / "a.Matrix")
    assert head == {
        **{"xmin": 0.0, "xmax": 1.0, "nx": 2.0, "dx": 0.5, "x1": 0.25},
        **{"ymin": 0.0, "ymax": 1000.0, "ny": 8.0, "dy": 100.0, "y1": 100.0},
    }
    np.testing.assert_array_equal(read, values)
    close, which = even_axis(np.array([0.0, 1e-9, 1.0]), 0.0, 1.0)
    assert (close.count, which[0], which[-1]) == (512, 0, 2)
    for bad in ([], [1.0, 1.0], [1.0, np.nan]):
        with pytest.raises(CorpusError, match="increasing"):
            even_axis(np.array(bad), 0.0, 1.0)
    with pytest.raises(CorpusError, match="finite"):
        write_matrix(tmp_path / "b.Matrix", np.full((8, 2), np.nan), even_axis(np.array([0.2, 0.7]), 0, 1)[0], axis)
    assert not (tmp_path / "b.Matrix").exists()


def test_maps_without_a_frequency_axis_and_on_a_fixed_time_axis(finished, tmp_path: Path) -> None:
    """As of a network of waveforms that hears 0.2 s around the token's middle."""
    folder = shutil.copytree(finished[0], tmp_path / "run")
    before = read_maps(folder / "maps" / "cam", slice(None))
    names, durations = before["token"].values, before["duration"].values
    centres = np.array([0.025, 0.075, 0.125, 0.175])
    maps = xr.DataArray(
        np.tile(np.array([1.0, 3.0, 4.0, 2.0], dtype=np.float32), (len(names), 1, 1)),
        dims=("token", "frequency", "time"),
        coords={"token": names, "frequency": [4000.0], "time": centres, "duration": ("token", durations)},
        attrs={"time_columns": 4, "time_seconds": 0.2, "time_edge_seconds": 0.0},
    )
    write_maps(folder / "maps" / "in-time", [maps], len(names))
    result = export_praat(folder, tmp_path / "praat", method="in-time", tokens=1)
    head, values = matrix(result.matrices[0])
    assert (head["ny"], head["y1"], head["nx"]) == (1, 4000.0, 4)
    assert head["dx"] == pytest.approx(0.05)
    np.testing.assert_array_equal(values, [[1, 3, 4, 2]])
    tokens = Run(folder).tokens.set_index("token")
    for path in result.textgrids:
        grid = read_textgrid(path)
        assert not any("peak" in name for name in grid.tier_names)
        shown = [i for t in grid.tiers if "importance" in t.name for i in t.intervals if i.label]
        own = tokens[
            tokens["fold"].notna()
            & (tokens["recording"].str.removesuffix(".wav") + ".wav").eq(
                path.relative_to(tmp_path / "praat").with_suffix(".wav").as_posix()
            )
        ]
        starts = sorted((own["start"] + own["end"]) / 2 - 0.1)
        firsts = sorted(i.start for i in shown if i.label == "0.10")
        np.testing.assert_allclose(firsts, starts, atol=1e-4)


def test_what_overlaps_is_laid_in_further_tiers() -> None:
    one, two, three = Interval(0.0, 1.0, "a"), Interval(0.5, 1.5, "b"), Interval(1.0 - 1e-6, 2.0, "c")
    tiers = layered_tiers("note", [three, two, one])
    assert [tier.name for tier in tiers] == ["note", "note 2"]
    assert tiers[0].intervals == (one, Interval(1.0, 2.0, "c"))
    assert tiers[1].intervals == (two,)
    assert [(tier.name, tier.intervals) for tier in layered_tiers("empty", [])] == [("empty", ())]


def test_names_lead_nowhere_else() -> None:
    assert name_beside("/etc/../../a.b/c.d.wav", ".TextGrid", ["lj"]).as_posix() == "lj/etc/a.b/c.d.TextGrid"
