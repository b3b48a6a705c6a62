"""Where evidence lies: the middle half in hertz, and the phones that carry it."""

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.phonetics.middle import middle_half
from phonoscope.phonetics.stretches import AFTER, BEFORE, LESS, MORE, PAUSE, SILENT, stretch_shares, with_silence

PHONES = pd.DataFrame({"start": [0.2, 0.4, 0.7], "end": [0.4, 0.6, 0.9], "phone": ["s", "i", "s"]})


def test_what_is_no_phone_is_before_between_or_after():
    table = with_silence(PHONES, 1.0)
    assert table["phone"].tolist() == [BEFORE, "s", "i", PAUSE, "s", AFTER]
    assert np.isclose((table["end"] - table["start"]).sum(), 1.0)
    assert with_silence(PHONES.assign(phone=None), 1.0)["phone"].tolist() == [BEFORE]


def test_planted_evidence_is_found_and_even_evidence_is_not():
    random, n, cells = np.random.default_rng(0), 12, 50
    middle = (np.arange(cells) + 0.5) / cells
    tables, seconds = [with_silence(PHONES, 1.0)] * n, np.ones(n)
    in_i = np.where((middle > 0.4) & (middle < 0.6), 5.0, 0.5) * random.uniform(0.9, 1.1, (n, cells))
    rows = stretch_shares(in_i, np.ones((n, cells)), seconds, tables, ["a"] * n).set_index(["label", "phone"])
    assert rows.loc[("all", "i"), "verdict"] == MORE
    assert rows.loc[("all", "i"), "p_shift"] < 0.01
    assert rows.loc[("a", SILENT), "verdict"] == LESS
    assert np.isclose(rows.loc[("all", "i"), "time"], 0.2)
    assert np.isclose(rows.loc[("all", "i"), "energy"], 0.2)
    even = stretch_shares(random.uniform(0.8, 1.2, (n, cells)), np.ones((n, cells)), seconds, tables, ["a"] * n)
    assert not even["verdict"].isin([MORE, LESS]).any()
    assert np.isclose(even.loc[even["phone"] == SILENT, "time"], 0.4).all()


def test_the_middle_half_leaves_a_quarter_on_either_side():
    hertz = np.arange(0, 4001, 50.0)
    band = ((hertz >= 1000) & (hertz < 2000)).astype(float)
    values = band * np.random.default_rng(0).uniform(1, 3, (10, 1)) - (hertz > 3000)
    profiles = xr.DataArray(values, dims=("token", "frequency"), coords={"frequency": hertz})
    row = middle_half(profiles, ["a"] * 10, max_hz=4000).set_index("label").loc["a"]
    assert abs(row["low_hz"] - 1225) < 1
    assert abs(row["high_hz"] - 1725) < 1
    assert np.isclose(row["low_hz_low"], row["low_hz_high"])  # every token says the same
