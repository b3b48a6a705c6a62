"""Verdicts on the first paper's claims, each on numbers whose verdict is plain to see."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phonoscope.judgement.claims import FAILS, HOLDS, OPEN, PARTLY, claims_table
from phonoscope.tasks.phones.claims import (
    CLAIMS,
    Context,
    _accuracy_above,
    _asymmetric,
    _least_confused,
    _not_in_region,
    _on_formants,
    _region,
    _similar,
)
from phonoscope.tasks.phones.measure import Measured

FREQUENCY = np.arange(8) * 1000.0 + 500.0
RECORDINGS = 12


def context(profiles=None, accuracy=0.9, confusions=(), correlations=(), ratio=(1.5, 1.2, 1.8), energy_ratio=1.1):
    """A run of the classes i and u: profiles by class (frequency,), the counts of confusions, the r of pairs."""
    profiles = {"i": np.ones(8), "u": np.ones(8)} if profiles is None else profiles
    classes = [name for name in profiles for _ in range(RECORDINGS)]
    noise = np.random.default_rng(0).normal(0, 0.01, (len(classes), len(FREQUENCY)))
    values = np.stack([profiles[name] for name in classes]) + noise
    array = xr.DataArray(values, dims=("token", "frequency"), coords={"frequency": FREQUENCY}).assign_coords(
        token=np.arange(len(classes)).astype(str)
    )
    tokens = pd.DataFrame(
        {"token": array["token"].values, "class": classes, "speaker": "one", "recording": np.arange(len(classes)) // 2}
    )
    measured = Measured(tokens, array, array, pd.DataFrame(), {"resolution_hz": 500.0}, 8000.0, 0.0, "")
    rows = [{"true": a, "predicted": b, "count": n, "row_percent": float(n)} for (a, b), n in dict(confusions).items()]
    numbers = {
        "estimate": accuracy,
        "low": accuracy - 0.02,
        "high": accuracy + 0.02,
        "n_units": 12.0,
        "unit": "recording",
    }
    pairs = [{"label_a": a, "label_b": b, "r": r, "source": "map"} for (a, b), r in dict(correlations).items()]
    share = dict(zip(("ratio", "low", "high"), ratio, strict=True)) | {"energy_ratio": energy_ratio}
    return Context(
        measured=measured,
        accuracy=pd.DataFrame([{"measure": m, **numbers} for m in ("accuracy", "balanced accuracy")]),
        confusions=pd.DataFrame(rows, columns=["true", "predicted", "count", "row_percent"]),
        correlations=pd.DataFrame(pairs, columns=["label_a", "label_b", "r", "source"]),
        shares=pd.DataFrame([{"label": "all", "formant": "F1–F4", "null": "class", **share}]),
        seed=0,
    )


LOW, HIGH, FLAT = np.array([9.0, 9, 1, 1, 1, 1, 1, 1]), np.array([1.0, 1, 1, 1, 1, 1, 9, 9]), np.ones(8)


@pytest.mark.parametrize(
    ("profiles", "verdict", "opposite"),
    [
        ({"i": HIGH, "u": FLAT}, HOLDS, FAILS),
        ({"i": HIGH, "u": HIGH}, PARTLY, FAILS),
        ({"i": FLAT, "u": HIGH}, FAILS, HOLDS),
        ({"i": LOW, "u": LOW}, FAILS, HOLDS),
        ({"u": HIGH, "a": LOW}, OPEN, OPEN),
    ],
)
def test_a_region_is_important_where_the_map_is_denser_there_than_elsewhere_and_than_in_other_classes(
    profiles, verdict, opposite
):
    assert _region("i", 6000)(context(profiles)).verdict == verdict
    assert _not_in_region("i", 6000)(context(profiles)).verdict == opposite


def test_a_region_above_what_the_network_hears_is_open():
    assert _region("i", 8000)(context()).verdict == OPEN


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.97, HOLDS), (0.95, FAILS)])
def test_an_accuracy_is_above_its_bound_or_not(accuracy, verdict):
    assert _accuracy_above(0.96)(context(accuracy=accuracy)).verdict == verdict


@pytest.mark.parametrize(
    ("r", "mean_of_others", "alike", "verdict"),
    [
        (0.9, 0.1, True, HOLDS),
        (0.2, 0.1, True, FAILS),
        (0.7, 0.9, True, FAILS),
        (0.9, 0.1, False, FAILS),
        (0.2, 0.1, False, HOLDS),
    ],
)
def test_maps_are_alike_above_the_mean_and_a_half_and_disjoint_below_a_half(r, mean_of_others, alike, verdict):
    pairs = {("i", "u"): r, ("i", "a"): mean_of_others, ("u", "a"): mean_of_others}
    assert _similar("u", "i", alike=alike)(context(correlations=pairs)).verdict == verdict
    assert _similar("u", "o", alike=alike)(context(correlations=pairs)).verdict == OPEN


@pytest.mark.parametrize(("there", "back", "verdict"), [(20, 2, HOLDS), (2, 20, FAILS), (6, 5, FAILS), (0, 0, OPEN)])
def test_a_confusion_is_one_way_where_its_reverse_is_significantly_rarer(there, back, verdict):
    finding = _asymmetric("i", "u")(context(confusions={("i", "u"): there, ("u", "i"): back}))
    assert finding.verdict == verdict
    assert finding.measured.startswith(f"{there} against {back}")


@pytest.mark.parametrize(("count", "verdict"), [(1, HOLDS), (9, FAILS)])
def test_the_rarest_confusion_is_the_least_frequent_one(count, verdict):
    confusions = {("i", "i"): 90, ("i", "u"): count, ("u", "i"): 4, ("u", "u"): 96}
    assert _least_confused("i", "u")(context(confusions=confusions)).verdict == verdict


@pytest.mark.parametrize(
    ("ratio", "energy_ratio", "verdict"),
    [((1.5, 1.2, 1.8), 1.1, HOLDS), ((1.5, 0.9, 2.1), 1.1, FAILS), ((1.5, 1.2, 1.8), 1.9, FAILS)],
)
def test_maps_lie_on_formants_above_chance_and_above_the_plain_energy(ratio, energy_ratio, verdict):
    given = context(ratio=ratio, energy_ratio=energy_ratio)
    assert _on_formants(None, "F1–F4")(given).verdict == verdict
    assert _on_formants("i", "F1–F4")(given).verdict == OPEN


@pytest.mark.parametrize("section", CLAIMS)
def test_the_table_has_a_row_a_claim_and_numbers_them(section):
    table = claims_table(CLAIMS[section], context())
    assert table["claim"].tolist() == list(range(1, len(CLAIMS[section]) + 1))
    assert table["paper_says"].tolist() == [claim.says for claim in CLAIMS[section]]
    assert set(table["verdict"]) <= {HOLDS, PARTLY, FAILS, OPEN}
    assert claims_table([], context()).empty
