"""Real against vocoded speech: vocoders, equal error rate, features that see a planted trace, the command."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import stft

from phonoscope.audio import write_audio
from phonoscope.errors import ExperimentError
from phonoscope.experiments import spoof
from phonoscope.experiments.folder import Run
from phonoscope.experiments.spoof import CONTROL, LAYER, RANDOM, SPECTRUM, equal_error_rate, spoof_tables
from phonoscope.experiments.spoof_run import layer_from, load_spoof_recipe, spoof_claims
from phonoscope.experiments.vocoding import griffin_lim, mel_bank, requantised
from phonoscope.experiments.waveform_recipe import waveform_recipe_from
from phonoscope.experiments.whole_recordings import read_whole_recordings
from phonoscope.filters import spectrum_bank

RATE = 8000


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Noises of different colour by ten speakers, two words each."""
    root = tmp_path_factory.mktemp("spoof") / "corpus"
    random = np.random.default_rng(0)
    for word in ("yes", "no"):
        for speaker in range(10):
            noise = random.standard_normal(RATE // 2)
            wave = 0.1 * np.convolve(noise, [1, random.uniform(-0.5, 0.9)], mode="same")
            write_audio(root / word / f"s{speaker}_nohash_0.wav", wave.astype(np.float32), RATE)
    return root


@pytest.fixture(scope="module")
def material(corpus):
    recipe = waveform_recipe_from({"name": "x", "task": "words", "sample_rate": RATE, "seconds": 0.5})
    return read_whole_recordings(corpus, recipe)


def test_griffin_lim_keeps_magnitudes_level_and_length_but_not_the_samples():
    time = np.arange(RATE) / RATE
    wave = np.sin(2 * np.pi * 440 * time) * np.hanning(RATE) + 0.01 * np.random.default_rng(1).standard_normal(RATE)
    made = griffin_lim(wave, RATE, np.random.default_rng(0))
    assert made.shape == wave.shape
    assert np.mean(made**2) == pytest.approx(np.mean(wave**2), rel=1e-4)
    options = {"fs": RATE, "nperseg": 200, "noverlap": 150}
    before, after = (np.abs(stft(one, **options)[2]) for one in (wave, made))
    assert np.linalg.norm(after - before) < 0.2 * np.linalg.norm(before)
    assert abs(np.corrcoef(wave, made)[0, 1]) < 0.99
    assert np.array_equal(made, griffin_lim(wave, RATE, np.random.default_rng(0)))


def test_mel_bands_are_triangles_that_sum_to_one_between_their_centres():
    bank = mel_bank(2001, RATE, bands=12)
    assert bank.shape == (12, 2001)
    assert bank.min() == 0
    assert bank.max() <= 1
    first, last = bank[0].argmax(), bank[-1].argmax()
    np.testing.assert_allclose(bank.sum(axis=0)[first:last], 1, atol=0.02)
    assert (np.diff(bank.argmax(axis=1)) > 0).all()


def test_the_number_of_bits_gives_nothing_away():
    for wave in (np.random.default_rng(0).uniform(-1, 1, 100), np.linspace(-0.001, 0.002, 50)):
        steps = requantised(wave) * 32767
        assert np.abs(steps - np.round(steps)).max() < 1e-2
        assert np.abs(steps).max() == pytest.approx(32767 / 2, abs=1)


def test_equal_error_rates_of_separated_equal_and_swapped_scores():
    spoofed = np.array([False] * 10 + [True] * 10)
    assert equal_error_rate(spoofed, np.arange(20.0)) == 0
    assert equal_error_rate(spoofed, -np.arange(20.0)) == 1
    assert equal_error_rate(spoofed, np.zeros(20)) == 0.5
    # One of ten real ones scores above one of ten spoofed ones.
    scores = np.arange(20.0)
    scores[[9, 10]] = scores[[10, 9]]
    assert equal_error_rate(spoofed, scores) == pytest.approx(0.1)
    assert np.isnan(equal_error_rate(spoofed, scores, np.where(spoofed, 1.0, 0.0)))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=30), st.integers(1, 4))
def test_equal_error_rate_ignores_copies_and_monotone_changes(pairs, copies):
    spoofed = np.array([a for a, _ in pairs] + [True, False])
    scores = np.array([float(b) for _, b in pairs] + [3.0, 4.0])
    rate = equal_error_rate(spoofed, scores)
    assert 0 <= rate <= 1
    assert equal_error_rate(spoofed, scores**3 + scores) == pytest.approx(rate)
    assert equal_error_rate(spoofed, scores, np.full(len(scores), float(copies))) == pytest.approx(rate)
    assert equal_error_rate(np.tile(spoofed, 2), np.tile(scores, 2)) == pytest.approx(rate)


def test_a_planted_trace_is_found_and_no_trace_is_not(material, monkeypatch):
    waveforms, tokens = material
    hum = 0.2 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 2) / RATE)
    attacks = {"hum": lambda wave, rate, random: wave + hum, "nothing": lambda wave, rate, random: wave}
    monkeypatch.setattr(spoof, "ATTACKS", attacks)
    results, scores = spoof_tables(
        spectrum_bank(RATE), waveforms, tokens, random_seeds=1, seed=0, say=lambda _line: None
    )
    table = {(row["attack"], row["feature"]): row for row in results.to_dict("records")}
    assert set(table) == {(a, f) for a in ("hum", "nothing", CONTROL) for f in (LAYER, RANDOM, SPECTRUM)}
    assert table["hum", LAYER]["balanced_accuracy"] > 0.9
    assert table["hum", LAYER]["eer"] < 0.1
    for feature in (LAYER, RANDOM, SPECTRUM):
        assert table["nothing", feature]["balanced_accuracy"] == pytest.approx(0.5)
    assert (results["low"] <= results["balanced_accuracy"] + 1e-9).all()
    # A recording and its copy were judged by one machine: unchanged copies get the very same score.
    same = scores[(scores["attack"] == "nothing") & (scores["feature"] == LAYER)]
    assert same.groupby("recording")["score"].agg(np.ptp).max() < 1e-9
    halves = scores[(scores["attack"] == CONTROL) & (scores["feature"] == LAYER)]
    assert halves.groupby("speaker")["truth"].nunique().max() == 1
    verdicts = spoof_claims(results)["verdict"].tolist()
    assert verdicts[0] in ("holds", "above chance, but not beyond random filters")
    assert verdicts[1] == "not beyond what real recordings differ among themselves"


def test_the_command_runs_with_the_first_layer_of_a_weights_file(corpus, phonoscope, tmp_path):
    from safetensors.torch import save_file

    from phonoscope.networks import build_network

    torch.manual_seed(0)
    network = build_network("inc_tssdnet", 2)
    weights = tmp_path / "inc.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
    with pytest.raises(ExperimentError, match="--classifier"):
        layer_from(RATE, classifier=None, network=None, weights=None)
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        'name = "small"\ntask = "spoof"\nsample_rate = 8000\nseconds = 0.5\nrecordings = 20\nrandom_seeds = 1\n'
    )
    out = tmp_path / "run"
    arguments = ("run", recipe, "--corpus", corpus, "--out", out)
    assert "--classifier" in phonoscope(*arguments).err
    assert not out.exists()
    answer = phonoscope(*arguments, "--network", "inc_tssdnet", "--init", weights, "--json")
    assert answer.status == 0, answer.err
    assert len(answer.json["spoof"]) == 9
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "real against real" in html
    assert Run(out).facts["n_filters"] == 16
    again = phonoscope("report", out)
    assert again.status == 0
    assert (out / "report.html").read_text(encoding="utf-8") == html
    assert json.loads((out / "run.json").read_text())["kind"] == "spoof"


def test_the_recipe_of_the_package_loads_and_wrong_ones_are_refused(tmp_path):
    assert load_spoof_recipe("spoof", seed=3).seed == 3
    for text, says in (('name = "x"\ntask = "spoof"\ncolour = 1', "colour"), ('name = "x"\nrecordings = 3', "20")):
        path = tmp_path / "bad.toml"
        path.write_text(text)
        with pytest.raises(ExperimentError, match=says):
            load_spoof_recipe(path)
