"""Curves, masks and regions against closed forms: the true map is best, its inverse worst, a flat one is chance."""

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform, contrast, explain
from phonoscope.errors import AttributionError
from phonoscope.evidence.audio_measures import (
    audio_measures,
    best_mask,
    entropy,
    gini,
    masked_scores,
    shape_measures,
    soft_mask,
)
from phonoscope.evidence.case import fixed_batch, open_case, read_scores
from phonoscope.evidence.perturbation_curves import curve_areas, perturbation_curves
from phonoscope.evidence.regions import NULLS, position_on, ranks, spread

LABELS = ["i", "u", "ɑ"]
BAND = slice(16, 32)  # rows of the picture: a quarter of its area
SHARE = 0.25


class Counting(nn.Module):
    """The first logit is twice the share of the band's cells that are not neutral (zero); it does the sums in place."""

    def forward(self, x):
        x.ne_(0.0)
        score = 2 * x[:, 0, BAND].mean((1, 2))
        return torch.stack([score, torch.zeros_like(score), -score], 1)


def build(network=None, **settings):
    return Classifier(Spectrogram(16000, **settings), network or Counting(), LABELS, input_mean=-31.7, input_sd=11.3)


def waves(count=6, seed=0):
    random = np.random.default_rng(seed)
    return [np.cumsum(random.normal(size=int(random.integers(400, 2000)))) * 0.01 for _ in range(count)]


def on_input(classifier, waveforms, values):
    """Maps on the network's input with given values (token or one, rows, columns)."""
    axis, time = classifier.front_end.frequency_axis, classifier.front_end.time_axis
    shape = (len(waveforms), axis.rows, time.columns)
    return xr.DataArray(
        np.broadcast_to(values, shape).astype(float),
        dims=("token", "frequency", "time"),
        coords={"frequency": axis.centres, "time": time.centres, "token": [str(i) for i in range(len(waveforms))]},
        attrs={"units": "logit", "max_hz": axis.max_hz},
    )


def oracle():
    values = np.zeros((64, 32))
    values[BAND] = 1.0
    return values


def test_areas_have_their_closed_forms():
    classifier, waveforms = build(), waves()
    case = open_case(classifier, waveforms, target="i")
    for chance, tolerance in (("moved", 0.06), ("shuffled", 0.01)):
        options = {"chance": chance, "draws": 24, "neutral": "zero"}
        good = curve_areas(perturbation_curves(case, on_input(classifier, waveforms, oracle()), **options))
        bad = curve_areas(perturbation_curves(case, on_input(classifier, waveforms, -oracle()), **options))
        # The band goes first, evenly: a triangle; or last.
        np.testing.assert_allclose(good["deletion_logit"], 2 * SHARE / 2, atol=1e-6)
        np.testing.assert_allclose(good["insertion_logit"], 2 * (1 - SHARE / 2), atol=1e-6)
        np.testing.assert_allclose(bad["deletion_logit"], 2 * (1 - SHARE / 2), atol=1e-6)
        np.testing.assert_allclose(bad["insertion_logit"], 2 * SHARE / 2, atol=1e-6)
        np.testing.assert_allclose(good["way_logit"], 2.0, atol=1e-6)
        assert good["chance_logit"].mean() == pytest.approx(1.0, abs=2 * tolerance)
        gain = good["deletion_gain_logit"].sum() / good["way_logit"].sum()
        assert gain == pytest.approx((1 - SHARE) / 2, abs=tolerance)
        for value in ("logit", "probability"):
            for way in ("deletion", "insertion"):
                assert (good[f"{way}_gain_{value}"] > 0).all()
                assert (bad[f"{way}_gain_{value}"] < 0).all()


def test_one_softmax_over_all_classes():
    logits, weights = torch.tensor([[2.0, 0.0, -2.0]] * 2), torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, -1.0]])
    answers = read_scores(logits, weights)
    every = np.exp([2.0, 0.0, -2.0])
    np.testing.assert_allclose(answers.probability, [every[0] / every.sum(), 1 / (1 + np.exp(-4.0))])
    np.testing.assert_allclose(answers.logit, [2.0, 4.0])
    classifier, waveforms = build(), waves(2)
    curves = perturbation_curves(
        open_case(classifier, waveforms, target="i"), on_input(classifier, waveforms, oracle()), neutral="zero"
    )
    start = curves[(curves["curve"] == "deletion") & (curves["fraction"] == 0)]
    np.testing.assert_allclose(start["probability"], every[0] / every.sum(), rtol=1e-6)
    end = curves[(curves["curve"] == "deletion") & (curves["fraction"] == 1)]
    np.testing.assert_allclose(end["probability"], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(end["logit"], 0, atol=1e-6)


@pytest.mark.parametrize("chance", NULLS)
def test_a_map_that_says_nothing_is_at_chance(chance):
    classifier, waveforms = build(), waves(24)
    case = open_case(classifier, waveforms, target="i")
    noise = np.random.default_rng(0).normal(size=(24, 64, 32))
    areas = curve_areas(
        perturbation_curves(case, on_input(classifier, waveforms, noise), chance=chance, neutral="zero")
    )
    for way in ("deletion", "insertion"):
        assert areas[f"{way}_gain_logit"].mean() == pytest.approx(0.0, abs=0.02)
    flat = curve_areas(perturbation_curves(case, on_input(classifier, waveforms, 1.0), chance=chance, neutral="zero"))
    assert flat["deletion_gain_logit"].mean() == pytest.approx(0.0, abs=0.25)


def test_dust_is_not_the_chance_level_of_patches():
    """Smooth maps of nothing are at the chance of moved maps, not at that of shuffled ones, on a network of patches."""
    from scipy.ndimage import gaussian_filter

    class Patches(nn.Module):
        def forward(self, x):
            whole = (x != 0).float().unfold(2, 8, 8).unfold(3, 8, 8).amin((4, 5))  # patches of which nothing is gone
            score = whole.mean((1, 2, 3))
            return torch.stack([score, -score, 0 * score], 1)

    classifier, waveforms = build(Patches()), waves(24)
    case = open_case(classifier, waveforms, target="i")
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(24, 64, 32)), (0, 6, 6), mode="wrap")
    gains = {}
    for chance in NULLS:
        curves = perturbation_curves(case, on_input(classifier, waveforms, smooth), chance=chance, neutral="zero")
        gains[chance] = curve_areas(curves)["insertion_gain_logit"].mean()
    assert abs(gains["moved"]) < 0.02
    assert gains["shuffled"] > 0.1


@pytest.mark.parametrize("scale", ["linear", "mel", "erb"])
def test_a_map_on_the_input_is_spread_to_itself(scale):
    classifier, waveforms = build(scale=scale, max_hz=6000.0), waves(3)
    case = open_case(classifier, waveforms, target="i")
    values = np.random.default_rng(1).normal(size=(3, 64, 32))
    (rows, batch), *_ = case.batches()
    found = spread(on_input(classifier, waveforms, values), case, batch, rows)
    np.testing.assert_allclose(found, values, atol=1e-9)


def test_coarse_cells_lie_where_their_coordinates_say():
    torch.manual_seed(0)
    classifier, waveforms = Classifier.build(Spectrogram(16000), "compact", LABELS), waves(2)
    maps = explain(classifier, waveforms, "i", "cam")
    case = open_case(classifier, waveforms, target="i")
    (rows, batch), *_ = case.batches()
    axis = classifier.front_end.frequency_axis
    centres = position_on(axis, maps["frequency"].values)
    step = np.diff(centres)[0]
    for cell in (1, 5, 9):
        one = xr.zeros_like(maps)
        one[:, cell] = 1.0
        filled = spread(one, case, batch, rows)[0].sum(1) > 1e-9
        low, high = centres[cell] - step / 2, centres[cell] + step / 2
        expected = (np.arange(64) + 1 > low + 1e-9) & (np.arange(64) < high - 1e-9)
        np.testing.assert_array_equal(filled, expected)
    # Resizing the grid as an image would put it half a cell higher.
    assert centres[0] == pytest.approx(0.5)


def test_sounds_finer_than_the_picture_keep_their_mass():
    torch.manual_seed(0)
    classifier, waveforms = Classifier.build(Spectrogram(16000), "compact", LABELS), waves(3)
    maps = explain(classifier, waveforms, "i", "gradient-x-input(space=sound)")
    case = open_case(classifier, waveforms, target="i")
    (rows, batch), *_ = case.batches()
    ones = xr.ones_like(maps)
    # Density 1 a cell of sound, 160.. bins over 64 rows, everywhere alike but for half bins at the ends.
    found = spread(ones, case, batch, rows)
    inner = found[:, 1:-1, 1:-1]
    np.testing.assert_allclose(inner, inner[0, 0, 0], rtol=1e-6)
    assert found.sum() == pytest.approx(ones.values.sum(), rel=0.02)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 6))
def test_ranks_and_nulls(seed, rows, columns):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 3, (2, rows, columns)).astype(float)
    scores[1, :, -1] = np.nan
    if columns == 1:
        scores[1] = 0.0
    places = ranks(scores, [np.random.default_rng(3), np.random.default_rng(4)])
    np.testing.assert_array_equal(np.isnan(places), np.isnan(scores))
    for token in range(2):
        own = ~np.isnan(scores[token])
        np.testing.assert_array_equal(np.sort(places[token][own]), np.arange(own.sum()))
        assert (np.diff(scores[token][own][np.argsort(places[token][own])]) <= 0).all()
    for null in NULLS.values():
        other = null(scores, [np.random.default_rng(1), np.random.default_rng(2)])
        np.testing.assert_array_equal(np.isnan(other), np.isnan(scores))
        np.testing.assert_array_equal(
            np.sort(other[~np.isnan(other)].ravel()), np.sort(scores[~np.isnan(scores)].ravel())
        )


def test_values_by_hand():
    import pandas as pd

    rows = [("a", 0.9, 0.45, 0.1, True), ("b", 0.5, 0.75, 0.5, False), ("c", 1.0, 1.0, 0.0, True)]
    answers = pd.DataFrame(rows, columns=["token", "probability", "probability_in", "probability_out", "same"])
    table = audio_measures(answers.assign(target="i", mask="soft", draw=0))
    np.testing.assert_allclose(table["ai"], [0, 100, 0])
    np.testing.assert_allclose(table["ad"], [50, 0, 0])  # of probabilities: one softmax, not two
    np.testing.assert_allclose(table["ag"], [0, 50, 0])
    np.testing.assert_allclose(table["ff"], [0.8, 0, 1])
    np.testing.assert_allclose(table["fid-in"], [1, 0, 1])


@given(st.integers(2, 40), st.integers(0, 1000))
def test_gini_and_entropy(n, seed):
    one, alike = np.eye(n)[0], np.full(n, 3.0)
    assert gini(one) == pytest.approx(1 - 1 / n)
    assert gini(alike) == pytest.approx(0, abs=1e-12)
    assert entropy(one) == 0
    assert entropy(alike) == pytest.approx(np.log(n))
    values = np.random.default_rng(seed).exponential(size=n)
    differences = np.abs(values[:, None] - values[None]).sum() / (2 * n * values.sum())
    assert gini(values) == pytest.approx(differences)
    assert gini(5 * values) == pytest.approx(gini(values))
    assert np.isnan(gini(np.zeros(n)))
    assert np.isnan(entropy(np.zeros(n)))


def test_masks():
    scores = np.array([[[2.0, -1.0], [1.0, 0.0]], [[-1.0, -2.0], [-3.0, -4.0]]])
    np.testing.assert_allclose(soft_mask(scores)[0], [[1, 0], [0.5, 0]])
    np.testing.assert_allclose(soft_mask(scores)[1], 0)  # nothing speaks for the target: nothing is kept
    places = ranks(scores, [np.random.default_rng(0), np.random.default_rng(1)])
    np.testing.assert_allclose(best_mask(places, 0.5), [[[1, 0], [1, 0]], [[1, 1], [0, 0]]])


def test_the_true_mask_beats_chance_and_chance_its_inverse():
    classifier, waveforms = build(), waves(12)
    case = open_case(classifier, waveforms, target="i")
    tables = {}
    for name, sign in (("good", 1.0), ("bad", -1.0)):
        answers = masked_scores(
            case, on_input(classifier, waveforms, sign * (2 * oracle() - 1)), area=SHARE, neutral="zero"
        )
        table = audio_measures(answers)
        tables[name] = table[table["draw"] == 0].groupby("mask").mean(numeric_only=True)
        tables["chance"] = table[table["draw"] > 0].groupby("mask").mean(numeric_only=True)
        if name == "good":
            chance = tables["chance"]
    p = np.exp(2) / (np.exp(2) + 1 + np.exp(-2))
    for mask in ("soft", "best"):
        good, bad = tables["good"].loc[mask], tables["bad"].loc[mask]
        assert good["ad"] == pytest.approx(0)
        assert good["ff"] == pytest.approx(p - 1 / 3)
        assert good["fid-in"] == 1
        assert bad["ad"] == pytest.approx(100 * (p - 1 / 3) / p)
        assert bad["ff"] == pytest.approx(0)
        assert good["ad"] < chance.loc[mask, "ad"] < bad["ad"]
        assert good["ff"] > chance.loc[mask, "ff"] > bad["ff"]


def test_shape_measures_do_not_reward_few_cells():
    classifier, waveforms = build(), waves(2)
    case = open_case(classifier, waveforms, target="i")
    fine = shape_measures(case, on_input(classifier, waveforms, oracle()))
    np.testing.assert_allclose(fine["comp"], np.log(16 * 32))
    np.testing.assert_allclose(fine["sps"], 1 - SHARE)
    coarse = on_input(classifier, waveforms, oracle()).coarsen(frequency=8, time=8).mean()
    table = shape_measures(case, coarse)
    np.testing.assert_allclose(table["comp"], np.log(16 * 32))
    np.testing.assert_allclose(table["sps"], 1 - SHARE)


class Small(nn.Module):
    def __init__(self, dimensions=2):
        super().__init__()
        kind = nn.Conv2d if dimensions == 2 else nn.Conv1d
        self.conv = kind(1, 4, 9 if dimensions == 1 else 3, 8 if dimensions == 1 else 2)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(torch.relu_(self.conv(x)).flatten(2).mean(2))


def small(kind):
    torch.manual_seed(3)
    if kind == "waveform":
        return Classifier(Waveform(8000, 0.1), Small(1), LABELS)
    return Classifier(Spectrogram(8000, rows=24, columns=12), Small(), LABELS, input_mean=-30, input_sd=12)


@pytest.mark.parametrize("kind", ["picture", "waveform"])
@pytest.mark.parametrize("target", ["predicted", contrast("i", "u")], ids=str)
def test_tokens_alone_give_what_they_give_together(kind, target):
    classifier, waveforms = small(kind), waves(4, seed=5)
    method = "gradient-x-input"
    maps = explain(classifier, waveforms, target, method, reference=waveforms)
    before = torch.random.get_rng_state()
    state = {k: v.clone() for k, v in classifier.state_dict().items()}

    def judge(indices):
        chosen = [waveforms[i] for i in indices]
        names = [str(i) for i in indices]
        case = open_case(classifier, chosen, target=target, tokens=names, reference=waveforms)
        own = maps.isel(token=indices)
        areas = curve_areas(perturbation_curves(case, own, steps=5)).set_index("token")
        masked = masked_scores(case, own)
        answers = audio_measures(masked).set_index(["token", "mask", "draw"])
        return areas.drop(columns="target"), answers.drop(columns="target")

    whole, reverse = judge([0, 1, 2, 3]), judge([3, 2, 1, 0])
    alone = [judge([i]) for i in range(4)]
    for number in range(2):
        expected = whole[number].sort_index()
        single = np.concatenate([one[number].sort_index().to_numpy() for one in alone])
        np.testing.assert_allclose(reverse[number].sort_index().to_numpy(), expected.to_numpy(), atol=1e-4)
        np.testing.assert_allclose(single, expected.to_numpy(), atol=1e-4)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert classifier.training
    assert all(torch.equal(v, state[k]) for k, v in classifier.state_dict().items())


def test_context_is_not_the_tokens_own():
    classifier, waveforms = small("picture"), waves(3, seed=5)
    around = [np.concatenate([np.full(80, 0.3), w, np.full(80, -0.2)]) for w in waveforms]
    plain, wide = open_case(classifier, waveforms), open_case(classifier, around, context_seconds=0.01)
    np.testing.assert_allclose(plain.logits, wide.logits, atol=1e-6)
    batch = fixed_batch(classifier, wide.waveforms, wide.context, wide.weights)
    np.testing.assert_allclose(batch.inputs, next(plain.batches())[1].inputs, atol=1e-5)
    assert batch.seeds == next(plain.batches())[1].seeds


def test_what_cannot_be_judged_is_refused():
    classifier, waveforms = small("picture"), waves(3)
    maps = explain(classifier, waveforms, "i", "gradient")
    case = open_case(classifier, waveforms, target="i")
    with pytest.raises(AttributionError, match="explain the same tokens"):
        perturbation_curves(case, maps.isel(token=[0]))
    with pytest.raises(AttributionError, match="not finite"):
        perturbation_curves(case, maps.where(maps["token"] != "1"))
    with pytest.raises(AttributionError, match="moved, shuffled"):
        perturbation_curves(case, maps, chance="fair")
    with pytest.raises(AttributionError, match="steps=1"):
        perturbation_curves(case, maps, steps=1)
    with pytest.raises(AttributionError, match="area=1"):
        masked_scores(case, maps, area=1)
    with pytest.raises(AttributionError, match="no token"):
        open_case(classifier, [])
    with pytest.raises(AttributionError, match="must differ"):
        open_case(classifier, waveforms, tokens=["a", "a", "b"])
    with pytest.raises(AttributionError, match="2 token names"):
        open_case(classifier, waveforms, tokens=["a", "b"])
    with pytest.raises(AttributionError, match="longer than its context"):
        open_case(classifier, waveforms, context_seconds=1.0)
