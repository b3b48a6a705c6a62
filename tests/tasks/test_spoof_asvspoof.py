"""Spoofed recordings in the layout of ASVspoof 2019 LA: attacks one by one and by kind, what is missing, report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from phonoscope.audio import read_audio, write_audio
from phonoscope.errors import CorpusError, ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.filters import spectrum_bank
from phonoscope.judgement.claims import CONTRADICTED, OPEN, SUPPORTED
from phonoscope.tasks.spoof.judge import CONTROL, LAYER, RANDOM, SPECTRUM, hear, problems_of
from phonoscope.tasks.spoof.material import spoof_material
from phonoscope.tasks.spoof.recipe import SpoofRecipe

RATE = 16000
TAKES = 4
RECIPE = SpoofRecipe("x", sample_rate=RATE, seconds=0.2, recordings=48, random_seeds=1)
RECIPE_TEXT = 'name = "la"\ntask = "spoof"\nseconds = 0.2\nrecordings = 48\nrandom_seeds = 1\n'


@pytest.fixture(scope="module")
def database(talkers, tmp_path_factory) -> Path:
    """Utterances of twelve synthetic talkers; A07, A13 and (of nine) A10 hum, A17 is a copy, A18 is three copies."""
    home = tmp_path_factory.mktemp("asvspoof") / "LA"
    flac = home / "ASVspoof2019_LA_eval" / "flac"
    lines, number = [], 1000000
    for place, path in enumerate(sorted(talkers.rglob("*.wav"))):
        takes = np.array_split(read_audio(path, RATE)[0], TAKES)
        for attack in ("-", "A07", "A10", "A13", "A17", "A18"):
            used = {"A10": TAKES * (place < 9), "A18": int(place < 3)}.get(attack, TAKES)
            for take in takes[:used]:
                hum = 0.3 * np.sin(2 * np.pi * 3000 * np.arange(len(take)) / RATE)
                change = hum if attack in ("A07", "A10", "A13") else 0
                number += 1
                name = f"LA_E_{number}"
                write_audio(flac / f"{name}.flac", (take + change).astype(np.float32), RATE, subtype="PCM_16")
                lines.append(f"LA_{place:04d} {name} - {attack} {'bonafide' if attack == '-' else 'spoof'}")
    lines += ["LA_0000 LA_E_9999999 - A07 spoof", "LA_0000 LA_E_9999998 - - bonafide", "a line of another kind"]
    (flac / "LA_E_0000001.flac").write_bytes((flac / "LA_E_1000001.flac").read_bytes())
    protocol = home / "ASVspoof2019_LA_cm_protocols" / "ASVspoof2019.LA.cm.eval.trl.txt"
    protocol.parent.mkdir()
    protocol.write_text("\n".join(lines) + "\n")
    return home


@pytest.fixture(scope="module")
def finished(database, phonoscope, tmp_path_factory):
    from safetensors.torch import save_file

    from phonoscope.networks import build_network

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("la")
    network = build_network("inc_tssdnet", 2)
    weights = folder / "inc.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
    recipe = folder / "la.toml"
    recipe.write_text(RECIPE_TEXT)
    arguments = ("run", recipe, "--corpus", database.parent, "--network", "inc_tssdnet", "--init", weights)
    return folder, arguments, phonoscope(*arguments, "--out", folder / "run", "--json")


def test_each_attack_and_each_kind_stands_against_the_bona_fide_recordings(finished):
    folder, _, answer = finished
    assert answer.status == 0, answer.err
    results = Run(folder / "run").table("results")
    order = results.drop_duplicates("attack")
    assert order["attack"].tolist() == ["A07", "A10", "A13", "A17", "all TTS", "all VC", "all attacks", CONTROL]
    assert order["kind"].tolist() == ["TTS", "TTS", "TTS + VC", "VC", "TTS", "VC", "all", ""]
    assert order["n_real"].tolist()[:7] == [48] * 7
    assert order["n_spoofed"].tolist()[:7] == [48, 36, 48, 48, 84, 51, 183]
    table = {(row["attack"], row["feature"]): row for row in results.to_dict("records")}
    for audible in ("A07", "A10", "A13", "all TTS"):
        assert table[audible, LAYER]["balanced_accuracy"] > 0.97
        assert table[audible, LAYER]["eer"] < 0.03
        # Twelve speakers without a mistake do not make mistakes impossible.
        assert table[audible, LAYER]["low"] < 0.97 or table[audible, LAYER]["balanced_accuracy"] < 1
        assert table[audible, SPECTRUM]["eer"] < 0.03
    for feature in (LAYER, RANDOM, SPECTRUM):
        # A copy has the samples of the original, so both are always judged by one machine, and alike.
        assert table["A17", feature]["balanced_accuracy"] == pytest.approx(0.5)
        assert table["A17", feature]["eer"] == pytest.approx(0.5)
    # Four of five recordings are spoofed, and the copies cannot be told: balanced accuracy is no higher for that.
    mixed = table["all attacks", RANDOM]
    assert mixed["majority"] == pytest.approx(183 / 231)
    assert mixed["balanced_accuracy"] < 0.9
    assert (results["unit"] == "speaker").all()
    assert set(results["n_units"]) <= {9, 12}
    assert len(answer.json["spoof"]) == len(results)


def test_what_the_protocol_names_and_is_absent_is_reported(finished):
    left_out = Run(finished[0] / "run").table("left_out").set_index("reason")
    absent = left_out.loc["named in the protocol, but there is no such file"]
    assert absent["count"] == 2
    assert "LA_E_9999999" in absent["examples"]
    assert "a line of another kind" in str(left_out.loc["of another form, or a name that stands twice", "examples"])
    assert left_out.loc["not named in the protocol", "examples"] == "LA_E_0000001"
    assert left_out.loc["fewer than 10 recordings: only among its kind", "examples"] == "A18"


def test_table_1_stands_beside_what_was_measured(finished):
    claims = Run(finished[0] / "run").table("claims")
    assert [says.partition(":")[0] for says in claims["paper_says"]] == ["TTS", "TTS + VC", "VC"]
    assert "0.90 ± 0.015 (ResNet)" in claims["paper_says"].iloc[0]
    assert claims["paper_says"].str.rpartition("here: ")[2].tolist() == ["all TTS", "A13", "all VC"]
    assert claims["verdict"].iloc[2] != SUPPORTED
    assert set(claims["verdict"]) <= {SUPPORTED, CONTRADICTED, OPEN}
    assert claims["detail"].str.contains("must beat the control, real against real recordings").all()


def test_tokens_and_report_say_where_everything_comes_from(finished, phonoscope):
    folder, _, _ = finished
    run = Run(folder / "run")
    tokens = run.tokens
    assert tokens["attack"].isna().sum() == 48
    assert tokens["recording"].str.startswith("LA/ASVspoof2019_LA_eval/flac/LA_E_1").all()
    assert run.facts["corpus"]["settings"]["partition"] == "eval"
    assert run.facts["corpus"]["settings"]["in_protocol"]["A18"] == 3
    counts = run.table("counts").set_index("attack")
    assert list(counts.loc["A18", ["recordings", "speakers", "speakers_also_real"]]) == [3, 3, 3]
    html = (folder / "run" / "report.html").read_text(encoding="utf-8")
    for said in ("A10: TTS, neural waveform model", "Only 9 of the 12 real speakers", "all TTS"):
        assert said in html
    assert phonoscope("report", folder / "run").status == 0
    assert (folder / "run" / "report.html").read_text(encoding="utf-8") == html


def test_partitions_and_protocols_can_be_named_and_wrong_ones_are_refused(finished, database, phonoscope, tmp_path):
    _, arguments, _ = finished
    out = tmp_path / "out"
    refused = phonoscope(*arguments, "--out", out, "--partition", "train")
    assert "partition 'train' was not found" in refused.err
    assert "eval" in refused.err
    assert "choose eval, dev, train" in phonoscope(*arguments, "--out", out, "--partition", "test").err
    vowels = phonoscope("run", "vowels", "--synthetic", "--out", out, "--partition", "eval")
    assert "--partition means nothing for vowels" in vowels.err
    assert not out.exists()
    lines = (database / "ASVspoof2019_LA_cm_protocols" / "ASVspoof2019.LA.cm.eval.trl.txt").read_text().splitlines()
    few = tmp_path / "few.txt"
    few.write_text("\n".join(line.replace("A07", "mine") for line in lines if " A07 " in line or " - - " in line))
    flac = database / "ASVspoof2019_LA_eval" / "flac"
    named = phonoscope(*arguments[:3], flac, *arguments[4:], "--out", out, "--protocol", few, "--json")
    assert named.status == 0, named.err
    assert {row["kind"] for row in named.json["spoof"]} == {"other", ""}
    assert "The first layer itself" in named.json["claims"][-1]["claim"]


def test_only_some_attacks_and_only_so_many_recordings_of_each(database):
    recipe = replace(RECIPE, attacks=["A13", "A17"], recordings=20)
    material = spoof_material(database, recipe)
    tokens, features = hear(material.clips, spectrum_bank(RATE), random_seeds=1, seed=0)
    assert tokens["attack"].fillna("real").value_counts().to_dict() == {"real": 20, "A13": 20, "A17": 20}
    assert [feature.values.shape for feature in features] == [(60, 64)] * 3 + [(60, 64 * 32)]  # the last is the twin's
    assert [problem.name for problem in problems_of(tokens)[0]] == ["A13", "A17", "all attacks"]
    told = {entry["reason"]: entry for entry in material.left_out.entries()}
    assert told["not asked for"]["examples"] == ["A07", "A10", "A18"]
    # The draw of one attack does not depend on the others.
    alone = spoof_material(database, replace(RECIPE, attacks=["A17"], recordings=20))
    names = [clip.row["recording"] for clip in alone.clips]
    assert names == tokens.loc[tokens["attack"].isna() | (tokens["attack"] == "A17"), "recording"].tolist()


def test_what_cannot_be_an_experiment_is_said(database, tmp_path):
    for recipe, error, said in (
        (replace(RECIPE, attacks=["A20"]), ExperimentError, "A20 is not known here; choose among A07"),
        (replace(RECIPE, partition="dev"), CorpusError, "'dev' was not found"),
    ):
        with pytest.raises(error, match=said):
            spoof_material(database, recipe)
    with pytest.raises(CorpusError, match="another form"):
        spoof_material(database, RECIPE, strict=True)
    only = tmp_path / "only.txt"
    only.write_text("LA_0000 LA_E_1000001 - - bonafide\n")
    with pytest.raises(ExperimentError, match="no spoofed recording"):
        spoof_material(database, RECIPE, protocol=only)
    with pytest.raises(CorpusError, match="was not found"):
        spoof_material(tmp_path / "nowhere", RECIPE)
    (tmp_path / "plain").mkdir()
    with pytest.raises(CorpusError, match="no partition 'dev'"):
        spoof_material(tmp_path / "plain", replace(RECIPE, partition="dev"))


def test_attacks_of_a_kind_with_one_member_are_not_pooled_again():
    def table(**attacks: tuple[str, int]) -> pd.DataFrame:
        rows: list[dict[str, object]] = [{"attack": pd.NA, "kind": pd.NA}] * 12
        rows += [{"attack": name, "kind": kind} for name, (kind, count) in attacks.items() for _ in range(count)]
        return pd.DataFrame(rows)

    problems, small = problems_of(table(A05=("VC", 12), A01=("TTS", 6), A02=("TTS", 6)))
    assert [problem.name for problem in problems] == ["A05", "all TTS", "all attacks"]
    assert small == ["A01", "A02"]
    assert [problem.spoofed.sum() for problem in problems] == [12, 12, 24]
    assert all((~problem.spoofed).sum() == 12 for problem in problems)
    assert problems_of(table(A01=("TTS", 12)))[0][0].rows.tolist() == list(range(24))
