"""Maps, formants and spectrograms made part by part are those of the run; what cannot be done leaves nothing."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from phonoscope.attribution import read_maps
from phonoscope.corpora import read_tokens, write_tokens
from phonoscope.experiments import parts as room
from phonoscope.experiments.explaining import explain_run
from phonoscope.experiments.folder import Run
from phonoscope.work.folders import verify


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(room, "TOKENS_PER_PART", 7)


@pytest.fixture(scope="module")
def cut(talkers, phonoscope, tmp_path_factory):
    """Tokens with sound, in several files, and as a table."""
    place = tmp_path_factory.mktemp("cut")
    for name, words in (("cut", ["--sound", "--shard-tokens", "25"]), ("table.parquet", [])):
        answer = phonoscope("tokens", talkers, "--classes", "vowels", *words, "--out", place / name)
        assert answer.status == 0, answer.err
    return place


def test_maps_and_class_means_of_a_run_are_its_own(finished, phonoscope, tmp_path):
    run = Run(finished[0])
    answer = phonoscope("explain", run.folder, "--method", "cam", "--device", "cpu", "--out", tmp_path / "m", "--json")
    assert answer.status == 0, answer.err
    maps, own = read_maps(tmp_path / "m"), run.maps("cam")
    assert maps["token"].values.tolist() == own["token"].values.tolist()
    np.testing.assert_allclose(maps.values, own.values, rtol=0, atol=1e-5)
    for name in ("frequency", "time", "seconds", "duration"):
        np.testing.assert_array_equal(maps[name], own[name])
    assert answer.json["tokens"] == len(own["token"])
    assert answer.json["max_incompleteness"] == pytest.approx(float(abs(maps["incompleteness"]).max()))
    means, theirs = pd.read_parquet(tmp_path / "m" / "means.parquet"), run.means.query("kind == 'map'")
    keys = ["subset", "class", "frequency", "time"]
    both = means.merge(theirs, on=keys, suffixes=("", "_own"), validate="one_to_one")
    assert len(both) == len(means) == len(theirs)
    assert (both["count"] == both["count_own"]).all()
    np.testing.assert_allclose(both["mean"], both["mean_own"], rtol=0, atol=1e-5)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "checksums.json",
        "coordinates.json",
        "means.parquet",
        "tokens.parquet",
        "values.npy",
    ]


def test_each_token_of_a_run_is_explained_by_the_classifier_that_never_met_it(finished, tmp_path):
    run = Run(finished[0])
    predicted = run.predictions.set_index("token")["predicted"]
    explain_run(run.folder, tmp_path / "m", method="gradient", target="predicted")
    maps = read_maps(tmp_path / "m")
    assert set(run.tokens["fold"].dropna()) > {0}
    assert maps["predicted"].values.tolist() == predicted[maps["token"].values].tolist()


@pytest.mark.parametrize("source", ["cut", "table.parquet"])
def test_formants_are_those_of_the_run(source, cut, finished, phonoscope, tmp_path):
    for suffix in ("csv", "parquet"):
        answer = phonoscope("formants", cut / source, "--out", tmp_path / f"f.{suffix}", "--json")
        assert answer.status == 0, answer.err
    table, own = pd.read_parquet(tmp_path / "f.parquet"), Run(finished[0]).formants
    both = table.merge(own, on="token", suffixes=("", "_own"), validate="one_to_one")
    assert len(both) == len(table) == len(own) == answer.json["tokens"]
    for name in ("f0_50", "f1_50", "f2_20", "f3_80", "b1_50", "ceiling"):
        np.testing.assert_allclose(both[name], both[f"{name}_own"], rtol=1e-9, equal_nan=True)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "f.csv"), table, check_dtype=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.csv", "f.parquet"]


def test_spectra_are_what_the_network_of_the_run_got(cut, finished, phonoscope, tmp_path):
    run, out = Run(finished[0]), tmp_path / "s"
    answer = phonoscope(
        "spectra", cut / "cut", "--classifier", run.folder / "classifier", "--device", "cpu", "--out", out, "--json"
    )
    assert answer.status == 0, answer.err
    spectra = read_maps(out)
    assert spectra.attrs["units"] == "dB"
    assert (spectra.sizes["frequency"], spectra.sizes["time"]) == (16, 16)
    assert float(spectra.max()) == pytest.approx(0, abs=1e-4)
    means = pd.read_parquet(out / "means.parquet")
    assert set(means["subset"]) == {"all"}
    labels = read_tokens(cut / "table.parquet").set_index("token")["label"][spectra["token"].values].to_numpy()
    grid = means[means["class"] == "i"].pivot_table(index="frequency", columns="time", values="mean")
    np.testing.assert_allclose(grid, spectra.values[labels == "i"].mean(0), rtol=0, atol=1e-4)
    theirs = run.means.query("kind == 'spectrogram' and subset == 'all' and `class` == 'i'")
    # of the same tokens, fold by fold
    np.testing.assert_allclose(grid, theirs.pivot_table(index="frequency", columns="time", values="mean"), atol=1e-4)
    assert verify(out).as_written


def test_tokens_that_cannot_be_cut_are_left_out_and_counted(talkers, cut, finished, phonoscope, tmp_path):
    shutil.copytree(talkers, tmp_path / "corpus")
    tokens = read_tokens(cut / "table.parquet")
    gone = tokens["recording"].iloc[0]
    (tmp_path / "corpus" / gone).write_bytes(b"no sound")
    tokens.attrs["roots"] = dict.fromkeys(tokens.attrs["roots"], str(tmp_path / "corpus"))
    write_tokens(tmp_path / "t.parquet", tokens)
    classifier = finished[0] / "classifier"
    ask = ("explain", classifier, "--tokens", tmp_path / "t.parquet", "--method", "cam", "--out", tmp_path / "m")
    answer = phonoscope(*ask, "--json")
    assert answer.status == 0, answer.err
    lost = int((tokens["recording"] == gone).sum())
    assert answer.json["tokens"] == len(tokens) - lost
    assert {(entry["what"], entry["count"]) for entry in answer.json["left_out"]} == {
        ("recording", 1),
        ("token", lost),
    }
    assert "audio unreadable" in answer.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--method", "cam-cam"], "method 'cam-cam' is not known"),
        (["--method", "cam", "--target", "zz"], "zz"),
        (["--engine", "spark"], "--engine is 'spark'; choose local or ray"),
        (["--jobs", "0"], "number of processes is 0"),
        (["--gpus", "0.5"], "--gpus shares GPUs among the processes of --engine ray"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(words, says, finished, phonoscope, tmp_path):
    answer = phonoscope("explain", finished[0], *words, "--out", tmp_path / "m")
    assert answer.status == 1
    assert says in answer.err
    assert not (tmp_path / "m").exists()


def test_parts_of_other_settings_are_made_anew_and_others_kept(finished, tmp_path, monkeypatch):
    out, made = tmp_path / "m", []
    real = room.make_parts

    def interrupted(*arguments, **settings):
        paths = real(*arguments, **settings)
        made.append({path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths})
        if len(made) < 4:
            raise KeyboardInterrupt
        return paths

    monkeypatch.setattr("phonoscope.experiments.map_parts.make_parts", interrupted)
    for seed in (0, 0, 1):
        with pytest.raises(KeyboardInterrupt):
            explain_run(finished[0], out, method="smooth(gradient)", target="true", seed=seed)
    assert made[0] == made[1]
    assert not set(made[0].values()) & set(made[2].values())
    facts = json.loads(pq.read_metadata(out / "_parts" / "part-00000.parquet").metadata[b"phonoscope"])
    assert facts["left_out"] == []
    explain_run(finished[0], out, method="smooth(gradient)", target="true", seed=1)
    assert made[3] == made[2]
    assert not (out / "_parts").exists()
