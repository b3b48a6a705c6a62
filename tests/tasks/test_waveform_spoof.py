"""Real against vocoded speech: vocoders, equal error rate, features that see a planted trace, the command."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import stft

from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.filters import spectrum_bank
from phonoscope.judgement.claims import OPEN, SUPPORTED, claims_table
from phonoscope.tasks import load_recipe, run_experiment
from phonoscope.tasks.spoof import material as spoof_material
from phonoscope.tasks.spoof.claims import Context, rows_of, spoof_claims
from phonoscope.tasks.spoof.judge import (
    CONTROL,
    LAYER,
    RANDOM,
    SPECTRUM,
    TWIN,
    Feature,
    folds_of,
    hear,
    problems_of,
    tell_apart,
)
from phonoscope.tasks.spoof.recipe import SpoofRecipe
from phonoscope.tasks.spoof.vocoding import griffin_lim, mel_bank, requantised
from small import RATE, write_noises

RECIPE = SpoofRecipe("x", sample_rate=RATE, seconds=0.5, random_seeds=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Noises of different colour by ten speakers, two words each."""
    root = tmp_path_factory.mktemp("spoof") / "corpus"
    write_noises(root)
    return root


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


def heard(clips, recipe):
    return hear(clips, spectrum_bank(RATE), random_seeds=recipe.random_seeds, seed=recipe.seed)


def test_a_planted_trace_is_found_and_no_trace_is_not(corpus, monkeypatch):
    hum = 0.2 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 2) / RATE)
    vocoders = {"hum": lambda wave, rate, random: wave + hum, "nothing": lambda wave, rate, random: wave}
    monkeypatch.setattr(spoof_material, "VOCODERS", vocoders)
    monkeypatch.setattr(spoof_material, "PROGRAMS", {})
    monkeypatch.setattr(spoof_material, "MADE", dict.fromkeys(vocoders, "vocoder"))
    material = spoof_material.spoof_material(corpus, RECIPE)
    tokens, features = heard(material.clips, RECIPE)
    assert tokens["token"].is_unique
    assert tokens["attack"].value_counts(dropna=False).tolist() == [20, 20, 20]
    problems, too_small = problems_of(tokens)
    assert [problem.name for problem in problems] == ["hum", "nothing", "all vocoder"]
    assert too_small == []
    results, scores = tell_apart(tokens, features, problems)
    table = {(row["attack"], row["feature"]): row for row in results.to_dict("records")}
    names = ("hum", "nothing", "all vocoder", CONTROL)
    assert set(table) == {(a, f) for a in names for f in (LAYER, RANDOM, SPECTRUM, TWIN)}
    assert table["hum", LAYER]["balanced_accuracy"] > 0.9
    assert table["hum", LAYER]["eer"] < 0.1
    assert table["all vocoder", LAYER]["majority"] == pytest.approx(2 / 3)
    assert table["hum", TWIN]["balanced_accuracy"] > 0.9
    for feature in (LAYER, RANDOM, SPECTRUM, TWIN):
        assert table["nothing", feature]["balanced_accuracy"] == pytest.approx(0.5)
        assert table["nothing", feature]["eer"] == pytest.approx(0.5)
    assert (results["low"] <= results["balanced_accuracy"] + 1e-9).all()
    known = results.dropna(subset="eer_high")
    assert len(known) >= 9
    assert (known["eer"] <= known["eer_high"] + 1e-9).all()
    layer = table["hum", LAYER]
    gain = layer["balanced_accuracy"] - table["hum", RANDOM]["balanced_accuracy"]
    assert layer["beyond_random"] == pytest.approx(gain)
    assert layer["beyond_random_low"] <= gain <= layer["beyond_random_high"]
    # A recording and its copy were judged by one machine: unchanged copies get the very same score.
    same = scores[(scores["attack"] == "nothing") & (scores["feature"] == LAYER)]
    assert same.groupby("recording")["score"].agg(np.ptp).max() < 1e-9
    halves = scores[(scores["attack"] == CONTROL) & (scores["feature"] == LAYER)]
    assert halves.groupby(["part", "speaker"])["truth"].nunique().max() == 1
    assert halves["part"].nunique() == 5
    claims = claims_table(spoof_claims(results), Context(rows_of(results), scores)).set_index("paper_says")
    assert claims.loc[[says.startswith(("TTS", "VC")) for says in claims.index], "verdict"].eq(OPEN).all()
    hum, nothing = claims["verdict"].tolist()[-2:]
    assert hum in (SUPPORTED, OPEN)
    assert nothing != SUPPORTED


@pytest.mark.parametrize("unit", ["recording", "speaker"])
@pytest.mark.parametrize("seed", range(5))
def test_folds_keep_speakers_or_recordings_and_identical_clips_together(unit, seed):
    random = np.random.default_rng(seed)
    speaker, take = random.integers(0, 12, 80), random.integers(0, 4, 80)
    sound = np.where(random.random(80) < 0.1, random.integers(0, 3, 80), np.arange(10, 90))
    recording = [f"s{s}/{t}" for s, t in zip(speaker, take, strict=True)]
    tokens = pd.DataFrame({"speaker": speaker.astype(str), "recording": recording, "audio_sha256": sound.astype(str)})
    spoofed = random.random(80) < 0.3
    folds = folds_of(tokens, spoofed, unit, seed)
    assert 2 <= len(folds) <= 5
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(80))
    for train, test in folds:
        assert len(train) + len(test) == 80
        for column in (unit, "audio_sha256"):
            assert not set(tokens[column].iloc[train]) & set(tokens[column].iloc[test])
    # Where everything hangs together nothing can be learnt, and nothing is.
    ((train, test),) = folds_of(tokens.assign(audio_sha256="one"), spoofed, unit, seed)
    assert len(train) == 0
    assert len(test) == 80


def test_the_kernel_holds_even_powers_only_with_an_offset():
    """Spoofs on both sides of the real recordings: no odd function tells them apart, a parabola does."""
    random = np.random.default_rng(0)
    level = np.concatenate([random.uniform(-3, 3, 60), random.choice([-1, 1], 60) * random.uniform(9, 12, 60)])
    names = [f"r{i}" for i in range(120)]
    tokens = pd.DataFrame({"token": names, "recording": names, "speaker": pd.NA, "audio_sha256": names})
    for column, value in (("attack", "A01"), ("kind", "TTS")):
        tokens[column] = pd.Series([value] * 120).where(np.arange(120) >= 60)
    features = [Feature(name, 0, 10 ** (level[:, None] / 20)) for name in (LAYER, RANDOM)]
    found = {}
    for offset in (0.0, 1.0):
        results, _ = tell_apart(tokens, features, problems_of(tokens)[0], kernel_offset=offset)
        found[offset] = results["balanced_accuracy"].iloc[0]
    assert found[1.0] > 0.95
    assert found[0.0] < 0.75


def test_mel_bands_are_found_in_real_speech_by_its_long_term_spectrum(shared_data):
    recipe = SpoofRecipe("x", sample_rate=RATE, recordings=30, attacks=["griffin-lim-mel"], random_seeds=1)
    material = spoof_material.spoof_material(shared_data / "ljspeech", recipe)
    tokens, features = hear(material.clips, spectrum_bank(RATE), random_seeds=1, seed=0)
    assert material.settings == {"layout": "ljspeech"}
    assert tokens["word"].notna().all()
    results, _ = tell_apart(tokens, features, problems_of(tokens)[0])
    rates = results[results["feature"] == SPECTRUM].set_index("attack")["eer"]
    assert rates["griffin-lim-mel"] < 0.25
    assert rates[CONTROL] > 0.3


def test_the_command_runs_with_the_first_layer_of_a_weights_file(corpus, phonoscope, tmp_path):
    from safetensors.torch import save_file

    from phonoscope.networks import build_network

    torch.manual_seed(0)
    network = build_network("inc_tssdnet", 2)
    weights = tmp_path / "inc.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
    with pytest.raises(ExperimentError, match="--model"):
        run_experiment(RECIPE, tmp_path / "none", corpus=corpus)
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        'name = "small"\ntask = "spoof"\nsample_rate = 8000\nseconds = 0.5\nrecordings = 20\nrandom_seeds = 1\n'
        'attacks = ["griffin-lim", "griffin-lim-mel"]\n'
    )
    out = tmp_path / "run"
    arguments = ("run", recipe, "--corpus", corpus, "--out", out)
    assert "--model" in phonoscope(*arguments).err
    assert not out.exists()
    answer = phonoscope(*arguments, "--network", "inc_tssdnet", "--init", weights, "--json")
    assert answer.status == 0, answer.err
    assert len(answer.json["spoof"]) == 16
    twin = answer.json["linear_twin"]
    assert twin["low"] <= twin["accuracy"] <= twin["high"]
    assert [row["attack"] for row in answer.json["beside_twin"]] == ["griffin-lim", "griffin-lim-mel", "all vocoder"]
    said, page = answer.err + answer.out, (out / "report.html").read_text(encoding="utf-8")
    for row in answer.json["beside_twin"]:
        assert f"first layer ({row['attack']}) is" in said
        assert f"first layer ({row['attack']}) is" in page
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "real against real" in html
    assert Run(out).facts["n_filters"] == 16
    again = phonoscope("report", out)
    assert again.status == 0
    assert (out / "report.html").read_text(encoding="utf-8") == html
    assert json.loads((out / "run.json").read_text())["kind"] == "spoof"
    refused = phonoscope("audit", out, "--out", tmp_path / "audit")
    assert refused.status == 1
    assert "runs of spoof may keep none" in refused.err
    assert "MODEL --corpus FOLDER" in refused.err


def test_the_recipe_of_the_package_loads_and_wrong_ones_are_refused(tmp_path):
    assert load_recipe("spoof").changed(seed=3, partition="dev").partition == "dev"
    for text, says in (
        ('name = "x"\ntask = "spoof"\ncolour = 1', "colour"),
        ('name = "x"\ntask = "spoof"\nrecordings = 3', "20"),
        ('name = "x"\ntask = "spoof"\nfolds_by = "word"', "folds_by"),
        ('name = "x"\ntask = "spoof"\npartition = "test"', "eval, dev, train"),
        ('task = "spoof"\nrecordings = 30', "no name"),
        ('name = "x"\ntask = "spoofs"', "task 'spoofs' is not known"),
        ("name = ", "not valid TOML"),
    ):
        path = tmp_path / "bad.toml"
        path.write_text(text)
        with pytest.raises(ExperimentError, match=says):
            load_recipe(path)
