"""Agreement of profiles against closed forms, and the table of all measures for one method."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform, contrast, explain
from phonoscope.errors import AttributionError, PhonoscopeError
from phonoscope.evidence.agreement import (
    band_edges,
    band_profiles,
    causal_agreement,
    class_specificity,
    common_bands,
    method_agreement,
    token_agreement,
)
from phonoscope.evidence.case import open_case
from phonoscope.evidence.faithful import faithfulness
from phonoscope.evidence.measure import Effort
from phonoscope.evidence.measures import DEFAULT_MEASURES, MEASURES, describe_measure
from phonoscope.evidence.randomisation import parameter_randomisation
from phonoscope.evidence.verdicts import BETTER, OPEN

LABELS = ["i", "u", "ɑ"]


def tones(count=9, seed=0, rate=8000):
    """Tokens with a loud band at a place of their own class, in noise; their classes."""
    random = np.random.default_rng(seed)
    waveforms, classes = [], []
    for token in range(count):
        time = np.arange(int(random.integers(800, 1200))) / rate
        place = (600, 1700, 2900)[token % 3] + random.uniform(-80, 80)
        waveforms.append(np.sin(2 * np.pi * place * time) + 0.05 * random.normal(size=len(time)))
        classes.append(LABELS[token % 3])
    return waveforms, classes


class Bands(nn.Module):
    """A logit a class: the mean level of its own band; weights that a training could have found."""

    def __init__(self):
        super().__init__()
        self.read = nn.Conv2d(1, 3, (24, 1))
        with torch.no_grad():
            self.read.weight.zero_()
            self.read.bias.zero_()
            for label, rows in enumerate((slice(2, 6), slice(8, 13), slice(15, 20))):
                self.read.weight[label, 0, rows] = 0.2

    def forward(self, x):
        return self.read(x).tanh().mean((2, 3)) * 4


def classifier_of_bands():
    return Classifier(Spectrogram(8000, rows=24, columns=12), Bands(), LABELS, input_mean=-35, input_sd=12)


def maps_of(values, hz, max_hz=4000.0):
    values = np.asarray(values, dtype=float)
    return xr.DataArray(
        values[:, :, None],
        dims=("token", "frequency", "time"),
        coords={"token": [str(i) for i in range(len(values))], "frequency": hz, "time": [0.5]},
        attrs={"max_hz": max_hz, "units": "logit", "method": "given"},
    )


def test_profiles_are_densities_whatever_the_cells():
    even, uneven = np.arange(125, 4000, 250.0), np.array([100.0, 300, 700, 1500, 3100])
    edges = np.array([500.0, 1000, 2000, 3000])
    for hz in (even, uneven):
        widths = np.gradient(hz)
        np.testing.assert_allclose(band_profiles(maps_of([2.0 * widths], hz), edges), 2.0)
        slope = band_profiles(maps_of([hz * widths], hz), edges)
        inside = edges[1:] <= hz[-1]
        np.testing.assert_allclose(slope[0][inside], ((edges[1:] + edges[:-1]) / 2)[inside])
    np.testing.assert_allclose(band_edges(maps_of([even], even)), np.arange(0, 4001, 250))


def test_common_bands_are_those_of_the_coarsest_map():
    fine, coarse = np.arange(31.25, 4000, 62.5), np.arange(250.0, 8000, 500)
    edges = common_bands([maps_of([fine], fine), maps_of([coarse], coarse, 8000.0)])
    np.testing.assert_allclose(edges, np.arange(0, 4001, 500))


def test_agreement_by_hand():
    profiles = np.array([[1.0, 2, 3, 4], [1, 2, 3, 4], [4, 3, 2, 1], [0, 0, 0, 0]])
    table = token_agreement(profiles, profiles, ["a", "a", "b", "b"])
    np.testing.assert_allclose(table["agreement"], [1, 1, 1, 0])  # a flat profile agrees with nothing
    np.testing.assert_allclose(table["same_class"], [1, 1, 0, 0])
    np.testing.assert_allclose(table["other_class"], [-0.5, -0.5, -1, 0])
    np.testing.assert_allclose(token_agreement(profiles, -profiles, list("abcd"))["agreement"], [-1, -1, -1, 0])
    assert token_agreement(profiles, profiles, list("abcd"))["same_class"].isna().all()
    assert token_agreement(profiles[:, :2], profiles[:, :2], list("abcd")).isna().to_numpy().all()


def test_true_maps_agree_with_filtering_and_maps_of_the_class_alone_do_not_know_the_token():
    classifier, (waveforms, classes) = classifier_of_bands(), tones(12)
    causal = explain(classifier, waveforms, "true", "band-stop", true_labels=classes)
    true = causal_agreement(causal, causal, classes)
    np.testing.assert_allclose(true["agreement"], 1)
    inverse = causal_agreement(causal.copy(data=-causal.values), causal, classes)
    np.testing.assert_allclose(inverse["agreement"], -1)
    band = np.zeros((12, 24))
    for token in range(12):
        band[token, ((2, 6), (8, 13), (15, 20))[token % 3][0] : ((2, 6), (8, 13), (15, 20))[token % 3][1]] = 1.0
    axis = classifier.front_end.frequency_axis
    oracle = causal_agreement(maps_of(band, axis.centres), causal, classes)
    noise = causal_agreement(maps_of(np.random.default_rng(0).normal(size=(12, 24)), axis.centres), causal, classes)
    assert oracle["agreement"].mean() > noise["agreement"].mean() + 0.3
    assert oracle["agreement"].mean() > oracle["other_class"].mean() + 0.3
    # The map is the same for all tokens of a class: it knows no more of this token than of its mates.
    assert oracle["agreement"].mean() == pytest.approx(oracle["same_class"].mean(), abs=0.15)


def test_methods_and_trainings():
    classifier, (waveforms, classes) = classifier_of_bands(), tones()
    slopes = explain(classifier, waveforms, "true", "gradient-x-input", true_labels=classes)
    table = method_agreement({"a": slopes, "b": slopes, "minus": slopes.copy(data=-slopes.values)}, classes)
    assert table[["a", "b"]].to_numpy().tolist() == [["a", "b"], ["a", "minus"], ["b", "minus"]]
    np.testing.assert_allclose(table["agreement"], [1, -1, -1])
    np.testing.assert_allclose(table["low"], table["agreement"])
    assert (table["other_class"].abs() < 0.9).all()
    torch.manual_seed(1)
    other = Classifier.build(Spectrogram(8000, rows=24, columns=12), "compact-local", LABELS)
    random = explain(other, waveforms, "true", "gradient-x-input", true_labels=classes)
    trainings = method_agreement({"first": slopes, "random": random}, classes)
    assert trainings["agreement"][0] < 0.6
    with pytest.raises(AttributionError, match="at least two"):
        method_agreement({"a": slopes}, classes)
    with pytest.raises(AttributionError, match="same tokens"):
        causal_agreement(slopes[::-1], slopes, classes)


def test_class_specificity():
    hz = np.arange(125, 4000, 250.0)
    same = np.tile(np.sin(hz / 500), (6, 1))
    assert class_specificity(maps_of(same, hz), list("aabbcc")) == pytest.approx(1)
    apart = np.repeat([[1.0, 0, 0, 0], [0, 1, 0, 0]], 2, axis=0)
    assert class_specificity(maps_of(apart, hz[:4]), list("aabb")) == pytest.approx(-1 / 3)
    assert np.isnan(class_specificity(maps_of(same, hz), ["a"] * 6))


COLUMNS = [
    *("method", "measure", "value", "low", "high", "chance", "excess", "excess_low", "excess_high", "p", "p_least"),
    *("p_corrected", "verdict", "n", "unit", "n_units", "note"),
]


FEW = Effort(sanity_tokens=4, changes=8, disturbances=2)


def judge(classifier, waveforms, method, *, clusters=None, measures=("all",), say=print, given=None, **tokens):
    case = open_case(classifier, waveforms, **tokens)
    options = {"clusters": clusters, "measures": measures, "effort": FEW, "say": say}
    return faithfulness(case, method, **options, **(given or {}))


def test_every_measure_has_a_row_within_its_range():
    classifier, (waveforms, classes) = classifier_of_bands(), tones(12)
    talkers = [f"t{i % 6}" for i in range(12)]
    heard = []
    result = judge(classifier, waveforms, "gradient-x-input", true_labels=classes, clusters=talkers, say=heard.append)
    table = result.measures.set_index("measure")
    assert list(result.measures.columns) == COLUMNS
    assert list(table.index) == list(MEASURES)
    usual = judge(classifier, waveforms, "gradient-x-input", true_labels=classes, clusters=talkers, measures=None)
    assert tuple(usual.measures["measure"]) == DEFAULT_MEASURES
    for name, row in table.iterrows():
        measure = describe_measure(name)
        assert np.isfinite(row["value"]) or row["note"], name
        if np.isfinite(row["value"]):
            assert measure.low is None or row["value"] >= measure.low - 1e-9, name
            assert measure.high is None or row["value"] <= measure.high + 1e-9, name
        if np.isfinite(row["low"]):
            assert row["low"] <= row["value"] <= row["high"], name
        assert np.isfinite(row["chance"]) == (bool(measure.chance) and name != "classifier-agreement"), name
        if np.isfinite(row["chance"]):
            assert row["excess"] == pytest.approx(row["value"] - row["chance"]), name
    few = [name for name in table.index if table.loc[name, "n"] == 4]
    assert table.loc[few, "low"].isna().all()  # too few units, whichever they are
    assert "too few for an interval" in table.loc["max-sensitivity", "note"]
    without = ["class-similarity", "incompleteness", "classifier-agreement", *few]
    assert (table["unit"].drop(without) == "cluster").all()
    assert table.loc["deletion", "n_units"] == 6
    assert table.loc["max-sensitivity", "n"] == 4
    assert table.loc["incompleteness", "n"] == 0
    few_tokens = open_case(classifier, waveforms, true_labels=classes).some(4)[1]
    check = parameter_randomisation(few_tokens, "gradient-x-input")
    assert table.loc["randomisation", "note"] == check.sentence
    assert table.loc["randomisation", "verdict"] == check.verdict
    assert table.loc["randomisation-size", "verdict"] == ""
    # Six talkers tell little once it is corrected for so many comparisons.
    assert 0.001 < table.loc["deletion", "p"] < 0.05
    assert table.loc["deletion", "verdict"] == OPEN
    alone = judge(
        classifier, waveforms, "gradient-x-input", true_labels=classes, clusters=talkers, measures=["deletion"]
    )
    assert alone.measures["verdict"].tolist() == [BETTER]
    assert heard[0].startswith("gradient-x-input: ")
    mean = result.tokens.groupby("measure")["value"].mean()
    assert mean["infidelity"] == pytest.approx(table.loc["infidelity", "value"])
    assert set(result.curves["curve"]) == {"deletion", "insertion", "chance"}


def test_best_chance_worst_in_every_direction():
    """The map of the class's band beats noise, and noise the inverse, wherever a measure has a direction."""
    classifier, (waveforms, classes) = classifier_of_bands(), tones(18)
    classifier.keep_reference(waveforms, classes)
    options = {"true_labels": classes, "target": "true"}
    exact = explain(classifier, waveforms, "true", "integrated-gradients", true_labels=classes)
    causal = explain(classifier, waveforms, "true", "band-stop", true_labels=classes)
    filled = explain(classifier, waveforms, "true", "band-stop(fill=mean)", true_labels=classes)
    noise = np.random.default_rng(0).normal(size=exact.shape) * float(exact.std())
    values = {}
    for name, data in (("best", exact.values), ("noise", noise), ("worst", -exact.values)):
        found = judge(
            classifier,
            waveforms,
            "integrated-gradients",
            given={"maps": exact.copy(data=data.astype(np.float32)), "causal": causal, "filled": filled},
            **options,
        )
        values[name] = found.measures.set_index("measure")["value"]
    own = [
        "classifier-agreement",
        "max-sensitivity",
        "randomisation",
        "randomisation-size",
        "incompleteness",
        "class-similarity",
    ]
    for name, measure in MEASURES.items():
        if name in own or name not in values["best"] or measure.better == "neither":
            continue  # made anew from the method itself, or without a direction
        sign = 1 if measure.better == "higher" else -1
        best, middle, worst = (sign * values[which][name] for which in ("best", "noise", "worst"))
        strict = not name.startswith(("ai", "ag"))  # gains need tokens of which the network is unsure
        assert best > worst or (not strict and best >= worst), name
        assert best > middle or (not strict and best >= middle), name
        assert middle >= worst, name


@pytest.mark.parametrize("target", ["predicted", contrast("i", "u")], ids=str)
def test_networks_of_waveforms_and_contrasts(target):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(1, 6, 9, 4), nn.Tanh(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 3))
    classifier, (waveforms, _) = Classifier(Waveform(8000, 0.1), network, LABELS), tones(6)
    around = [np.concatenate([w[:80], w, w[-80:]]) for w in waveforms]
    result = judge(classifier, around, "gradient-x-input", target=target, context_seconds=0.01)
    table = result.measures.set_index("measure")
    for name in ("causal-agreement", "deletion", "ff", "infidelity", "randomisation"):
        assert np.isfinite(table.loc[name, "value"]), name
    again = judge(classifier, around, "gradient-x-input", target=target, context_seconds=0.01)
    pd.testing.assert_frame_equal(result.measures, again.measures)


def test_what_has_no_value_says_why():
    classifier, (waveforms, classes) = classifier_of_bands(), tones(6)
    table = judge(classifier, waveforms, "band-stop", true_labels=classes).measures.set_index("measure")
    assert "compared with" in table.loc["causal-agreement", "note"]
    table = judge(classifier, waveforms, "var(gradient, samples=2)", true_labels=classes).measures.set_index("measure")
    assert "infidelity needs logits" in table.loc["infidelity", "note"]
    assert table.loc["infidelity", "verdict"] == ""
    cam = Classifier.build(Spectrogram(8000, rows=24, columns=12), "compact", LABELS)
    table = judge(cam, waveforms, "cam", target="i").measures.set_index("measure")
    assert table.loc["incompleteness", "value"] < 1e-4
    assert "fewer than two classes" in table.loc["class-similarity", "note"]
    assert np.isnan(table.loc["causal-agreement", "chance"])  # no token of another class to compare with
    assert table.loc["causal-agreement", "verdict"] == ""
    assert "one classifier" in table.loc["classifier-agreement", "note"]


def test_the_registry_is_whole():
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.better in ("higher", "lower", "neither")
        assert measure.shows.endswith(".")
        assert measure.title
        assert measure.units
        assert measure.source
        assert measure.low is None or measure.high is None or measure.low < measure.high
    with pytest.raises(PhonoscopeError, match="causal-agreement"):
        describe_measure("beauty")
