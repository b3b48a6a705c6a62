"""Shares in formants: planted maps, slow twins, chance levels, and the level of the test on random maps."""

import functools
import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.units import resampling_unit
from phonoscope.phonetics.pairing import paired_shares
from phonoscope.phonetics.profiles import band_weights, density
from phonoscope.phonetics.shares import FormantBands, formant_bands, formant_shares, merged_bands, token_shares

MAX_HZ = 4000.0
VOWELS = {"i": (343, 2323, 3001), "æ": (591, 1930, 2595), "ɝ": (475, 1379, 1711), "ɑ": (756, 1309, 2535)}
VOWELS |= {"u": (380, 992, 2355)}
BAND: dict[str, Any] = {"max_hz": MAX_HZ}


def make_talkers(rng, n_speakers, per_speaker):
    """Formant table, labels and speakers: talkers scale all formants, tokens scatter by 4 %."""
    n = n_speakers * per_speaker
    speaker, labels = np.repeat(np.arange(n_speakers), per_speaker), np.array(list(VOWELS))[np.arange(n) % 5]
    scale = np.exp(0.08 * rng.standard_normal(n_speakers))[speaker]
    hertz = np.array([VOWELS[label] for label in labels]) * scale[:, None] * np.exp(0.04 * rng.standard_normal((n, 3)))
    table = pd.DataFrame({"token": [f"r{i % 7}:{i:04d}" for i in range(n)], "f4_50": 3500.0 * np.ones(n)})
    for k in range(3):
        table[f"f{k + 1}_50"] = hertz[:, k]
    for k, width in enumerate((80.0, 100.0, 150.0, 200.0)):
        table[f"b{k + 1}_50"] = width
    return table, labels, speaker


def make_profiles(table, values, **attrs):
    n_cells = values.shape[1]
    centres = (np.arange(n_cells) + 0.5) * MAX_HZ / n_cells
    coords = {"token": table["token"].to_numpy(), "frequency": centres}
    return xr.DataArray(values, dims=("token", "frequency"), coords=coords, attrs=attrs)


def smooth_noise(rng, n, n_cells=16):
    return gaussian_filter1d(rng.standard_normal((n, n_cells)), 1.0, axis=1)


def on_formant(table, number, n_cells=400):
    """A map that is 1 inside the token's own formant and 0 elsewhere."""
    centres = (np.arange(n_cells) + 0.5) * MAX_HZ / n_cells
    centre, width = table[f"f{number}_50"].to_numpy()[:, None], table[f"b{number}_50"].to_numpy()[:, None]
    return make_profiles(table, (np.abs(centres - centre) <= width / 2).astype(float))


def row_of(table, label, formant, null="run"):
    rows = table[(table["label"] == label) & (table["formant"] == formant) & (table["null"] == null)]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.fixture(scope="module")
def talkers():
    return make_talkers(np.random.default_rng(0), 20, 10)


def test_map_on_its_own_f2_is_far_above_chance(talkers):
    table, labels, speaker = talkers
    result = formant_shares(on_formant(table, 2), table, labels=labels, clusters=speaker, **BAND)
    own = row_of(result, "all", "F2")
    assert own["share"] > 0.9
    assert own["ratio"] > 5
    assert own["low"] > 4
    assert own["p_holm"] < 0.05
    assert own["verdict"].startswith(f"above chance: {own['ratio']:.2f} ×")
    assert row_of(result, "all", "F2", "class")["ratio"] > 2
    assert row_of(result, "all", "F2", "classes")["p"] < 0.05
    for label in VOWELS:
        assert row_of(result, label, "F2")["ratio"] > 5
    assert row_of(result, "all", "F1")["ratio"] < 0.5


def test_map_that_avoids_its_own_f2_is_below_chance(talkers):
    table, labels, speaker = talkers
    maps = 1.0 - on_formant(table, 2)
    below = row_of(formant_shares(maps, table, labels=labels, clusters=speaker, **BAND), "all", "F2")
    assert below["ratio"] < 0.2
    assert below["verdict"].startswith("below chance")


def test_share_is_not_counted_twice_where_bands_overlap(talkers):
    table, labels, _ = talkers
    same = table.assign(f2_50=table["f1_50"], b2_50=table["b1_50"], f3_50=table["f1_50"] + 20.0, b3_50=table["b1_50"])
    result = formant_shares(on_formant(table, 1), same, labels=labels, **BAND)
    joint = row_of(result, "all", "F1–F3")
    assert joint["share"] <= 1.0
    assert joint["band_hz"] == pytest.approx(80.0 + 20.0)
    assert joint["area"] == pytest.approx(100.0 / MAX_HZ)


def test_merged_bands_are_the_union():
    low = np.array([[100.0, 400.0, 150.0, 100.0], [0.0, 10.0, 20.0, np.nan]])
    high = np.array([[200.0, 500.0, 300.0, 120.0], [5.0, 15.0, 25.0, np.nan]])
    new_low, new_high = merged_bands(low, high)
    assert (new_high - new_low)[0].sum() == pytest.approx(300.0)
    assert np.isnan(new_low[1]).all()
    grid = np.arange(0.5, 600.0)
    inside = ((grid >= low[0][:, None]) & (grid < high[0][:, None])).any(axis=0)
    times = ((grid >= new_low[0][:, None]) & (grid < new_high[0][:, None])).sum(axis=0)
    assert (times == inside).all()


def test_flat_map_scores_the_area_and_chance(talkers):
    table, labels, speaker = talkers
    flat = make_profiles(table, np.full((200, 16), 0.7))
    result = formant_shares(flat, table, labels=labels, clusters=speaker, **BAND)
    assert result["share"].to_numpy() == pytest.approx(result["area"].to_numpy())
    # bands that overlap differ in width, and leaving own pairs out of a mean moves it by 1/n of that
    assert result["ratio"].to_numpy() == pytest.approx(np.ones(len(result)), abs=1e-3)
    assert (result["verdict"].str.startswith(("practically at chance", "cannot be told"))).all()
    assert result.loc[result["null"] == "run", "verdict"].str.startswith("practically at chance").all()


def test_map_of_energy_scores_the_energy_null_whatever_its_scale(talkers):
    table, labels, speaker = talkers
    rng = np.random.default_rng(1)
    energy = make_profiles(table, rng.uniform(0.0, 30.0, (200, 64)))
    maps = energy * xr.DataArray(rng.uniform(0.1, 9.0, 200), dims="token")
    result = formant_shares(maps, table, labels=labels, clusters=speaker, energy=energy, **BAND)
    run = result[result["null"] == "run"]
    assert run["share"].to_numpy() == pytest.approx(run["energy"].to_numpy())
    assert run["ratio"].to_numpy() == pytest.approx(run["energy_ratio"].to_numpy())
    coarse = energy.coarsen(frequency=4).mean()
    other_axis = formant_shares(coarse, table, labels=labels, clusters=speaker, energy=energy, **BAND)
    assert row_of(other_axis, "i", "F2")["energy"] == pytest.approx(row_of(result, "i", "F2")["energy"])


def _slow_shares(profiles, table, number):
    """s(i, j) by quadrature of the interpolated map on a fine grid, all pairs."""
    fine = np.arange(0.25, MAX_HZ, 0.5)
    curves = np.array([np.interp(fine, profiles["frequency"], np.maximum(row, 0.0)) for row in profiles.values])
    half = table[f"b{number}_50"].to_numpy() / 2
    inside = np.abs(fine - table[f"f{number}_50"].to_numpy()[:, None]) < half[:, None]
    return curves @ inside.T / curves.sum(axis=1, keepdims=True)


def test_all_means_agree_with_the_full_matrix_of_pairs():
    rng = np.random.default_rng(4)
    table, labels, _ = make_talkers(rng, 8, 5)
    profiles = make_profiles(table, smooth_noise(rng, 40) + 0.3)
    result = formant_shares(profiles, table, labels=labels, **BAND)
    pairs = _slow_shares(profiles, table, 2)
    others = ~np.eye(40, dtype=bool)
    grand = pairs[others].mean()
    for label in VOWELS:
        mine = labels == label
        found, within = row_of(result, label, "F2"), row_of(result, label, "F2", "class")
        formants_of_others = pairs[mine][others[mine]].mean()
        maps_of_others = pairs[:, mine][others[:, mine]].mean()
        assert found["share"] == pytest.approx(pairs.diagonal()[mine].mean(), rel=5e-3)
        assert found["other_formants"] == pytest.approx(formants_of_others, rel=5e-3)
        assert found["other_maps"] == pytest.approx(maps_of_others, rel=5e-3)
        assert found["permuted"] == pytest.approx(formants_of_others * maps_of_others / grand, rel=5e-3)
        assert within["permuted"] == pytest.approx(
            pairs[np.ix_(mine, mine)][others[np.ix_(mine, mine)]].mean(), rel=5e-3
        )
    pooled = row_of(result, "all", "F2")
    assert pooled["permuted"] == pytest.approx(grand, rel=5e-3)
    exchanged = [
        np.mean(
            [pairs[np.ix_(labels == a, labels == b)][others[np.ix_(labels == a, labels == b)]].mean() for a, b in p]
        )
        for p in (list(zip(VOWELS, order, strict=True)) for order in itertools.permutations(VOWELS))
    ]
    whole = row_of(result, "all", "F2", "classes")
    assert whole["share"] == pytest.approx(exchanged[0], rel=5e-3)
    assert whole["permuted"] == pytest.approx(np.mean(exchanged), rel=5e-3)
    distance = np.abs(np.array(exchanged) - np.mean(exchanged))
    assert whole["p"] == pytest.approx(np.mean(distance >= distance[0] - 1e-12), abs=2.5 / 120)


def test_token_shares_average_to_the_class_share(talkers):
    table, labels, _ = talkers
    profiles = make_profiles(table, smooth_noise(np.random.default_rng(5), 200) + 0.2)
    tokens = token_shares(profiles, table, max_hz=MAX_HZ)
    f1 = tokens[tokens["formant"] == "F1"]
    expected = row_of(formant_shares(profiles, table, labels=labels, **BAND), "u", "F1")
    assert f1["share"].to_numpy()[labels == "u"].mean() == pytest.approx(expected["share"])
    assert tokens["share"].dropna().between(0.0, 1.0).all()
    assert tokens["share"].isna().sum() == 6 * (profiles.values <= 0).all(axis=1).sum()
    assert f1["area"].to_numpy() == pytest.approx(80.0 / MAX_HZ)


def test_parts_of_a_signed_map(talkers):
    table, _, _ = talkers
    inside = on_formant(table, 1).values
    outside = on_formant(table, 3).values
    signed = make_profiles(table, inside - 3.0 * outside)
    share = {
        part: token_shares(signed, table, max_hz=MAX_HZ, part=part).query("formant == 'F1'")["share"].mean()
        for part in ("positive", "negative", "absolute")
    }
    assert share["positive"] > 0.9
    assert share["negative"] < 0.01
    assert share["absolute"] == pytest.approx(80 / (80 + 3 * 150), rel=0.15)
    with pytest.raises(PhonoscopeError, match="part is 'up'"):
        token_shares(signed, table, max_hz=MAX_HZ, part="up")  # ty: ignore[invalid-argument-type]


def test_what_is_missing_is_left_out_and_counted(talkers):
    table, labels, _ = talkers
    broken = table.copy()
    broken.loc[0, "f1_50"] = np.nan
    broken.loc[1, "f4_50"] = 4600.0
    broken.loc[2, "b2_50"] = np.nan
    values = np.abs(smooth_noise(np.random.default_rng(6), 200)) + 0.1
    values[3] = -1.0
    values[4, 0] = np.nan
    some = [None, *labels[1:]]
    result = formant_shares(make_profiles(table, values), broken.drop(index=5), labels=some, **BAND)
    counted = {entry["reason"]: (entry["count"], entry["examples"]) for entry in result.attrs["left_out"]}
    ids = table["token"]
    assert counted == {
        "F1 missing": (1, [ids[0]]),
        "F4 above 4000 Hz": (1, [ids[1]]),
        "F2 without bandwidth: 50 Hz taken": (1, [ids[2]]),
        "map has no positive part below 4000 Hz": (1, [ids[3]]),
        "map not finite": (1, [ids[4]]),
        "not in the formant table": (1, [ids[5]]),
        "no label": (1, [ids[0]]),
    }
    assert row_of(result, "all", "F1")["n"] == 200 - 4
    assert row_of(result, "all", "F1–F4")["n"] == 200 - 5
    json.dumps(result.attrs)


def test_bands_stay_inside_the_spectrum_and_have_a_least_width():
    table = pd.DataFrame(
        {"token": ["a"], "f1_50": 20.0, "f2_50": 3990.0, "f3_50": 2000.0, "f4_50": np.nan, "b3_50": 5.0}
    )
    low, high = formant_bands(table, np.array(["a"]), MAX_HZ, FormantBands(min_bandwidth_hz=60.0))
    assert low[0, :3].tolist() == [0.0, 3960.0, 1970.0]
    assert high[0, :3].tolist() == [50.0, 4000.0, 2030.0]
    assert np.isnan(low[0, 3])


def test_planted_columns_are_chosen_by_prefix_and_lacking_ones_named(talkers):
    table, labels, _ = talkers
    maps = on_formant(table, 1)
    planted = table.rename(columns={c: f"true_{c}" for c in table.columns if c != "token"})
    plain = formant_shares(maps, table, labels=labels, **BAND)
    assert formant_shares(maps, planted, labels=labels, bands=FormantBands(prefix="true_"), **BAND)["share"].equals(
        plain["share"]
    )
    with pytest.raises(PhonoscopeError, match="no column f1_50"):
        formant_shares(maps, planted, labels=labels, **BAND)
    with pytest.raises(PhonoscopeError, match="several rows"):
        formant_shares(maps, pd.concat([table, table]), labels=labels, **BAND)


def test_bands_finer_than_the_map_are_marked(talkers):
    table, labels, _ = talkers
    values = np.abs(smooth_noise(np.random.default_rng(7), 200, 100)) + 0.1
    fine = formant_shares(make_profiles(table, values), table, labels=labels, **BAND)
    assert set(fine["resolution_hz"]) == {40.0}
    assert not fine["finer"].any()
    wide = formant_shares(make_profiles(table, values, resolution_hz=160.0), table, labels=labels, **BAND)
    assert row_of(wide, "i", "F3")["finer"]
    assert not row_of(wide, "i", "F4")["finer"]
    assert "finer than the map's resolution (160 Hz)" in row_of(wide, "i", "F3")["verdict"]
    assert wide["share"].equals(fine["share"])


def test_few_clusters_are_not_tested_as_if_they_were_many(talkers):
    table, labels, speaker = talkers
    maps = make_profiles(table, np.abs(smooth_noise(np.random.default_rng(8), 200)))
    clusters = pd.DataFrame({"speaker": speaker // 10, "recording": speaker})
    result = formant_shares(maps, table, labels=labels, clusters=clusters, **BAND)
    assert set(result["unit"]) == {"recording"}
    assert result["verdict"].str.endswith("holds for these only: 2 speakers").all()
    rare = np.where(np.arange(200) < 12, labels, "u")
    untested = row_of(formant_shares(maps, table, labels=rare, clusters=speaker, **BAND), "i", "F2")
    assert np.isnan([untested["p"], untested["low"]]).all()
    assert untested["verdict"].startswith("not tested: 2")


def test_formants_above_the_spectrum_leave_nothing_and_say_so(talkers):
    table, labels, _ = talkers
    maps = make_profiles(table, np.ones((200, 16)))
    result = formant_shares(maps, table, labels=labels, **(BAND | dict[str, Any](max_hz=3400.0)))
    nothing = row_of(result, "i", "F4")
    assert nothing["n"] == 0
    assert np.isnan(nothing["share"])
    assert nothing["verdict"] == "no token has these formants below the upper edge"


def test_refusals_say_what_is_wrong(talkers):
    table, labels, _ = talkers
    maps = make_profiles(table, np.ones((200, 16)))
    with pytest.raises(PhonoscopeError, match="199 labels for 200 tokens"):
        formant_shares(maps, table, labels=labels[1:], **BAND)
    with pytest.raises(PhonoscopeError, match="rename"):
        formant_shares(maps, table, labels=["all", *labels[1:]], **BAND)
    with pytest.raises(PhonoscopeError, match="other tokens"):
        formant_shares(maps, table, labels=labels, energy=maps.isel(token=slice(None, None, -1)), **BAND)
    with pytest.raises(PhonoscopeError, match="no token ids"):
        formant_shares(maps.drop_vars("token"), table, labels=labels, **BAND)
    with pytest.raises(PhonoscopeError, match="max_hz is 0"):
        formant_shares(maps, table, labels=labels, **(BAND | dict[str, Any](max_hz=0.0)))


def test_order_of_tokens_and_seed_do_not_move_the_shares(talkers):
    table, labels, speaker = talkers
    maps = make_profiles(table, np.abs(smooth_noise(np.random.default_rng(9), 200)))
    first = formant_shares(maps, table, labels=labels, clusters=speaker, **BAND)
    pd.testing.assert_frame_equal(first, formant_shares(maps, table, labels=labels, clusters=speaker, **BAND))
    order = np.random.default_rng(1).permutation(200)
    mixed = formant_shares(maps[order], table, labels=labels[order], clusters=speaker[order], seed=3, **BAND)
    for column in ("share", "permuted", "ratio", "area", "low", "high"):
        assert mixed[column].to_numpy() == pytest.approx(first[column].to_numpy(), nan_ok=True)


@functools.cache
def false_alarms(n_speakers, per_speaker, speaker_part=0.0, class_part=0.0, slope=0.0, n_runs=400):
    """Rate of p <= .05 at F2 on random maps that know nothing of formants, by null, in pooled and in class rows."""
    n = n_speakers * per_speaker
    codes, speaker = np.arange(n) % 5, np.repeat(np.arange(n_speakers), per_speaker)
    labels = pd.Series(np.array(list(VOWELS))[codes], dtype=object)
    means, centres = np.array([VOWELS[label][1] for label in labels]), np.arange(16) * 250.0 + 125.0
    unit, counted = resampling_unit(speaker, n), {}
    for run in range(n_runs):
        rng = np.random.default_rng(run)
        f2 = means * np.exp(0.08 * rng.standard_normal(n_speakers)[speaker] + 0.04 * rng.standard_normal(n))
        values = smooth_noise(rng, n) + speaker_part * smooth_noise(rng, n_speakers)[speaker]
        values += class_part * smooth_noise(rng, 5)[codes] + slope * np.linspace(1.0, -1.0, 16)
        maps, bands = density(np.maximum(values, 0.0), centres, MAX_HZ), band_weights(centres, f2 - 50.0, f2 + 50.0)
        kept = np.asarray(np.isfinite(maps).all(axis=1))
        for row in paired_shares([maps], bands, labels, kept, unit, run):
            counted.setdefault((row["null"], row["label"] == "all"), []).append(row["p"] <= 0.05)
    return {key: float(np.mean(hits)) for key, hits in counted.items()}


@pytest.mark.parametrize(
    "scene",
    [
        {"n_speakers": 60, "per_speaker": 1},
        {"n_speakers": 12, "per_speaker": 10, "slope": 0.5},
        {"n_speakers": 12, "per_speaker": 10, "speaker_part": 1.0, "slope": 0.5},
        {"n_speakers": 7, "per_speaker": 10, "speaker_part": 1.0},
    ],
    ids=["independent", "low-frequency-heavy", "maps share a speaker component", "seven speakers"],
)
def test_random_maps_are_called_significant_at_the_nominal_rate(scene):
    rate = false_alarms(**scene)
    assert 0.02 <= rate["run", True] <= 0.08
    assert 0.02 <= rate["run", False] <= 0.08
    assert 0.008 <= rate["class", True] <= 0.08
    assert 0.02 <= rate["classes", True] <= 0.08
    # few tokens a class with bands narrower than a cell: few maps differ there at all, so the test is cautious
    assert 0.005 <= rate["class", False] <= 0.08


def test_random_maps_constant_per_class_are_one_draw_per_class():
    rate = false_alarms(n_speakers=12, per_speaker=10, class_part=1.0)
    assert rate["run", True] > 0.3  # what the documentation warns of
    assert 0.02 <= rate["classes", True] <= 0.08
    assert 0.02 <= rate["class", True] <= 0.08


def test_ratio_intervals_cover_one_on_random_maps():
    covered = []
    for run in range(40):
        rng = np.random.default_rng(run)
        table, labels, speaker = make_talkers(rng, 20, 5)
        values = smooth_noise(rng, 100) + smooth_noise(rng, 20)[speaker]
        result = formant_shares(
            make_profiles(table, values),
            table[[c for c in table if c[1:2] != "4"] + ["f4_50"]].assign(f4_50=9999.0),
            max_hz=MAX_HZ,
            labels=labels,
            clusters=speaker,
        )
        rows = result[
            (result["label"] == "all") & (result["null"] == "run") & result["formant"].isin(["F1", "F2", "F3"])
        ]
        covered += list((rows["low"] <= 1.0) & (rows["high"] >= 1.0))
    assert 0.86 <= np.mean(covered) <= 0.99
