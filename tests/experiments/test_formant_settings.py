"""Formants steered from the command line, by the table of speakers, by a recipe, and by corrections."""

import shutil

import numpy as np
import pandas as pd
import pytest

from phonoscope.audio import cut
from phonoscope.corpora import read_corpus, read_tokens, write_tokens
from phonoscope.experiments import parts
from phonoscope.experiments.folder import Run
from phonoscope.phonetics.ceilings import LADDER_HZ, widest_bandwidth
from phonoscope.phonetics.formants import token_formants
from phonoscope.synthesis.corpus import write_corpus


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Folder of a corpus of four talkers: two at 8 kHz, one at 16 and one at 44.1 kHz; and its tokens."""
    root = tmp_path_factory.mktemp("mixed")
    for name, rate, talkers in (("telephone", 8000, 2), ("room", 16000, 1), ("studio", 44100, 1)):
        spoken = {"repeats": 2, "consonants": (), "vowels": ("i", "ɑ"), "sample_rate": rate, "seed": 3}
        write_corpus(root / name, talkers=talkers, **spoken)
        for talker in sorted(path for path in (root / name).iterdir() if path.is_dir()):
            (root / "corpus").mkdir(exist_ok=True)
            talker.rename(root / "corpus" / f"{name}-{talker.name}")
    tokens = read_corpus(root / "corpus", classes="any-vowel")
    write_tokens(root / "t.parquet", tokens)
    return root


def measured(phonoscope, tokens, out, *words):
    answer = phonoscope("formants", tokens, "--out", out, "--json", *words)
    assert answer.status == 0, answer.err
    return pd.read_csv(out, keep_default_na=False, na_values=[""]), answer


def test_every_recording_keeps_its_own_rate_whatever_its_neighbours(mixed, phonoscope, tmp_path, monkeypatch):
    together, _ = measured(phonoscope, mixed / "t.parquet", tmp_path / "all.csv")
    tokens = read_tokens(mixed / "t.parquet")
    assert together["token"].tolist() == tokens["token"].tolist(), "in the order of the table"
    telephone = tokens["recording"].str.startswith("telephone").to_numpy()
    assert (together.loc[telephone, "ceiling"] == 4000).all()
    assert (together.loc[~telephone, "ceiling"] >= 5000).all()
    assert together.loc[telephone, "ceiling_from"].str.endswith("cut to the recording").all()
    alone = tokens[telephone].reset_index(drop=True)
    alone.attrs = tokens.attrs
    write_tokens(tmp_path / "alone.parquet", alone)
    table, _ = measured(phonoscope, tmp_path / "alone.parquet", tmp_path / "alone.csv")
    pd.testing.assert_frame_equal(table, together[telephone].reset_index(drop=True))
    monkeypatch.setattr(parts, "TOKENS_PER_PART", 3)  # a recording is divided over parts
    divided, _ = measured(phonoscope, mixed / "t.parquet", tmp_path / "divided.csv")
    pd.testing.assert_frame_equal(divided, together)


def test_a_narrow_recording_in_wide_tokens_is_still_analysed_as_far_as_it_reaches(mixed, phonoscope, tmp_path):
    cut = tmp_path / "cut"
    made = phonoscope(
        "tokens", mixed / "corpus", "--classes", "any-vowel", "--sound", "--sample-rate", 16000, "--out", cut
    )
    assert made.status == 0, made.err
    of_cut, _ = measured(phonoscope, cut, tmp_path / "cut.csv")
    own, _ = measured(phonoscope, mixed / "t.parquet", tmp_path / "own.csv")
    telephone = of_cut["token"].str.startswith("telephone").to_numpy()
    assert (of_cut.loc[telephone, "ceiling"] == 4000).all()
    both = own.set_index("token").loc[of_cut["token"]]
    for name in ("f1_50", "f2_50", "f3_50"):
        ratio = of_cut[name].to_numpy() / both[name].to_numpy()
        assert np.nanmedian(np.abs(ratio - 1)) < 0.01, name


def test_damaged_recordings_are_counted_once_though_divided(mixed, phonoscope, tmp_path, monkeypatch):
    shutil.copytree(mixed / "corpus", tmp_path / "corpus")
    tokens = read_tokens(mixed / "t.parquet")
    broken = tokens["recording"].iloc[0]
    (tmp_path / "corpus" / broken).write_bytes(b"no sound")
    tokens.attrs["roots"] = dict.fromkeys(tokens.attrs["roots"], str(tmp_path / "corpus"))
    write_tokens(tmp_path / "t.parquet", tokens)
    monkeypatch.setattr(parts, "TOKENS_PER_PART", 2)
    table, answer = measured(phonoscope, tmp_path / "t.parquet", tmp_path / "f.csv")
    lost = int((tokens["recording"] == broken).sum())
    assert lost > 2
    assert len(table) == len(tokens) - lost
    assert {(entry["what"], entry["count"]) for entry in answer.json["left_out"]} == {("recording", 1), ("token", lost)}


def test_the_table_of_speakers_steers_the_ceiling(mixed, phonoscope, tmp_path):
    names = read_tokens(mixed / "t.parquet")["speaker"].unique()
    known = zip(names, ("", "5100", "", ""), (5, 40, 9, ""), strict=True)
    rows = [f"{name};{ceiling};{age}" for name, ceiling, age in known]
    (tmp_path / "who.csv").write_text("speaker;ceiling;age\n" + "\n".join(rows), encoding="cp1252")
    tokens = tmp_path / "t.parquet"
    said = phonoscope(
        "tokens", mixed / "corpus", "--classes", "any-vowel", "--speakers", tmp_path / "who.csv", "--out", tokens
    )
    assert said.status == 0, said.err
    table, _ = measured(phonoscope, tokens, tmp_path / "f.csv", "--formants", 4, "--positions", "0.25,0.5")
    used = table.groupby("speaker")[["ceiling", "ceiling_from"]].first()
    sources = used["ceiling_from"].str.split(",").str[0].to_dict()
    assert sources == dict(zip(names, ("age", "table of speakers", "age", sources[names[3]]), strict=True))
    assert {"f1_25", "f1_50"} <= set(table.columns)
    assert "f1_20" not in table.columns


def test_candidates_are_written_edited_and_read_back(mixed, phonoscope, tmp_path):
    tokens, out = mixed / "t.parquet", tmp_path / "f.csv"
    table, answer = measured(phonoscope, tokens, out, "--ceiling", "per-token")
    path = tmp_path / "f_candidates.csv"
    assert answer.json["candidates"] == path.as_posix()
    rows = pd.read_csv(path)
    laddered = rows.groupby("token")["candidate"].transform("size") == len(LADDER_HZ)
    assert laddered.any()
    token = rows.loc[laddered, "token"].iloc[-1]
    mine = rows["token"] == token
    before = int(rows.loc[mine & (rows["chosen"] == 1), "candidate"].iloc[0])
    other = 1 if before != 1 else 2
    rows.loc[mine, "chosen"] = (rows.loc[mine, "candidate"] == other).astype(int)
    rows.loc[mine & (rows["candidate"] == other), "f2_50"] = 1234.5
    edited = tmp_path / "edited.csv"
    rows.to_csv(edited, index=False, sep=";")
    again, _ = measured(phonoscope, tokens, tmp_path / "g.csv", "--ceiling", "per-token", "--corrections", edited)
    row, untouched = again["token"] == token, again["token"] != token
    assert again.loc[row, "ceiling"].item() == LADDER_HZ[other - 1]
    assert again.loc[row, "ceiling_from"].item() == "correction"
    assert again.loc[row, "f2_50"].item() == 1234.5
    assert again.loc[row, "corrected"].item() == "f2_50"
    wanted = rows[mine & (rows["candidate"] == other)].iloc[0]
    assert again.loc[row, "f1_50"].item() == pytest.approx(wanted["f1_50"])
    values = ["ceiling", *(name for name in table.columns if name[:2] in ("f0", "f1", "f2", "f3", "b1"))]
    pd.testing.assert_frame_equal(again.loc[untouched, values], table.loc[untouched, values])
    assert again.loc[untouched, "corrected"].isna().all()
    refused = phonoscope("formants", tokens, "--out", out, "--ceiling", "per-token", "--corrections", path)
    assert refused.status == 1
    assert "would be written over" in refused.err


def test_corrections_of_tokens_that_are_not_there_are_told(mixed, phonoscope, tmp_path):
    (tmp_path / "c.csv").write_text("token,f1_50\nnobody:0001,500\n", encoding="utf-8")
    _, answer = measured(phonoscope, mixed / "t.parquet", tmp_path / "f.csv", "--corrections", tmp_path / "c.csv")
    assert [(entry["what"], entry["count"], entry["examples"]) for entry in answer.json["left_out"]] == [
        ("correction", 1, ["nobody:0001"])
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--ceiling", "tall"], "per-token"),
        (["--positions", "2"], "0 to 1"),
        (["--formants", "1"], "from 2 to 10"),
        (["--corrections", "missing.csv"], "missing.csv"),
    ],
)
def test_settings_that_make_no_sense_stop_the_command(words, says, mixed, phonoscope, tmp_path):
    answer = phonoscope("formants", mixed / "t.parquet", "--out", tmp_path / "f.csv", *words)
    assert answer.status == 1
    assert says in answer.err
    assert not any(tmp_path.iterdir())


def test_a_run_measures_as_it_is_told_and_keeps_what_it_chose_from(talkers, recipe_file, phonoscope, tmp_path):
    out = tmp_path / "run"
    token = read_corpus(talkers, classes="any-vowel")["token"].iloc[0]
    (tmp_path / "c.csv").write_text(f"token,f1_50\n{token},444\n", encoding="utf-8")
    words = ("--ceiling", "per-speaker", "--positions", "0.3,0.5", "--corrections", tmp_path / "c.csv")
    answer = phonoscope("run", recipe_file, "--corpus", talkers, "--out", out, "--epochs", 1, *words)
    assert answer.status == 0, answer.err
    run = Run(out)
    assert {"f1_30", "f1_50"} <= set(run.formants.columns)
    assert run.formants.set_index("token").loc[token, "f1_50"] == 444
    candidates = pd.read_csv(out / "formant_candidates.csv")
    assert candidates["ceiling"].nunique() > 5
    used = run.formants.merge(run.tokens[["token", "speaker"]], on="token")
    assert len(used[["speaker", "ceiling"]].drop_duplicates()) == used["speaker"].nunique()
    assert (out / "formant_corrections.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()
    assert '"per-speaker"' in (out / "run.json").read_text(encoding="utf-8")


def test_a_run_needs_the_middle_of_the_vowel(talkers, recipe_file, phonoscope, tmp_path):
    answer = phonoscope("run", recipe_file, "--corpus", talkers, "--out", tmp_path / "run", "--positions", "0.2,0.8")
    assert answer.status == 1
    assert "add 0.5" in answer.err


PLANTED = {"i": (2250, 2975), "u": (882, 2323), "æ": (1726, 2516), "ɑ": (1192, 2512), "ɝ": (1326, 1720)}  # F2, F3


def test_children_of_a_real_table_of_speakers_get_their_ceilings(shared_data, phonoscope, tmp_path):
    case, tokens = shared_data / "field_cases" / "children", tmp_path / "t.parquet"
    words = ("tokens", case / "corpus", "--classes", "any-vowel", "--speakers", case / "speakers.csv")
    said = phonoscope(*words, "--out", tokens)
    assert said.status == 0, said.err
    table, _ = measured(phonoscope, tokens, tmp_path / "f.csv")
    youngest = table[table["speaker"] == "four"]
    assert set(youngest["ceiling"]) == {8000}
    truth = 1.55 * np.array([PLANTED[label] for label in youngest["label"]])
    np.testing.assert_allclose(youngest[["f2_50", "f3_50"]], truth, rtol=0.1)


def test_of_real_speech_only_vowels_with_a_wide_pole_changed(shared_data):
    root = shared_data / "ljspeech"
    tokens = read_corpus(root, root / "textgrids", classes="vowels")
    sounds, _ = cut(tokens, context_seconds=0.05)
    before, now = (token_formants(sounds, 22050, context=0.05, max_bandwidth=limit) for limit in (1500, None))
    names = [f"f{k}_50" for k in (1, 2, 3, 4)]
    hertz, width = before[names].to_numpy(), before[[f"b{k}_50" for k in (1, 2, 3, 4)]].to_numpy()
    wide = (width > widest_bandwidth(hertz)).any(axis=1)
    assert wide.mean() < 0.03
    np.testing.assert_array_equal(now[names].to_numpy()[~wide], hertz[~wide])
