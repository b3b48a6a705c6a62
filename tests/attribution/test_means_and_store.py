"""Class means equal those of all maps at once; stored maps come back, one by one too."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.attribution import SUBSETS, ClassMeans, StreamingMean, read_maps, write_maps
from phonoscope.attribution.maps import Placement, label_maps
from phonoscope.attribution.store import maps_to_table, table_to_maps
from phonoscope.axes import TimeAxis
from phonoscope.errors import AttributionError


def make_maps(count, seed=0, first=0, axis=None):
    random = np.random.default_rng([seed, first])
    place = Placement("layer", np.array([250.0, 750.0, 1250.5]), np.array([0.1, 0.9]), 500, 500, 600, 0.5, 0.5, 0.5)
    return label_maps(
        random.normal(100, 1, (count, 3, 2)).astype(np.float32),
        place,
        tokens=[f"r/{i + first}:0001" for i in range(count)],
        durations=random.uniform(0.05, 0.2, count),
        time_axis=axis or TimeAxis(2, edge_seconds=0.004),
        columns={
            "target": np.array(["ɝ", "i"] * count, dtype=object)[:count],
            "predicted": np.array(["i"] * count, dtype=object),
            "logit": np.arange(count, dtype=np.float32),
        },
        attrs={"units": "logit", "method": "cam"},
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=6), st.integers(0, 99), st.floats(-1e4, 1e4))
def test_streamed_means_equal_those_of_all_at_once_in_any_order(sizes, seed, offset):
    random = np.random.default_rng(seed)
    parts = [random.normal(offset, 1, (n, 2, 3)) for n in sizes]
    everything = np.concatenate(parts)
    for order in (parts, parts[::-1], [everything]):
        streamed = StreamingMean()
        for part in order:
            streamed.update(part)
        assert streamed.count == len(everything)
        if len(everything):
            assert streamed.mean == pytest.approx(everything.mean(0), rel=1e-12, abs=1e-9)
        if len(everything) > 1:
            assert streamed.variance == pytest.approx(everything.var(0, ddof=1), rel=1e-7, abs=1e-9)
        else:
            assert streamed.variance is None


def test_the_mean_of_nothing_is_nothing():
    assert StreamingMean().mean is None
    assert StreamingMean().variance is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 20))
def test_class_means_equal_numpy_over_the_declared_tokens(sizes, seed):
    labels, random = ["i", "ɝ", "u"], np.random.default_rng(seed)
    batches = [make_maps(n, seed, first=10 * k) for k, n in enumerate(sizes)]
    true = [random.choice(labels, n) for n in sizes]
    predicted = [random.choice(labels, n) for n in sizes]
    means = ClassMeans(labels)
    for batch, t, p in zip(batches, true, predicted, strict=True):
        means.update(batch, t, p)
    result = means.result()
    values, t, p = (np.concatenate(x) for x in ([b.values for b in batches], true, predicted))
    values = values.astype(np.float64)
    for subset, chosen in zip(SUBSETS, (t == t, t == p, t != p), strict=True):
        for label in labels:
            part = values[chosen & (t == label)]
            cell = result.sel(subset=subset, label=label)
            assert int(cell["count"]) == len(part)
            if len(part):
                assert cell["mean"].values == pytest.approx(part.mean(0))
            else:
                assert cell["mean"].isnull().all()
            if len(part) > 1:
                assert cell["variance"].values == pytest.approx(part.var(0, ddof=1), abs=1e-9)
            else:
                assert cell["variance"].isnull().all()
    assert result["frequency"].equals(batches[0]["frequency"])
    assert result.attrs["units"] == "logit"


@pytest.mark.parametrize("axis", [TimeAxis(2, edge_seconds=0.004), TimeAxis(2, 0.15)], ids=["stretched", "fixed"])
def test_stored_maps_come_back_whole_and_one_by_one(tmp_path, axis):
    batches = [make_maps(3, axis=axis), make_maps(2, first=3, axis=axis)]
    everything = xr.concat(batches, dim="token")
    assert write_maps(tmp_path / "maps", batches, 5) == tmp_path / "maps"
    read = read_maps(tmp_path / "maps")
    assert np.array_equal(read.values, everything.values)
    assert set(read.coords) == set(everything.coords)
    for name in everything.coords:
        assert (read[name].values == everything[name].values).all(), name
        assert read[name].attrs == everything[name].attrs, name
    assert read.attrs == everything.attrs
    some = read_maps(tmp_path / "maps", ["r/4:0001", "r/0:0001"])
    assert np.array_equal(some.values, everything.values[[4, 0]])
    assert some["token"].values.tolist() == ["r/4:0001", "r/0:0001"]
    assert some["seconds"].values == pytest.approx(everything["seconds"].values[[4, 0]])
    assert read_maps(tmp_path / "maps", slice(1, 3))["token"].values.tolist() == ["r/1:0001", "r/2:0001"]
    with pytest.raises(AttributionError, match="no maps of r/9:0001"):
        read_maps(tmp_path / "maps", ["r/0:0001", "r/9:0001"])


def interrupted(batches):
    yield batches[0]
    raise KeyboardInterrupt


def test_an_interrupted_store_is_refused_and_leaves_no_pieces(tmp_path):
    write_maps(tmp_path, [make_maps(3)], 3)
    with pytest.raises(KeyboardInterrupt):
        write_maps(tmp_path, interrupted([make_maps(3)]), 6)
    with pytest.raises(AttributionError, match="no complete maps"):
        read_maps(tmp_path)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    with pytest.raises(AttributionError, match="no complete maps"):
        read_maps(tmp_path / "absent")


@pytest.mark.parametrize(("announced", "says"), [(4, "3 came"), (2, "more came")])
def test_the_number_of_maps_must_be_the_one_announced(tmp_path, announced, says):
    with pytest.raises(AttributionError, match=says):
        write_maps(tmp_path, [make_maps(3)], announced)
    with pytest.raises(AttributionError):
        read_maps(tmp_path)


def test_no_map_is_not_a_store(tmp_path):
    with pytest.raises(AttributionError):
        write_maps(tmp_path, [], 0)


def test_coordinates_are_plain_json_beside_the_array(tmp_path):
    write_maps(tmp_path, [make_maps(3)], 3)
    facts = json.loads((tmp_path / "coordinates.json").read_text(encoding="utf-8"))
    assert facts["frequency"] == [250.0, 750.0, 1250.5]
    assert facts["dims"] == ["token", "frequency", "time"]
    assert np.load(tmp_path / "values.npy").shape == (3, 3, 2)


def test_maps_taken_apart_into_rows_are_made_again(tmp_path):
    maps = make_maps(5)
    rows, facts = maps_to_table(maps)
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=2)
    again = table_to_maps(pq.read_table(tmp_path / "rows.parquet"), json.loads(json.dumps(facts)))
    xr.testing.assert_identical(again.astype(maps.dtype), maps)
    xr.testing.assert_identical(table_to_maps(rows.slice(2, 2), facts), maps[2:4])


def test_tokens_of_many_batches_are_stored_in_groups_of_thousands(tmp_path, monkeypatch):
    monkeypatch.setattr("phonoscope.attribution.store._ROWS_PER_GROUP", 10)
    maps = make_maps(25)
    write_maps(tmp_path / "maps", (maps[i : i + 4] for i in range(0, 25, 4)), 25)
    assert pq.read_metadata(tmp_path / "maps" / "tokens.parquet").num_row_groups == 3  # 12, 12 and 1
    xr.testing.assert_identical(read_maps(tmp_path / "maps").load(), maps)
