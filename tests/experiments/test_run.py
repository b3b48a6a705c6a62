"""Runs from end to end: what they leave, that they repeat, go on after a kill, and keep out of other folders."""

import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from phonoscope import Classifier
from phonoscope.attribution import read_maps
from phonoscope.corpora import read_tokens
from phonoscope.errors import AttributionError, ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.frontends import Waveform
from phonoscope.tasks import load_recipe, run_experiment

TABLES = ("accuracy", "asymmetry", "baselines", "claims", "confusions", "counts", "left_out", "profiles",
          "profile_correlations", "shares", "token_shares")  # fmt: skip


def test_a_run_ends_with_its_results_as_json(finished):
    out, answer = finished
    assert answer.status == 0, answer.err
    results = answer.json
    assert {"accuracy", "balanced_accuracy", "baselines", "shares", "classifier", "report"} <= results.keys()
    assert 0 <= results["accuracy_interval"][0] <= results["accuracy"] <= results["accuracy_interval"][1] <= 1
    assert {b["name"] for b in results["baselines"]} >= {"majority class"}
    assert set(results["shares"]) == {"i", "æ", "ɝ", "ɑ", "u", "all"}
    for formants in results["shares"].values():
        assert set(formants) == {"F1", "F2", "F3", "F4", "F1–F3", "F1–F4"}
        for entry in formants.values():
            assert {"share", "nulls", "interval", "verdict"} <= entry.keys()
            assert {"area", "energy", "permuted", "permuted_same_class"} <= entry["nulls"].keys()
            assert len(entry["interval"]) == 2
    assert results["max_incompleteness"] < 1e-4
    assert (out / "report.html").samefile(results["report"])
    assert Classifier.from_pretrained(results["classifier"]).labels == ["i", "æ", "ɝ", "ɑ", "u"]
    assert str(out) in answer.out
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["results"] == results


def test_the_folder_holds_what_is_needed_to_repeat_and_report(finished):
    out, _ = finished
    run = Run(out)
    for name in TABLES:
        table = run.table(name)
        assert len(pd.read_csv(out / "tables" / f"{name}.csv")) == len(table)
    assert load_recipe(out / "recipe.toml") == load_recipe(out / "recipe.toml").seeded(2)
    facts = run.facts["provenance"]
    assert facts["seed"] == 2
    assert len(facts["tokens_sha256"]) == 64
    predictions = run.predictions
    assert run.results["accuracy"] == pytest.approx((predictions["class"] == predictions["predicted"]).mean())
    assert run.results["n_test"] == len(predictions)
    assert not predictions["token"].duplicated().any()
    speakers = run.tokens.dropna(subset=["fold"]).groupby("speaker")["fold"].agg(["min", "max"])
    assert (speakers["min"] == speakers["max"]).all()
    assert run.facts["unit"] == "speaker"
    assert len(run.training) == 3 * run.facts["plan"]["folds"]
    assert not [p for p in out.rglob("*") if p.name.startswith(".") or p.suffix in (".pkl", ".pt", ".pth")]


def test_maps_in_the_folder_are_those_of_the_tested_tokens_and_their_true_class(finished):
    run = Run(finished[0])
    maps = run.maps()
    assert maps["token"].values.tolist() == run.predictions["token"].tolist()
    assert maps["target"].values.tolist() == run.predictions["class"].tolist()
    means = run.means
    chosen = means[(means["kind"] == "map") & (means["subset"] == "all") & (means["class"] == "u")]
    own = maps.values[(run.predictions["class"] == "u").to_numpy()].astype(float).mean(0)
    grid = chosen.pivot_table(index="frequency", columns="time", values="mean")
    assert grid.to_numpy() == pytest.approx(own, rel=1e-6, abs=1e-9)
    assert grid.index.to_numpy() == pytest.approx(maps["frequency"].values)


def test_a_fold_was_tested_by_a_classifier_that_gives_these_probabilities(finished):
    out, _ = finished
    run = Run(out)
    fold = int(run.predictions["fold"].max())
    from phonoscope.audio import cut

    tokens = run.tokens[run.tokens["fold"] == fold]
    tokens.attrs = run.tokens.attrs
    waveforms, tokens = cut(tokens, 16000)
    again = run.classifier(fold if run.facts["plan"]["folds"] > 1 else None).predict(waveforms)
    expected = run.predictions[run.predictions["fold"] == fold].set_index("token").loc[tokens["token"]]
    columns = [c for c in again.columns if c.startswith("p_")]
    assert again[columns].to_numpy() == pytest.approx(expected[columns].to_numpy(), abs=1e-4)


@pytest.fixture(scope="session")
def single(talkers, recipe_file, tmp_path_factory):
    """The recipe with a single split, and a finished run of it without a report."""
    recipe = load_recipe(recipe_file).changed(folds="1", epochs=2)
    out = tmp_path_factory.mktemp("single") / "run"
    run_experiment(recipe, out, corpus=talkers)
    return recipe, out


def assert_same_results(a, b):
    pd.testing.assert_frame_equal(Run(a).predictions, Run(b).predictions)
    for name in TABLES:
        assert (a / "tables" / f"{name}.csv").read_bytes() == (b / "tables" / f"{name}.csv").read_bytes(), name
    assert np.array_equal(Run(a).maps().values, Run(b).maps().values)
    weights = [(folder / "classifier" / "model.safetensors").read_bytes() for folder in (a, b)]
    assert weights[0] == weights[1]


class KilledError(Exception):
    pass


@pytest.mark.parametrize("at", ["  epoch 1", "explaining"])
def test_a_run_that_was_killed_goes_on_to_the_same_result(single, talkers, tmp_path, at):
    recipe, whole = single

    def kill(line):
        if line.startswith(at):
            raise KilledError

    with pytest.raises(KilledError):
        run_experiment(recipe, tmp_path / "run", corpus=talkers, say=kill)
    with pytest.raises(ExperimentError, match="no finished run"):
        Run(tmp_path / "run")
    with pytest.raises(ExperimentError, match="--resume"):
        run_experiment(recipe, tmp_path / "run", corpus=talkers)
    run_experiment(recipe, tmp_path / "run", corpus=talkers, resume=True)
    # this is also the proof that the same seed gives the same tables
    assert_same_results(whole, tmp_path / "run")


def test_going_on_with_other_tokens_or_settings_is_refused(single, talkers, tmp_path):
    recipe, whole = single
    shutil.copytree(whole, tmp_path / "run")
    with pytest.raises(ExperimentError, match=r"corpus changed since .*another one now \(120 tokens then, 100 now"):
        run_experiment(recipe, tmp_path / "run", corpus=talkers, max_per_class=20, resume=True)
    with pytest.raises(ExperimentError, match="another recipe or other settings"):
        run_experiment(recipe.changed(epochs=5), tmp_path / "run", corpus=talkers, resume=True)
    assert (tmp_path / "run" / "run.json").is_file()


def test_another_seed_gives_another_result(single, talkers, tmp_path):
    recipe, whole = single
    run_experiment(recipe.seeded(9), tmp_path / "run", corpus=talkers)
    assert not Run(tmp_path / "run").predictions.equals(Run(whole).predictions)


def test_synthetic_talkers_killed_while_they_speak_speak_again(recipe_file, tmp_path, monkeypatch):
    from phonoscope.tasks.phones import material

    recipe = load_recipe(recipe_file).changed(folds="1", epochs=1)
    speak = material.write_corpus

    def killed(out, **settings):
        (out / "m01").mkdir(parents=True)
        (out / "m01" / "m01.wav").write_bytes(b"half")
        raise KilledError

    monkeypatch.setattr(material, "write_corpus", killed)
    with pytest.raises(KilledError):
        run_experiment(recipe, tmp_path / "run")
    monkeypatch.setattr(material, "write_corpus", speak)
    run = run_experiment(recipe, tmp_path / "run", resume=True)
    assert len(run.tokens) == 120
    assert run.tokens["true_f1_50"].notna().all()
    assert run.facts["corpus"]["synthetic"]


def test_folders_in_use_are_left_alone(phonoscope, recipe_file, talkers, tmp_path):
    ask = ["run", recipe_file, "--corpus", talkers, "--out"]
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("mine")
    for extra, says in (([], "is not empty"), (["--resume"], "something other than")):
        answer = phonoscope(*ask, tmp_path / "used", *extra)
        assert answer.status == 1
        assert says in answer.err
        assert [p.name for p in (tmp_path / "used").iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("mine")
    answer = phonoscope(*ask, tmp_path / "file")
    assert answer.status == 1
    assert "is a file" in answer.err


def test_a_classifier_trained_elsewhere_is_tested_on_all_tokens(finished, talkers, recipe_file, tmp_path):
    classifier = finished[0] / "classifier"
    run = run_experiment(load_recipe(recipe_file), tmp_path / "run", corpus=talkers, classifier=classifier)
    assert len(run.predictions) == len(run.tokens) == 120
    assert run.predictions["fold"].eq(0).all()
    assert run.facts["plan"] is None
    assert run.training.empty
    assert run.table("baselines")["name"].str.startswith("linear twin").any()
    assert run.labels == ["i", "æ", "ɝ", "ɑ", "u"]
    assert math.isfinite(run.results["accuracy"])


def test_a_model_on_waveforms_is_explained_by_a_method_that_suits_it(talkers, recipe_file, tmp_path):
    torch.manual_seed(0)
    labels = ["i", "ae", "er", "aa", "u"]  # aliases of the phones
    model = Classifier.build(Waveform(16000, 0.2), "sub-segmental", labels, samples=3200)
    lines = []
    options = {"corpus": talkers, "model": model, "device": "cpu", "say": lines.append}
    run = run_experiment(load_recipe(recipe_file), tmp_path / "run", **options)
    assert run.facts["method"] == "integrated-gradients"
    assert any("cam does not suit this model" in line for line in lines)
    assert 'method = "integrated-gradients"' in (tmp_path / "run" / "recipe.toml").read_text()
    assert set(run.tokens["class"]) == set(labels)
    assert len(run.means[run.means["kind"] == "spectrogram"])
    with pytest.raises(AttributionError):
        run_experiment(load_recipe(recipe_file), tmp_path / "other", **options, method="cam")


def test_a_model_of_other_classes_is_refused_in_words(talkers, recipe_file, tmp_path):
    model = Classifier.build(Waveform(16000, 0.2), "sub-segmental", ["yes", "no"], samples=3200)
    with pytest.raises(ExperimentError, match="no class in common") as refused:
        run_experiment(load_recipe(recipe_file), tmp_path / "run", corpus=talkers, model=model, device="cpu")
    assert "--map" in str(refused.value)


def test_maps_of_a_run_for_another_target(finished, phonoscope, tmp_path):
    out, _ = finished
    answer = phonoscope("explain", out, "--method", "cam", "--target", "i-er", "--out", tmp_path / "maps", "--json")
    assert answer.status == 0, answer.err
    assert answer.json["tokens"] == len(Run(out).predictions)
    assert answer.json["max_incompleteness"] < 1e-4
    maps = read_maps(tmp_path / "maps")
    assert set(maps["target"].values) == {"i − ɝ"}
    answer = phonoscope("explain", out, "--method", "cam", "--target", "true", "--out", tmp_path / "true")
    assert answer.status == 0, answer.err
    own = Run(out).maps(tokens=read_maps(tmp_path / "true")["token"].values)
    assert read_maps(tmp_path / "true").values == pytest.approx(own.values, abs=1e-4)


def test_tokens_then_train_then_explain(talkers, recipe_file, phonoscope, tmp_path):
    table = tmp_path / "tokens.parquet"
    answer = phonoscope("tokens", talkers, "--out", table, "--classes", "vowels", "--json")
    assert answer.status == 0, answer.err
    assert answer.json["counts"] == dict.fromkeys(["i", "æ", "ɝ", "ɑ", "u"], 24)
    assert len(read_tokens(table)) == 120
    trained = tmp_path / "trained"
    ask = ("train", table, "--recipe", recipe_file, "--out", trained, "--json")
    answer = phonoscope(*ask)
    assert answer.status == 0, answer.err
    result = answer.json
    assert 0 <= result["accuracy"] <= 1
    assert pd.read_parquet(trained / "predictions.parquet")["token"].nunique() == result["n_test"]
    assert phonoscope(*ask).status == 1
    again = phonoscope(*ask, "--resume")
    assert again.json == result
    answer = phonoscope(
        "explain", trained / "classifier", "--tokens", table, "--target", "predicted", "--out", tmp_path / "maps"
    )
    assert answer.status == 0, answer.err
    assert read_maps(tmp_path / "maps").sizes["token"] == 120
