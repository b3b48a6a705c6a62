"""Baselines: oracles, leaks, imputation, and the numbers on real speech."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from phonoscope.errors import PhonoscopeError
from phonoscope.phonetics.baselines import (
    _best_threshold,
    balanced_accuracy,
    formant_lda,
    low_band_energy,
    low_band_level,
    majority_class,
)

RATE = 16000


def formant_table(rng, n=120):
    labels = np.array(["i", "ɑ", "u"])[np.arange(n) % 3]
    means = {"i": (300, 2300, 3000), "ɑ": (750, 1300, 2500), "u": (380, 1000, 2350)}
    hertz = np.array([means[label] for label in labels]) * np.exp(0.12 * rng.standard_normal((n, 3)))
    return pd.DataFrame(hertz, columns=["f1_50", "f2_50", "f3_50"]), labels


def test_lda_is_scikit_learns_on_logs_fold_by_fold():
    table, labels = formant_table(np.random.default_rng(0))
    folds = np.repeat(np.arange(4), 30)
    result = formant_lda(table, labels, folds=folds)
    expected = np.empty(120, dtype=object)
    for fold in range(4):
        model = LinearDiscriminantAnalysis().fit(np.log(table[folds != fold]).to_numpy(), labels[folds != fold])
        expected[folds == fold] = model.predict(np.log(table[folds == fold]).to_numpy())
    assert list(result.predictions) == list(expected)
    assert result.accuracy == np.mean(expected == labels)
    assert result.accuracy > 0.9
    assert result.n_tested == 120


def test_lda_ignores_units_because_of_the_log():
    table, labels = formant_table(np.random.default_rng(1))
    train = np.arange(120) < 80
    hertz = formant_lda(table, labels, train=train, test=~train)
    kilohertz = formant_lda(table / 1000.0, labels, train=train, test=~train)
    assert list(hertz.predictions[~train]) == list(kilohertz.predictions[~train])
    assert hertz.predictions[train].isna().all()
    assert hertz.n_tested == 40


def test_missing_formants_get_the_training_median_and_are_counted():
    table, labels = formant_table(np.random.default_rng(2))
    train = np.arange(120) < 90
    holes = table.copy()
    holes.loc[[3, 100, 101], "f3_50"] = np.nan
    filled = holes.fillna({"f3_50": holes.loc[train, "f3_50"].median()})
    result = formant_lda(holes, labels, train=train, test=~train)
    assert result.details["imputed"] == {"f1_50": 0, "f2_50": 0, "f3_50": 3}
    assert list(result.predictions[~train]) == list(
        formant_lda(filled, labels, train=train, test=~train).predictions[~train]
    )


def test_test_labels_do_not_reach_the_model():
    table, labels = formant_table(np.random.default_rng(3))
    train = np.arange(120) < 60
    shuffled = labels.copy()
    shuffled[~train] = np.random.default_rng(0).permutation(shuffled[~train])
    honest, blind = (formant_lda(table, x, train=train, test=~train) for x in (labels, shuffled))
    assert list(honest.predictions[~train]) == list(blind.predictions[~train])
    assert blind.accuracy < honest.accuracy


def test_unlabelled_tokens_take_no_part():
    table, labels = formant_table(np.random.default_rng(4))
    some = [None, pd.NA, *labels[2:]]
    result = formant_lda(table, some, folds=np.arange(120) % 5)
    assert result.predictions[:2].isna().all()
    assert (result.n_tested, result.details["unlabelled"]) == (118, 2)
    json.dumps(result.details)


def test_refusals_name_the_remedy():
    table, labels = formant_table(np.random.default_rng(5))
    train = np.arange(120) < 60
    with pytest.raises(PhonoscopeError, match="say how to split"):
        formant_lda(table, labels)
    with pytest.raises(PhonoscopeError, match="share none"):
        formant_lda(table, labels, train=train, test=train)
    with pytest.raises(PhonoscopeError, match="no column f4_50"):
        formant_lda(table, labels, folds=train, columns=["f1_50", "f4_50"])
    with pytest.raises(PhonoscopeError, match="f3_50 was measured in no training token"):
        formant_lda(table.assign(f3_50=np.nan), labels, folds=train)
    with pytest.raises(PhonoscopeError, match="at least two folds"):
        majority_class(labels, folds=["a"] * 120)
    with pytest.raises(PhonoscopeError, match="found: i, u, ɑ"):
        low_band_energy([np.ones(100)] * 120, RATE, labels, folds=train)
    with pytest.raises(PhonoscopeError, match="fewer than two classes"):
        majority_class(["a"] * 60 + ["b"] * 60, folds=train)


@pytest.mark.parametrize("n", [1600, 1601])
def test_level_of_a_sine_is_its_power_on_the_right_side_of_the_edge(n):
    time = np.arange(n) / RATE
    low, high = 0.5 * np.sin(2 * np.pi * 300 * time), 0.5 * np.sin(2 * np.pi * 2000 * time)
    level = low_band_level([low, high, low + high, np.zeros(n), np.zeros(0)], RATE)
    in_db = 10 * np.log10(0.5**2 / 2)
    assert level[0] == pytest.approx(in_db, abs=0.05)
    assert level[1] < -60
    assert level[2] == pytest.approx(in_db, abs=0.05)
    assert level[3:].tolist() == [-120.0, -120.0]


@given(st.integers(1, 400), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_all_bins_together_hold_the_windowed_power(n, seed):
    samples = np.random.default_rng(seed).normal(size=n)
    window = np.hanning(n + 2)[1:-1]
    expected = 10 * np.log10(((samples * window) ** 2).sum() / (window**2).sum())
    assert low_band_level([samples], RATE, cutoff_hz=RATE)[0] == pytest.approx(max(expected, -120.0), abs=1e-6)


def test_energy_adds_duration():
    samples = np.sin(2 * np.pi * 200 * np.arange(3200) / RATE)
    power = low_band_level([samples[:1600], samples], RATE)
    energy = low_band_level([samples[:1600], samples], RATE, measure="energy")
    assert power[0] == pytest.approx(power[1], abs=0.01)
    assert energy - power == pytest.approx(10 * np.log10([0.1, 0.2]))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["a", "b"])), min_size=2, max_size=14).filter(
        lambda pairs: len({name for _, name in pairs}) == 2
    )
)
def test_best_threshold_cannot_be_beaten(pairs):
    level, names = np.array([float(x) for x, _ in pairs]), np.array([name for _, name in pairs])
    threshold, above, below = _best_threshold(level, names)
    errors = (np.where(level > threshold, above, below) != names).sum()
    tried = [
        (np.where(level > cut, over, under) != names).sum()
        for cut in np.arange(-0.5, 7.0)
        for over, under in (("a", "b"), ("b", "a"))
    ]
    assert errors == min(tried)
    assert {above, below} == {"a", "b"}


def test_voicing_by_level():
    rng = np.random.default_rng(6)
    time = np.arange(1600) / RATE
    hiss = [np.diff(rng.normal(size=1601)) * 0.05 for _ in range(20)]
    voices = [0.3 * np.sin(2 * np.pi * rng.uniform(90, 250) * time) + noise for noise in hiss]
    labels = ["voiced"] * 20 + ["voiceless"] * 20
    result = low_band_energy([*voices, *hiss], RATE, labels, folds=np.arange(40) % 4)
    assert result.accuracy == 1.0
    assert result.details["above"] == ["voiced"]
    assert len(result.details["thresholds_db"]) == 4
    json.dumps(result.details)


def test_majority_class_by_hand():
    labels = ["a"] * 6 + ["b"] * 3 + ["b", "a", "b", "b"]
    train = np.arange(13) < 9
    result = majority_class(labels, train=train, test=~train)
    assert set(result.predictions[~train]) == {"a"}
    assert result.accuracy == 0.25
    assert result.balanced_accuracy == 0.5


def test_balanced_accuracy_by_hand():
    true, predicted = np.array(["a", "a", "a", "a", "b"]), np.array(["a", "a", "a", "b", "b"])
    assert balanced_accuracy(true, predicted) == pytest.approx((0.75 + 1.0) / 2)


@pytest.fixture(scope="module")
def ljspeech(shared_data):
    corpora = pytest.importorskip("phonoscope.corpora")
    audio = pytest.importorskip("phonoscope.audio")
    tokens = corpora.read_corpus(shared_data / "ljspeech", classes="paper")
    context = 0.025
    waveforms, tokens = audio.cut(tokens, context_seconds=context)
    return waveforms, tokens, 22050, context


@pytest.mark.shared
def test_real_vowels_by_formants(ljspeech):
    from phonoscope.phonetics.formants import token_formants

    waveforms, tokens, rate, context = ljspeech
    vowel = tokens["label"].isin(["i", "æ", "ɝ", "ɑ", "u"]).to_numpy()
    chosen = [waveform for waveform, is_vowel in zip(waveforms, vowel, strict=True) if is_vowel]
    table = token_formants(chosen, rate, ceiling=5500.0, context=context)
    names, files = tokens["label"][vowel], tokens["recording"][vowel]
    result = formant_lda(table, names, folds=files)
    assert result.n_tested == 270
    # 91.4 % were found with Praat's formants on 279 tokens: standard error 1.7 %
    assert result.accuracy == pytest.approx(0.914, abs=0.035)
    assert result.accuracy > majority_class(names, folds=files).accuracy + 0.4


@pytest.mark.shared
def test_real_voicing_by_low_band_energy(ljspeech):
    waveforms, tokens, rate, context = ljspeech
    edge = round(context * rate)
    bare = [waveform[edge:-edge] for waveform in waveforms]
    voiced = np.where(tokens["label"].isin(["i", "æ", "ɝ", "ɑ", "u"]), "voiced", "voiceless")
    power, energy = (
        low_band_energy(bare, rate, voiced, folds=tokens["recording"], measure=measure)
        for measure in ("power", "energy")
    )
    # 95.3 % were found for energy on 782 tokens: standard error 0.8 %
    assert energy.accuracy == pytest.approx(0.953, abs=0.02)
    assert 0.90 < power.accuracy < energy.accuracy
    assert power.details["above"] == ["voiced"]
