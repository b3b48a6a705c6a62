"""Control maps beside the shares of a run: the data alone, random weights, another network, on the same tokens."""

import numpy as np
import pytest
import xarray as xr

from phonoscope.audio import cut
from phonoscope.classifier import Classifier
from phonoscope.evidence.controls import data_map
from phonoscope.evidence.randomisation import with_random_weights
from phonoscope.experiments.folder import Run
from phonoscope.phonetics.profiles import profile
from phonoscope.phonetics.shares import formant_shares

MAPS = {
    "this network": 1,
    "the data alone": 0,
    "the difference of the class means alone": 0,
    "another network": 1,
    "random weights": 3,
}


@pytest.fixture(scope="module")
def run(finished):
    return Run(finished[0])


def test_every_control_is_a_row_beside_the_maps_of_the_network(run):
    table, shares = run.table("control_shares"), run.table("shares")
    assert table.groupby("map")["networks"].first().to_dict() == MAPS
    keys = ["label", "formant", "null"]
    own = table[table["map"] == "this network"].set_index(keys)
    # all 120 tested tokens are among those that are compared, so the network's rows are those of its shares
    of_run = shares.set_index(keys).loc[own.index]
    np.testing.assert_allclose(own["ratio"], of_run["ratio"], rtol=1e-12)
    pooled = table[(table["label"] == "all") & (table["formant"] == "F1–F3") & (table["null"] == "run")]
    assert pooled["ratio"].notna().all()
    assert pooled.set_index("map").loc["random weights", "sd"] > 0
    assert pooled.set_index("map").loc["the data alone", ["low", "high"]].notna().all()


def test_the_row_of_the_data_is_that_of_maps_made_from_the_other_folds(run):
    tokens = run.tokens.copy()
    tokens.attrs = run.tokens.attrs
    waveforms, tokens = cut(tokens, 16000)
    classifier, profiles = run.classifier(), []
    for fold in sorted(tokens["fold"].unique()):
        inside = (tokens["fold"] == fold).to_numpy()
        mine, others = [waveforms[i] for i in np.flatnonzero(inside)], [waveforms[i] for i in np.flatnonzero(~inside)]
        maps = data_map(classifier, mine, tokens["class"][inside], others, tokens["class"][~inside])
        profiles.append(profile(maps.assign_coords(token=("token", tokens["token"][inside].to_numpy(dtype=object)))))
    order = [tokens.set_index("token").index.get_loc(t) for part in profiles for t in part["token"].values]
    joined = xr.concat(profiles, dim="token", combine_attrs="override", join="override")
    rows = tokens.iloc[order]
    expected = formant_shares(
        joined, run.formants, max_hz=4000.0, labels=rows["class"].tolist(), clusters=rows[["speaker"]], seed=0
    )
    keys = ["label", "formant", "null"]
    table = run.table("control_shares")
    found = table[table["map"] == "the data alone"].set_index(keys)["share"]
    np.testing.assert_allclose(found, expected.set_index(keys)["share"].loc[found.index], rtol=1e-9)


def test_the_report_says_what_the_data_alone_score_beside_the_network(finished, run):
    table = run.table("control_shares")
    pooled = table[(table["label"] == "all") & (table["formant"] == "F1–F3") & (table["null"] == "run")]
    ratio = pooled.set_index("map")["ratio"]
    page = (finished[0] / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert f"a map made from the data alone, without a network, scores {ratio['the data alone']:.2f} ×" in page
    assert f"another network for the same task {ratio['another network']:.2f} ×" in page
    assert "Maps that no training of this network made" in page


def test_random_weights_are_drawn_in_a_copy(run):
    classifier: Classifier = run.classifier()
    before = {name: weights.clone() for name, weights in classifier.network.state_dict().items()}
    drawn, again, other = (with_random_weights(classifier, seed) for seed in (0, 0, 1))
    for name, weights in classifier.network.named_parameters():
        assert weights.equal(before[name])
        if weights.dim() > 1:
            now = dict(drawn.network.named_parameters())[name]
            assert not now.equal(weights)
            assert now.equal(dict(again.network.named_parameters())[name])
            assert not now.equal(dict(other.network.named_parameters())[name])
