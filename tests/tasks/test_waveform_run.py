"""Tasks on whole recordings end to end: results, resuming, report, command line; claims on planted numbers."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from phonoscope.audio import cut
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.experiments.recipe import Recipe, recipe_from
from phonoscope.frontends import Spectrogram, Waveform
from phonoscope.judgement.claims import CONTRADICTED, OPEN, SUPPORTED, claims_table
from phonoscope.tasks import TASKS, load_recipe, run_experiment
from phonoscope.tasks.recordings.claims import Evidence, paired_difference, recordings_claims
from phonoscope.tasks.recordings.fit import planned
from phonoscope.tasks.recordings.hearing import AroundEnergy
from phonoscope.tasks.recordings.material import around_energy
from phonoscope.tasks.recordings.recipe import FRONT_ENDS, RecordingsRecipe
from phonoscope.tasks.recordings.spectra import chosen_clips
from small import RATE, TONES, recipe_text, write_tones


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Two "words", a low and a high tone, of twenty speakers."""
    root = tmp_path_factory.mktemp("tones") / "corpus"
    write_tones(root)
    return root


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipes") / "tones.toml"
    path.write_text(recipe_text(TONES, title="Low and high <tones>"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def told(tones, recipe_path, tmp_path_factory, phonoscope):
    out = tmp_path_factory.mktemp("runs") / "tones"
    return out, phonoscope("run", recipe_path, "--corpus", tones, "--out", out, "--seed", 1, "--json")


def test_tones_are_told_apart_by_speakers_never_met(told):
    out, answer = told
    assert answer.status == 0, answer.err
    run = Run(out)
    tokens = run.tokens
    assert tokens.groupby("speaker")["split"].nunique().max() == 1
    assert answer.json["networks"][0]["network"] == "sub-segmental"
    for entry in answer.json["networks"]:
        own = run.predictions[(run.predictions["network"] == entry["network"]) & (run.predictions["share"] == 1)]
        right = own["class"] == own["predicted"]
        assert entry["accuracy"] == pytest.approx(right.mean())
        assert entry["balanced_accuracy"] == pytest.approx(right.groupby(own["class"]).mean().mean())
    assert max(entry["balanced_accuracy"] for entry in answer.json["networks"]) > 0.9
    assert set(run.predictions["token"]) == set(tokens.loc[tokens["split"] == "test", "token"])
    of_all = out / "fits" / "sub-segmental" / "seed-1-share-100" / "classifier" / "model.safetensors"
    assert (out / "classifier" / "model.safetensors").read_bytes() == of_all.read_bytes()
    curve = run.table("learning_curve")
    assert curve["network"].tolist() == ["sub-segmental"] * 2 + ["multi-resolution"] * 2
    train = int((tokens["split"] == "train").sum())
    assert curve["n_train"].tolist() == [train // 2, train] * 2
    over = run.table("over_seeds")
    assert over["seeds"].tolist() == [1] * 4
    assert over["balanced_accuracy"].tolist() == pytest.approx(curve["balanced_accuracy"].tolist())
    assert over["low"].tolist() == pytest.approx(curve["low"].tolist(), nan_ok=True)
    assert run.table("baselines").set_index("name")["balanced_accuracy"]["majority class"] == 0.5
    assert run.table("baselines")["balanced_accuracy"].max() > 0.9


def test_networks_on_the_waveform_stand_beside_a_linear_model_on_the_short_time_spectrum(told):
    out, answer = told
    run = Run(out)
    tokens = run.tokens.copy()
    tokens.attrs = run.tokens.attrs
    waveforms, tokens = cut(tokens, RATE)
    alone = [around_energy(waveform, RATE // 4) for waveform in waveforms]
    with torch.no_grad():
        pictures = Spectrogram(RATE, time="fixed", seconds=0.25)(torch.from_numpy(np.stack(alone)))
    values, classes, tested = (
        pictures.flatten(1).double().numpy(),
        tokens["class"].to_numpy(),
        tokens["split"].eq("test"),
    )
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(values[~tested], classes[~tested])
    twin = run.parquet("twin.parquet")
    assert twin["token"].tolist() == tokens["token"][tested].tolist()
    assert twin["predicted"].tolist() == model.predict(values[tested]).tolist()
    assert answer.json["linear_twin"]["accuracy"] == pytest.approx(np.mean(twin["predicted"] == twin["class"]))
    assert run.table("baselines")["name"].iloc[-1] == "linear twin (LDA on the short-time spectrum)"
    assert run.table("linear_twin")["network"].tolist() == ["sub-segmental", "multi-resolution"]
    said, page = answer.err + answer.out, (out / "report.html").read_text(encoding="utf-8")
    for row in answer.json["networks"]:
        assert f"the {row['network']} network is" in said.replace("The ", "the ")
        assert f"the {row['network']} network is" in page.replace("The ", "the ")


def test_curves_of_each_class_peak_where_it_sounds(told):
    curves = Run(told[0]).table("curves")
    assert set(curves["label"]) == {"all", "low", "high"}
    for word, hz in {"low": 300.0, "high": 1800.0}.items():
        for _, own in curves[curves["label"] == word].groupby("network"):
            peak = own["frequency"].to_numpy()[own["spectrum"].to_numpy().argmax()]
            assert peak == pytest.approx(hz, rel=0.15)
            assert (own["difference"] - (own["learned"] - own["null"])).abs().max() < 1e-6
    bands = Run(told[0]).table("bands")
    assert bands["high_hz"].max() <= RATE / 2
    known = bands[bands["n_units"] >= 6]
    assert len(known) >= 8
    assert known["share"].between(known["low"] - 1e-9, known["high"] + 1e-9).all()
    assert bands.loc[bands["n_units"] < 6, "low"].isna().all()


def test_the_report_holds_what_was_measured_and_can_be_made_again(told, phonoscope, tmp_path):
    out, answer = told
    html = (out / "report.html").read_text(encoding="utf-8")
    assert answer.json["report"] == (out / "report.html").as_posix()
    assert "Low and high &lt;tones&gt;" in html
    assert html.count("<script") == 1  # the one of the page itself
    for key in ("accuracy", "learning", "crs-sub-segmental", "crs-multi-resolution", "bands"):
        assert f'id="plate-{key}"' in html
        assert (out / "figures" / f"{key}.csv").is_file()
    best = max(row["balanced_accuracy"] for row in answer.json["networks"])
    assert f"{100 * best:.1f}\u00a0%" in html
    again = phonoscope("report", out, "--out", tmp_path / "again.html")
    assert again.status == 0
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == html


def test_an_interrupted_run_goes_on_to_the_same_predictions(told, tones, recipe_path, phonoscope):
    out, _ = told
    before = pd.read_parquet(out / "predictions.parquet")
    for name in ("run.json", "checksums.json"):
        (out / name).unlink()
    (out / "fits" / "multi-resolution" / "seed-1-share-100" / "done.json").unlink()
    arguments = ("run", recipe_path, "--corpus", tones, "--out", out, "--seed", 1)
    assert "not empty" in phonoscope(*arguments).err
    resumed = phonoscope(*arguments, "--resume")
    assert resumed.status == 0, resumed.err
    assert "training 1 of 3" not in resumed.out
    pd.testing.assert_frame_equal(pd.read_parquet(out / "predictions.parquet"), before)


def test_what_the_command_line_cannot_do_is_said(tones, recipe_path, phonoscope, tmp_path):
    out = tmp_path / "out"
    assert "needs recordings" in phonoscope("run", "commands", "--out", out).err
    answer = phonoscope("run", "speakers", "--corpus", tones, "--out", out, "--min-duration", 0.1)
    assert "--min-duration" in answer.err
    answer = phonoscope("run", "vowels", "--synthetic", "--out", out, "--seeds", 0)
    assert "each network is trained at least once" in answer.err
    unknown = phonoscope("run", "comands", "--corpus", tones, "--out", out)
    assert "commands" in unknown.err
    assert "vowels-4k" in unknown.err
    answer = phonoscope("run", recipe_path, "--corpus", tones, "--out", out, "--classes", "low,middle")
    assert answer.status != 0
    assert "fewer than two classes" in answer.err
    assert not out.exists()


@pytest.mark.parametrize("name", TASKS["recordings"].recipe_names())
def test_recipes_of_the_package_load(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe_from(RecordingsRecipe, json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert not isinstance(load_recipe("vowels"), RecordingsRecipe)


def test_packaged_tasks_are_trained_several_times_with_two_learning_curves():
    for name in ("commands", "speakers"):
        recipe = load_recipe(name)
        plan = planned(recipe)
        assert len(plan) == len(set(plan)) == 3 * (3 + 3 + 1)
        shares = {(one.network, one.share) for one in plan if one.seed == 2}
        assert shares == {(n, s) for n in FRONT_ENDS[:2] for s in (0.25, 0.5, 1.0)} | {("segmental", 1.0)}
        once = planned(recipe.changed(seed=7, trainings=1, network="segmental"))
        assert [(one.network, one.seed, one.share) for one in once] == [
            ("segmental", 7, 0.25), ("segmental", 7, 0.5), ("segmental", 7, 1.0)
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"task": "songs"}, "songs is not known"),
        ({"task": "words", "networks": ["resnet18"]}, "resnet18"),
        ({"task": "words", "colour": 1}, "colour"),
        ({"task": "words", "split": {"by": "moon"}}, "moon"),
        ({"task": "words", "split": {"fold": 3}}, "fold"),
        ({"task": "speakers"}, "split by recording"),
        ({"task": "words", "curve": [1.5]}, "between 0 and 1"),
        ({"task": "words", "trainings": 0}, "at least once"),
        ({"task": "words", "training": {"momentum": 1}}, "momentum"),
        ({"networks": "segmental"}, "expected a list"),
        ({"curve": ["half"]}, "expected a number"),
        ({"curve": [True]}, "expected a number"),
        ({"streamed": 1}, "true or false"),
    ],
)
def test_entries_that_are_not_understood_are_refused(values, says):
    with pytest.raises(ExperimentError, match=says):
        recipe_from(RecordingsRecipe, {"name": "x", **values})


def test_wrong_corpora_leave_no_folder(tones, tmp_path):
    recipe = recipe_from(RecordingsRecipe, {"name": "x", "task": "words", "split": {"by": "official"}})
    with pytest.raises(ExperimentError, match="testing_list"):
        run_experiment(recipe, tmp_path / "out", corpus=tones)
    assert not (tmp_path / "out").exists()


def test_clips_for_spectra_are_tested_ones_of_every_class():
    tokens = pd.DataFrame({"class": list("aabbab") * 4, "split": (["test"] * 3 + ["train"] * 3) * 4})
    for per_class in (1, 3, 100):
        chosen = tokens.iloc[chosen_clips(tokens, per_class, 0)]
        assert (chosen["split"] == "test").all()
        counts = chosen["class"].value_counts()
        assert counts["a"] == min(per_class, 8)
        assert counts["b"] == min(per_class, 4)


def planted(trainings=3, **bands: dict[str, float]) -> Evidence:
    """Evidence in which multi-resolution is always right and the others as good as always wrong."""
    tokens = [f"t{i:02d}" for i in range(80)]
    predictions = pd.concat(
        pd.DataFrame(
            {
                "network": network,
                "seed": seed,
                "token": tokens,
                "speaker": [f"s{i % 20}" for i in range(80)],
                "recording": tokens,
                "class": "a",
                "predicted": ["a" if network == "multi-resolution" or i < 3 else "b" for i in range(80)],
            }
        )
        for network in FRONT_ENDS
        for seed in range(trainings)
    )
    base = {"label": "all", "share": 0.3, "low": 0.2, "high": 0.4, "null": 0.1, "null_low": 0.05, "null_high": 0.15}
    base |= {"n_trainings": trainings, "share_least": 0.2, "share_most": 0.4, "ratio": 3.0, "ratio_low": 2.0}
    base |= {"ratio_high": 4.0, "errors": 3.0, "n_units": 20, "unit": "speaker", "p_more": 0.4, "p_not_more": 1.0}
    table = [
        {**base, "band": name, "low_hz": 1.0, "high_hz": 2.0, "spectrum": 0.2, "network": n, **bands.get(n[:3], {})}
        for n in FRONT_ENDS
        for name in ("around 1 kHz", "below 750 Hz")
    ]
    geometry = pd.DataFrame(
        [
            {"network": n, "number": k, "mu_avg": mu, "mu_avg_null": null, "B": 1.0 + k * mu, "B_null": 1.0 + k * null}
            | {"training": training}
            for n, mu, null in zip(FRONT_ENDS, (0.5, 0.1, 0.3), (0.1, 0.5, 0.3), strict=True)
            for k in (1, 2, 3)
            for training in range(trainings)
        ]
    )
    for name in ("mu_avg", "B"):
        geometry[name] *= 1 + 0.02 * np.random.default_rng(0).random(len(geometry))
    null = geometry[geometry["training"] == 0]
    smallest = Recipe("x").smallest
    return Evidence("words", list(FRONT_ENDS), predictions, pd.DataFrame(table), geometry, null, 8000.0, smallest)


def claimed(evidence: Evidence) -> pd.DataFrame:
    return claims_table(recordings_claims(evidence.task, evidence.networks), evidence)


def test_verdicts_follow_the_numbers():
    sub, seg = {"p_more": 1e-4}, {"p_more": 1.0, "p_not_more": 1e-4}
    claims = claimed(planted(sub=sub, seg=seg)).set_index("paper_says")["verdict"]
    around = "The band around 1 kHz is important for capturing speech characteristics"
    assert claims[f"{around} (sub-segmental)"] == SUPPORTED
    assert claims[f"{around} (multi-resolution)"] == OPEN
    assert claims[f"{around} (segmental)"] == CONTRADICTED
    assert claims["The multi-resolution model performs better than segmental and sub-segmental ones"] == SUPPORTED
    assert claims["multi-resolution: 99.82% of the test recordings are recognised"] == OPEN  # 20 speakers allow 84 %
    assert claims["sub-segmental: 99.81% of the test recordings are recognised"] == CONTRADICTED
    assert claims["The average coherence of the multi-resolution model is the lowest (layer 1)"] == SUPPORTED
    assert claims["Geometry is more consistent from layer to layer in the multi-resolution model"] == SUPPORTED


def test_one_training_says_nothing_about_weights_of_others():
    claims = claimed(planted(trainings=1)).set_index("paper_says")
    row = claims.loc["The average coherence of the multi-resolution model is the lowest (layer 1)"]
    assert row["verdict"] == OPEN
    assert "one training says nothing about others" in row["detail"]


def test_bands_above_what_was_recorded_are_open():
    evidence = planted(sub={"high_hz": 9000.0, "p_more": 1e-6})
    claims = claimed(evidence)
    row = claims[claims["paper_says"].str.contains("low frequencies (sub-segmental)", regex=False)].iloc[0]
    assert row["verdict"] == OPEN
    assert "nothing above 8000 Hz" in row["detail"]


def test_a_paired_difference_is_nought_against_itself_and_large_where_one_is_always_right():
    predictions = planted().predictions
    assert paired_difference(predictions, "multi-resolution", "segmental").low > 0.8
    nought = paired_difference(predictions, "segmental", "sub-segmental")
    assert nought.estimate == 0
    assert nought.low == -nought.high < 0


def test_recordings_on_disk_give_the_same_results_as_in_memory(tones, tmp_path):
    values = {"name": "x", "task": "words", "sample_rate": 8000, "seconds": 0.25, "networks": ["sub-segmental"]}
    values |= {"curve": [], "null_seeds": 3, "clips_per_class": 3, "trainings": 2}
    values["training"] = {"epochs": 2, "min_steps": 0, "noise": 0.0, "time_jitter": 0.1}
    runs = [
        run_experiment(
            recipe_from(RecordingsRecipe, values | {"streamed": streamed}),
            tmp_path / str(streamed),
            corpus=tones,
            device="cpu",
        )
        for streamed in (False, True)
    ]
    pd.testing.assert_frame_equal(runs[0].predictions, runs[1].predictions)
    for name in ("accuracy", "over_seeds", "curves", "bands", "geometry_seeds", "baselines"):
        cost = ["cpu_seconds"] if name == "over_seeds" else []
        tables = [run.table(name).drop(columns=cost) for run in runs]
        pd.testing.assert_frame_equal(*tables)
    assert runs[1].predictions["seed"].unique().tolist() == [0, 1]
    weights = [(run.folder / "classifier" / "model.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]
    assert not [path for path in runs[1].folder.iterdir() if path.name.startswith("tmp")]
    each = runs[0].results["networks"][0]["balanced_accuracy_of_each"]
    assert np.mean(each) == pytest.approx(runs[0].results["networks"][0]["balanced_accuracy"])


def test_a_run_of_recordings_is_audited_on_its_test_recordings_with_the_networks_that_never_met_them(told, phonoscope):
    out, _ = told
    audit = out.parent / "audit"
    recipe = out.parent / "audit.toml"
    recipe.write_text(
        'name = "small"\ntask = "audit"\ntitle = "Small"\nquestion = "Which?"\npairs = 10\n'
        'shortcuts = ["level"]\nreactions = ["louder"]\n',
        encoding="utf-8",
    )
    answer = phonoscope("audit", out, "--recipe", recipe, "--out", audit, "--json")
    assert answer.status == 0, answer.err
    run, asked = Run(out), Run(audit)
    tested = run.tokens.loc[run.tokens["split"] == "test", "token"]
    assert set(asked.tokens["token"]) == set(tested)
    own = run.predictions[(run.predictions["network"] == "sub-segmental") & (run.predictions["share"] == 1)]
    assert answer.json["accuracy"] == pytest.approx((own["class"] == own["predicted"]).mean())


def test_a_whole_recording_is_heard_as_the_stretch_that_was_trained_on():
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal(n) * np.hanning(n) ** 2 + 0.1 for n in (900, 2400, 1600)]
    sounds[1][:600] *= 5
    own, heard = Waveform(1000, 1.6), AroundEnergy(1000, 1.6)
    expected = own(torch.stack([torch.from_numpy(around_energy(sound, 1600)) for sound in sounds]))
    padded = torch.zeros(3, 2400, dtype=torch.float32)
    for row, sound in zip(padded, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound)
    found = heard(padded, torch.tensor([len(sound) for sound in sounds]))
    np.testing.assert_allclose(found, expected, atol=1e-4)
