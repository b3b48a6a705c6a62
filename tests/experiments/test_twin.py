"""The linear twin: what a network is worth beside a linear model on its own picture, and how that is said."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from phonoscope import Classifier
from phonoscope.audio import cut
from phonoscope.experiments.folder import Run
from phonoscope.experiments.twin import (
    BETTER,
    NOT_BETTER,
    OPEN,
    beside_twin,
    twin_name,
    twin_pictures,
    with_twin_sentences,
)
from phonoscope.frontends import Spectrogram, Waveform

UNITS = ["speaker", "recording"]


def tables(n_speakers, network, twin):
    """Tokens of speakers and what two models said, from masks (token,) of their hits."""
    tokens = pd.DataFrame({"token": [f"t{i}" for i in range(len(network))], "recording": "r"})
    tokens["speaker"] = [f"s{i % n_speakers}" for i in range(len(network))]
    said = [tokens[["token"]].assign(**{"class": "a", "predicted": np.where(hit, "a", "b")}) for hit in (network, twin)]
    return said[0], said[1], tokens


def judged(n_speakers, network, twin):
    return beside_twin(*tables(n_speakers, network, twin), UNITS, smallest=0.01)


def test_the_twin_of_a_run_is_scikit_learns_on_the_networks_picture(finished):
    out, answer = finished
    run = Run(out)
    waveforms, tokens = cut(run.tokens.pipe(_with_attrs, run), 16000)
    classifier = run.classifier()
    pictures = np.concatenate([batch[:, 0].numpy() for _, batch in classifier.batches(waveforms)]).reshape(
        len(tokens), -1
    )
    classes, folds = tokens["class"].to_numpy(), tokens["fold"].to_numpy(dtype=int)
    guess = np.empty(len(tokens), dtype=object)
    for fold in np.unique(folds):
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model.fit(pictures[folds != fold].astype(float), classes[folds != fold])
        guess[folds == fold] = model.predict(pictures[folds == fold].astype(float))
    twin = run.parquet("twin.parquet")
    assert twin["token"].tolist() == tokens["token"].tolist()
    assert twin["predicted"].tolist() == guess.tolist()
    results = answer.json
    assert set(results["linear_twin"]) == {"accuracy", "low", "high"}
    assert results["linear_twin"]["accuracy"] == pytest.approx(np.mean(guess == classes))
    assert results["linear_twin"]["low"] <= results["linear_twin"]["accuracy"] <= results["linear_twin"]["high"]
    row = {row["name"]: row for row in results["baselines"]}["linear twin (LDA on the network's picture)"]
    assert row["accuracy"] == pytest.approx(results["linear_twin"]["accuracy"])


def _with_attrs(tokens, run):
    tokens = tokens[tokens["fold"].notna()].reset_index(drop=True)
    tokens.attrs = run.tokens.attrs
    return tokens


def test_a_network_that_is_no_better_is_said_to_be_so_first(finished):
    out, answer = finished
    beside = answer.json["beside_twin"]  # three epochs are not enough to beat it
    assert beside["verdict"] == NOT_BETTER
    assert beside["difference"] == pytest.approx(answer.json["accuracy"] - answer.json["linear_twin"]["accuracy"])
    said = answer.err + answer.out
    assert "The network is not better than its linear twin" in said
    assert said.index("is not better than its linear twin") < said.index("tokens that were not trained on")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.index("is not better than its linear twin") < page.index("tokens that it was not trained on")


def test_a_network_that_only_learnt_a_linear_rule_is_not_called_better(talkers, recipe_file, phonoscope, tmp_path):
    recipe = tmp_path / "linear.toml"
    text = recipe_file.read_text(encoding="utf-8").replace('"compact-local"', '"linear_network:linear"')
    text += '\n[explain]\nmethod = "gradient-x-input"\n'
    recipe.write_text(text.replace("epochs = 3", "epochs = 15"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        out = tmp_path / "run"
        answer = phonoscope("run", recipe, "--corpus", talkers, "--out", out, "--trust-imports", "--json")
        assert answer.status == 0, answer.err
    assert answer.json["accuracy"] > 0.9
    assert answer.json["beside_twin"]["verdict"] != BETTER
    assert "its linear twin" in (answer.err + answer.out).split("tokens that were not trained on")[0]


def test_a_classifier_trained_elsewhere_has_a_twin_too(finished, talkers, recipe_file, phonoscope, tmp_path):
    out = tmp_path / "elsewhere"
    answer = phonoscope(
        "run", recipe_file, "--corpus", talkers, "--classifier", finished[0] / "classifier", "--out", out, "--json"
    )
    assert answer.status == 0, answer.err
    run = Run(out)
    assert run.facts["folds_without_network"] == "5 folds by speaker"
    assert "in 5 folds by speaker" in (out / "report.html").read_text(encoding="utf-8")
    assert answer.json["linear_twin"]["accuracy"] > 0.9  # by other folds than the run's own
    assert len(run.parquet("twin.parquet")) == len(run.tokens)


def test_verdicts_have_three_values():
    hits = np.ones(400, dtype=bool)
    worse = np.arange(400) % 11 > 0
    assert judged(40, hits, worse)["verdict"] == BETTER
    assert judged(40, worse, hits)["verdict"] == NOT_BETTER
    rng = np.random.default_rng(0)
    few = judged(12, rng.random(60) < 0.9, rng.random(60) < 0.9)
    assert few["verdict"] == OPEN
    assert few["low"] < 0 < few["high"]
    assert judged(12, hits[:60], hits[:60])["verdict"] == OPEN  # without one difference, twelve speakers tell little
    assert judged(400, hits, hits)["verdict"] == NOT_BETTER


@pytest.mark.parametrize(("difference", "wrong"), [(0.0, BETTER), (0.01, NOT_BETTER)])
def test_verdicts_are_rarely_wrong_where_the_truth_lies_at_the_bound(difference, wrong):
    rng, verdicts = np.random.default_rng(5), []
    for _ in range(200):
        ease = np.repeat(0.7 + 0.25 * rng.beta(4, 1, 40), 20)  # forty speakers, some easier than others
        twin, own = rng.random(800) < ease, rng.random(800) < ease + 2 * difference
        network = np.where(rng.random(800) < 0.5, twin, own)
        speakers = [f"s{i // 20}" for i in range(800)]
        said, of_twin, tokens = tables(40, network, twin)
        verdicts.append(beside_twin(said, of_twin, tokens.assign(speaker=speakers), UNITS, smallest=0.01)["verdict"])
    assert np.mean(np.array(verdicts) == wrong) <= 0.06  # 2.5 % and the luck of 200 draws


def test_sentences_say_first_what_takes_away():
    all_right, some_wrong = np.ones(400, dtype=bool), np.random.default_rng(0).random(400) < 0.9
    worse, better = judged(40, some_wrong, all_right), judged(40, all_right, some_wrong)
    lines = with_twin_sentences(["accuracy"], [(better, "first network"), (worse, "second network")])
    assert [line.split(":")[0] for line in lines] == [
        "The second network is not better than its linear twin",
        "accuracy",
        "The first network is better than its linear twin",
    ]
    assert "the linear twin 100.0 %. The difference is −" in lines[0]
    assert lines[0].endswith("over 40 speakers; one training); less than 1 does not count.")


def test_large_pictures_are_averaged_and_waveforms_get_a_spectrum():
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal(1600).astype(np.float32) for _ in range(70)]
    large = Classifier.build(Spectrogram(16000, rows=224, columns=224), "compact", ["a", "b"])
    pictures = twin_pictures(large, sounds[:3])
    assert pictures.shape == (3, 56 * 56)
    with torch.no_grad():
        whole = large.front_end(torch.from_numpy(np.stack(sounds[:3])))[:, 0].numpy()
    np.testing.assert_allclose(pictures[1].reshape(56, 56)[5, 7], whole[1, 20:24, 28:32].mean(), rtol=1e-5)
    own = Classifier.build(Spectrogram(16000, rows=16, columns=8), "compact", ["a", "b"])
    assert twin_pictures(own, sounds).shape == (70, 128)
    assert twin_name(own) == "linear twin (LDA on the network's picture)"
    wave = Classifier.build(Waveform(16000, 0.1), "sub-segmental", ["a", "b"])
    assert twin_name(wave) == "linear twin (LDA on the short-time spectrum)"
    assert twin_pictures(wave, sounds[:2]).shape == (2, 64 * 32)
