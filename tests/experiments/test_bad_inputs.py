"""Damaged recordings and alignments are named and counted, the rest goes on; errors are one line and leave nothing."""

import re
import shutil

import numpy as np
import pytest
import soundfile

from phonoscope.corpora import read_tokens
from phonoscope.corpora.textgrid import TextGrid, Tier, read_textgrid, write_textgrid
from phonoscope.experiments.folder import Run


@pytest.fixture(scope="module")
def damaged(talkers, tmp_path_factory):
    """The talkers again; what was done to six of them, and five in other audio formats."""
    root = tmp_path_factory.mktemp("damaged") / "corpus"
    shutil.copytree(talkers, root)
    names = sorted(p.stem for p in root.rglob("*.wav"))
    (corrupt, missing, empty, silent, short, tierless, stereo, byte, wide, floating, flac, _) = names
    wav = {name: root / name / f"{name}.wav" for name in names}
    wav[corrupt].write_bytes(b"RIFF but not audio" * 20)
    wav[missing].unlink()
    wav[empty].write_bytes(b"")
    samples, rate = soundfile.read(wav[silent])
    soundfile.write(wav[silent], np.zeros(0), rate)
    samples, rate = soundfile.read(wav[short])
    soundfile.write(wav[short], samples[: len(samples) // 2], rate)
    grid_path = root / tierless / f"{tierless}.TextGrid"
    grid = read_textgrid(grid_path)
    tiers = tuple(Tier("laughter", t.intervals) for t in grid.tiers if t.name == "phones")
    write_textgrid(grid_path, TextGrid(grid.xmin, grid.xmax, tiers))
    for name, options in ((byte, "PCM_U8"), (wide, "PCM_24"), (floating, "FLOAT")):
        samples, rate = soundfile.read(wav[name])
        soundfile.write(wav[name], samples, rate, subtype=options)
    samples, rate = soundfile.read(wav[stereo])
    soundfile.write(wav[stereo], np.stack([samples, samples], axis=1), rate)
    samples, rate = soundfile.read(wav[flac])
    wav[flac].unlink()
    soundfile.write(wav[flac].with_suffix(".flac"), samples, rate)
    kinds = {"corrupt": corrupt, "missing": missing, "empty": empty, "silent": silent, "short": short}
    return root, {**kinds, "tierless": tierless}, [stereo, byte, wide, floating, flac]


def test_tokens_go_on_and_name_each_damaged_recording(damaged, phonoscope, tmp_path):
    root, bad, good = damaged
    answer = phonoscope("tokens", root, "--out", tmp_path / "t.parquet", "--classes", "vowels", "--json")
    assert answer.status == 0, answer.err
    tokens = read_tokens(tmp_path / "t.parquet")
    assert set(good) <= set(tokens["speaker"])
    assert (tokens.groupby("speaker").size().loc[good] == 10).all()
    for kind in ("corrupt", "empty", "tierless", "short"):  # short: its alignment is of a longer sound
        assert bad[kind] in answer.out, kind
        assert bad[kind] not in set(tokens["speaker"])
    recordings = sum(e["count"] for e in answer.json["left_out"] if e["what"] == "recording")
    assert recordings >= 4


def test_a_run_goes_on_and_names_each_damaged_recording(damaged, recipe_file, phonoscope, tmp_path):
    root, bad, good = damaged
    answer = phonoscope("run", recipe_file, "--corpus", root, "--out", tmp_path / "run", "--epochs", 1, "--json")
    assert answer.status == 0, answer.err
    run = Run(tmp_path / "run")
    assert set(good) <= set(run.tokens["speaker"])
    left = run.table("left_out")
    for kind in ("corrupt", "empty", "tierless"):
        assert bad[kind] in answer.out, kind
        assert left["examples"].str.contains(bad[kind]).any(), kind
    assert (left["count"] > 0).all()
    assert not left.duplicated(["what", "reason"]).any()


def test_strict_stops_at_the_first(damaged, recipe_file, phonoscope, tmp_path):
    answer = phonoscope("run", recipe_file, "--corpus", damaged[0], "--out", tmp_path / "run", "--strict")
    assert_one_line(answer)
    assert not (tmp_path / "run").exists()


def test_an_empty_class_is_named(talkers, phonoscope, recipe_file, tmp_path):
    answer = phonoscope(
        "run", recipe_file, "--corpus", talkers, "--out", tmp_path / "run", "--classes", "i,u,s", "--epochs", 1
    )
    assert answer.status == 0, answer.err
    assert "no token of class s" in answer.out
    assert Run(tmp_path / "run").labels == ["i", "u"]


def test_a_class_that_loses_its_tokens_only_when_they_are_cut_is_named(talkers):
    from phonoscope.corpora import read_corpus
    from phonoscope.experiments.material import material_of

    tokens = read_corpus(talkers, classes="vowels")
    beyond = tokens["label"] == "u"
    tokens.loc[beyond, ["start", "end"]] = [1e4, 1e4 + 0.1]
    material = material_of(tokens, {})
    assert set(material.tokens["class"]) == {"i", "æ", "ɝ", "ɑ"}
    assert len(material.waveforms) == len(material.tokens) == 96
    left = {e["reason"]: e["count"] for e in material.tokens.attrs["left_out"]}
    assert left["no token of class u"] == 1
    assert left["reaches more than 10 ms beyond the end of the recording"] == 24


def assert_one_line(answer, says=""):
    assert answer.status == 1
    assert answer.err.startswith("phonoscope: ")
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    assert "Traceback" not in answer.err
    assert re.search(says, answer.err), answer.err


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["--corpus", "absent"], "absent"),
        (["--synthetic", "--network", "vgg"], "'vgg' is not known"),
        (["--synthetic", "--network", "no.such:net"], "cannot be imported"),
        (["--synthetic", "--init", "imagenet"], "for ResNets"),
        (["--synthetic", "--epochs", "0"], "epochs"),
        (["--synthetic", "--folds", "x"], "folds"),
        (["--synthetic", "--folds", "99"], "folds"),
        (["--synthetic", "--split-by", "word"], "auto, speaker, recording, token"),
        (["--synthetic", "--preset", "best"], "default, paper"),
        (["--synthetic", "--device", "abacus"], "abacus"),
        (["--synthetic", "--sample-rate", "4000"], "nothing above 2000 Hz"),
        (["--synthetic", "--classes", "i"], "fewer than two classes"),
        (["--synthetic", "--classes", "zzz"], "zzz"),
        (["--synthetic", "--classifier", "absent"], "no folder absent"),
        ([], "--corpus FOLDER, or --synthetic"),
    ],
)
def test_what_cannot_be_run_is_answered_in_one_line_and_leaves_nothing(
    extra, says, phonoscope, recipe_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    answer = phonoscope("run", recipe_file, "--out", "out", *extra)
    assert_one_line(answer, says)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tokens", "absent", "--out", "t.parquet"], "absent"),
        (["train", "absent.parquet", "--out", "c"], "absent.parquet"),
        (["train", "text.parquet", "--out", "c"], "text.parquet"),
        (["train", "text.csv", "--out", "c"], "text.csv"),
        (["explain", "absent", "--out", "m"], "absent"),
        (["explain", "absent", "--tokens", "absent.parquet", "--out", "m"], "absent"),
        (["report", "absent"], "no finished run"),
        (["run", "vowels-4k", "--synthetic", "--out", "text.csv/out"], "text.csv"),
    ],
)
def test_other_commands_answer_in_one_line_too(arguments, says, phonoscope, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("text.parquet", "text.csv"):
        (tmp_path / name).write_text("what,is,this\n1,2,3\n")
    assert_one_line(phonoscope(*arguments), says)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["text.csv", "text.parquet"]


def test_a_wrong_option_is_a_usage_error(phonoscope):
    answer = phonoscope("run", "vowels", "--colour", "red")
    assert answer.status == 2
    assert "Traceback" not in answer.err
